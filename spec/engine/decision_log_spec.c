#include "canary/decision_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/json_delta.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/replay.h"
#include "ports.h"
#include "spec.h"

/* ---- deltas ---- */

static cJSON *random_json(struct chance *chance, int depth)
{
	uint64_t kind = chance_next(chance) % (depth == 0 ? 4 : 6);
	cJSON *json;
	char name[8];
	switch (kind) {
	case 0:
		return cJSON_CreateNull();
	case 1:
		return cJSON_CreateBool((int)(chance_next(chance) % 2));
	case 2:
		return cJSON_CreateNumber((double)(chance_next(chance) % 4));
	case 3:
		return cJSON_CreateString(chance_next(chance) % 2 == 0 ? "a" : "b");
	case 4:
		json = cJSON_CreateArray();
		for (uint64_t i = chance_next(chance) % 4; i > 0; i--)
			cJSON_AddItemToArray(json, random_json(chance, depth - 1));
		return json;
	default:
		json = cJSON_CreateObject();
		for (uint64_t i = 0; i < 4; i++) {
			snprintf(name, sizeof(name), "%d", (int)i);
			if (chance_next(chance) % 2 == 0)
				cJSON_AddItemToObject(json, name, random_json(chance, depth - 1));
		}
		return json;
	}
}

SPEC("json_delta: applied to what it is of, gives what it was made for")
{
	struct chance chance;
	chance_seed(&chance, 1);
	for (int i = 0; i < 20000; i++) {
		struct error err = {0};
		SCOPED(json) cJSON *to = random_json(&chance, 4);
		cJSON *from = random_json(&chance, 4);
		SCOPED(json) cJSON *delta = json_delta(from, to);
		EXPECT((delta == NULL) == json_equal(from, to));
		if (delta != NULL)
			EXPECT(json_delta_apply(&from, delta, &err));
		EXPECT(json_equal(from, to));
		/* Anything as a delta of anything: refused or applied, never more. */
		SCOPED(json) cJSON *wild = random_json(&chance, 4);
		bool fits = json_delta_apply(&from, wild, &err);
		EXPECT(fits || err.text[0] != '\0');
		cJSON_Delete(from);
	}
}

SPEC("json_delta: a row that moves on by one is told as that")
{
	SCOPED(json) cJSON *from = cJSON_Parse("{\"h\":[1,2,3],\"x\":{\"a\":1,\"b\":2}}");
	SCOPED(json) cJSON *to = cJSON_Parse("{\"h\":[2,3,4],\"x\":{\"a\":1}}");
	SCOPED(json) cJSON *delta = json_delta(from, to);
	SCOPED(text) char *text = json_canonical(delta);
	EXPECT_TEXT(text, "{\"h\":[1,[4]],\"x\":{\"b\":null}}");
}

/* ---- the log ---- */

static const char policy_text_of_spec[] =
	"return { step = function(rollout) return { action = 'route', weight = rollout.weight + 5 }"
	" end }";

/* One decision with the weight given. */
static struct decision *decide(const struct policy *policy, int weight, int filler)
{
	const struct policy_chain chain = {.defaults = (struct policy *)(uintptr_t)policy};
	SCOPED(json) cJSON *rollout = cJSON_CreateObject();
	SCOPED(json) cJSON *answer = NULL;
	struct error err = {0};
	struct decision *decision = decision_again(NULL);
	cJSON_AddNumberToObject(rollout, "weight", weight);
	for (int i = 0; i < filler; i++)
		json_put_number(rollout, "spec.list", i);
	EXPECT(policy_chain_call(&chain, HOOK_STEP, rollout, NULL, &answer, &err));
	decision_call(decision, &chain, HOOK_STEP, rollout, NULL, answer, &err);
	decision_move(decision, &(struct move){.kind = MOVE_ROUTE});
	return decision;
}

struct found {
	int decisions, policies;
	double weight;
	struct replay *replay;
	bool same;
};

static bool find_decision(void *owner, const struct logged *logged)
{
	struct found *found = owner;
	struct error answered = {0}, err = {0};
	SCOPED(json) cJSON *answer = NULL;
	const cJSON *call = json_at(logged->json, "calls[0]");
	found->decisions++;
	found->weight = json_number(logged->json, "rollout.weight", -1);
	found->same &= replay_call(found->replay, logged->json, call, &answer, &answered, &err) &&
		       json_equal(answer, json_get(call, "answer"));
	return true;
}

static void find_policy(void *owner, const char *name, const char *hash, const char *text)
{
	struct found *found = owner;
	found->policies++;
	replay_learn(found->replay, name, hash, text);
}

static bool read_back(const char *dir, struct found *found, struct log_summary *summary,
		      struct error *err)
{
	*found = (struct found){.replay = replay_new(), .same = true};
	const struct log_reader reader = {find_decision, find_policy, found};
	bool good = decision_log_read(dir, &reader, summary, err);
	replay_free(found->replay);
	return good;
}

static void write_some(const char *dir, size_t file_bytes, int from, int to)
{
	struct error err = {0};
	struct policy *policy =
		policy_new("p.lua", policy_text_of_spec, strlen(policy_text_of_spec), &err);
	EXPECT(policy != NULL);
	struct decision_log *log = decision_log_open(dir, file_bytes, &err);
	EXPECT_TEXT(err.text, "");
	for (int weight = from; weight < to; weight++) {
		struct decision *decision = decide(policy, weight, 3);
		decision_log_know(log, policy);
		decision_log_add(log, "test", weight % 2 == 0 ? "a" : "b", weight, decision,
				 weight % 5 == 0);
		decision_free(decision);
	}
	decision_log_close(log);
	policy_free(policy);
}

/* The newest file of a directory. */
static char *newest(const char *dir)
{
	char last[300] = "";
	DIR *opened = opendir(dir);
	for (const struct dirent *entry = readdir(opened); entry != NULL; entry = readdir(opened))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, last) > 0)
			text_copy(last, sizeof(last), entry->d_name);
	closedir(opened);
	return xasprintf("%s/%s", dir, last);
}

static void overwrite(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");
	EXPECT(file != NULL && fwrite(text, 1, len, file) == len);
	fclose(file);
}

static void remove_all(const char *dir)
{
	for (;;) {
		SCOPED(text) char *path = newest(dir);
		if (path[strlen(path) - 1] == '/')
			break;
		unlink(path);
	}
	rmdir(dir);
}

SPEC("decision_log: what was written is read, across files and restarts, and answers the same")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	EXPECT(mkdtemp(dir) != NULL);
	write_some(dir, 2000, 1, 40);
	write_some(dir, 2000, 40, 60);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_INT(found.decisions, 59);
	EXPECT(found.same);
	EXPECT_INT(found.weight, 59);
	EXPECT(summary.files > 3);
	EXPECT_INT(found.policies, summary.files); /* each file can be read alone */
	EXPECT_INT(summary.torn, 0);
	struct stat status;
	SCOPED(text) char *path = newest(dir);
	EXPECT(stat(path, &status) == 0);
	EXPECT_INT(status.st_mode & 0777, 0600);
	remove_all(dir);
}

static size_t count_of(const char *path, const char *word)
{
	struct error err = {0};
	SCOPED(buf) struct buf text = {0};
	size_t count = 0;
	buf_init(&text, MIB);
	EXPECT(file_read(path, &text, &err));
	for (const char *at = text.text; (at = strstr(at, word)) != NULL; at++)
		count++;
	return count;
}

SPEC("decision_log: after a restart it goes on in the same file with what had changed")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	EXPECT(mkdtemp(dir) != NULL);
	for (int i = 0; i < 10; i++)
		write_some(dir, 0, 3 * i + 1, 3 * i + 4);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_INT(found.decisions, 30);
	EXPECT_INT(summary.files, 1);
	EXPECT(found.same);
	EXPECT_INT(found.weight, 30);
	SCOPED(text) char *path = newest(dir);
	EXPECT_INT(count_of(path, "\"text\":"), 1);
	EXPECT(count_of(path, "\"whole\":") < 10); /* two, and one after each rest */
	/* Who waits to lead begins no file. */
	struct decision_log *waiting = decision_log_open(dir, 0, &err);
	write_some(dir, 0, 31, 34);
	decision_log_close(waiting);
	/* Somebody else still writes: a file of one's own. */
	int still = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT(still >= 0 && flock(still, LOCK_EX | LOCK_NB) == 0);
	write_some(dir, 0, 34, 36);
	close(still);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_INT(summary.files, 2);
	EXPECT_INT(found.decisions, 35);
	remove_all(dir);
}

SPEC("decision_log: the chain goes on over a file that was never begun")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	EXPECT(mkdtemp(dir) != NULL);
	write_some(dir, 0, 1, 4);
	SCOPED(text) char *empty = xasprintf("%s/decisions-1970-01-01T00:00:00.000003Z.jsonl", dir);
	overwrite(empty, "", 0);
	write_some(dir, 0, 4, 6);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_TEXT(err.text, "");
	EXPECT_INT(summary.files, 3);
	remove_all(dir);
}

SPEC("decision_log: half a line is passed over, a changed one is found")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	size_t len;
	EXPECT(mkdtemp(dir) != NULL);
	write_some(dir, 0, 1, 10);
	SCOPED(text) char *path = newest(dir);
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, MIB);
	EXPECT(file_read(path, &text, &err));
	len = text.len;
	overwrite(path, text.text, len - 30);
	write_some(dir, 0, 10, 12); /* goes on after the last whole line */
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_INT(found.decisions, 10);
	EXPECT_INT(summary.torn, 1);
	char *weight = strstr(text.text, "\"weight\":[4]");
	EXPECT(weight != NULL);
	weight[10] = '5';
	overwrite(path, text.text, len);
	EXPECT(!read_back(dir, &found, &summary, &err));
	EXPECT_INT(err.kind, ERROR_INVALID);
	EXPECT_CONTAINS(err.text, ": was changed");
	overwrite(path, "x\n", 2);
	EXPECT(!read_back(dir, &found, &summary, &err));
	EXPECT_CONTAINS(err.text, ":1: is no JSON");
	remove_all(dir);
	EXPECT(!read_back("/nowhere", &found, &summary, &err));
}

/* The whole of a file, which the caller frees. */
static char *content(const char *path, size_t *len)
{
	struct error err = {0};
	struct buf text;
	buf_init(&text, MIB);
	EXPECT(file_read(path, &text, &err));
	*len = text.len;
	return buf_take(&text);
}

SPEC("decision_log: any byte that was changed is found where it stands, in the last line too")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	size_t len;
	int line = 1;
	EXPECT(mkdtemp(dir) != NULL);
	write_some(dir, 0, 1, 4);
	SCOPED(text) char *path = newest(dir);
	SCOPED(text) char *text = content(path, &len);
	for (size_t i = 0; i < len; i++) {
		struct error err = {0};
		char good = text[i], place[20];
		snprintf(place, sizeof(place), ".jsonl:%d: ", line);
		text[i] ^= 1;
		overwrite(path, text, len);
		bool read = read_back(dir, &found, &summary, &err);
		text[i] = good;
		line += good == '\n';
		if (i + 1 == len)
			EXPECT_INT(summary.torn, 1); /* there is no end of the line */
		else if (read || strstr(err.text, place) == NULL)
			spec_fail(__FILE__, __LINE__, "byte %zu, line %s: %s", i, place, err.text);
	}
	overwrite(path, text, len);
	remove_all(dir);
}

SPEC("decision_log: a line that was made good again is found by the next one, a lost end is not")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	size_t len;
	EXPECT(mkdtemp(dir) != NULL);
	write_some(dir, 0, 1, 9);
	SCOPED(text) char *path = newest(dir);
	SCOPED(text) char *text = content(path, &len);
	const char *third = text;
	for (int i = 0; i < 2; i++)
		third = strchr(third, '\n') + 1;
	const char *fourth = strchr(third, '\n') + 1;
	SCOPED(text) char *without = xasprintf("%.*s%s", (int)(third - text), text, fourth);
	overwrite(path, without, strlen(without));
	EXPECT(!read_back(dir, &found, &summary, &err));
	EXPECT_CONTAINS(err.text, ".jsonl:3: the line before it was changed, or lines are missing");
	overwrite(path, text, (size_t)(fourth - text));
	EXPECT(read_back(dir, &found, &summary, &err));
	static const char newer[] = "{\"v\":3,\"log\":\"sluice\"}\n",
			  older[] = "{\"v\":1,\"log\":\"sluice\",\"prev\":\"\"}\n";
	overwrite(path, newer, strlen(newer));
	EXPECT(!read_back(dir, &found, &summary, &err));
	EXPECT_CONTAINS(err.text, ":1: is of a newer version (3)");
	/* One of the version before: without sums. */
	overwrite(path, older, strlen(older));
	EXPECT(read_back(dir, &found, &summary, &err));
	remove_all(dir);
}

static void add_one(struct decision_log *log, struct policy *policy, int weight)
{
	struct decision *decision = decide(policy, weight, 3);
	decision_log_know(log, policy);
	decision_log_add(log, "test", "a", weight, decision, false);
	decision_free(decision);
}

static struct policy *policy_of_spec(void)
{
	struct error err = {0};
	struct policy *policy =
		policy_new("p.lua", policy_text_of_spec, strlen(policy_text_of_spec), &err);
	EXPECT_TEXT(err.text, "");
	return policy;
}

SPEC("decision_log: a full disk costs the decisions of its time, is told, and damages nothing")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	struct rlimit before;
	struct stat status;
	EXPECT(mkdtemp(dir) != NULL);
	struct policy *policy = policy_of_spec();
	struct decision_log *log = decision_log_open(dir, 0, &err);
	add_one(log, policy, 1);
	add_one(log, policy, 2);
	SCOPED(text) char *path = newest(dir);
	EXPECT(stat(path, &status) == 0 && getrlimit(RLIMIT_FSIZE, &before) == 0);
	const struct rlimit full = {(rlim_t)status.st_size + 50, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	EXPECT(setrlimit(RLIMIT_FSIZE, &full) == 0);
	for (int weight = 3; weight < 6; weight++)
		add_one(log, policy, weight);
	EXPECT(setrlimit(RLIMIT_FSIZE, &before) == 0);
	signal(SIGXFSZ, SIG_DFL);
	add_one(log, policy, 6);
	add_one(log, policy, 7);
	decision_log_close(log);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_TEXT(err.text, "");
	EXPECT_INT(found.decisions, 4);
	EXPECT_INT(summary.missed, 3);
	EXPECT_INT(summary.torn, 0);
	EXPECT(found.same);
	EXPECT_INT(found.weight, 7);
	policy_free(policy);
	remove_all(dir);
}

SPEC("decision_log: a directory that is removed under it comes back")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	EXPECT(mkdtemp(dir) != NULL);
	struct policy *policy = policy_of_spec();
	struct decision_log *log = decision_log_open(dir, 0, &err);
	add_one(log, policy, 1);
	remove_all(dir);
	add_one(log, policy, 2);
	add_one(log, policy, 3);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_TEXT(err.text, "");
	EXPECT_INT(found.decisions, 2);
	EXPECT(found.same);
	decision_log_close(log);
	policy_free(policy);
	remove_all(dir);
}

SPEC("decision_log: two that write into one directory leave one log, of which a file is missed")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	EXPECT(mkdtemp(dir) != NULL);
	struct policy *policy = policy_of_spec();
	struct decision_log *one = decision_log_open(dir, 2500, &err);
	struct decision_log *two = decision_log_open(dir, 2500, &err);
	for (int weight = 1; weight < 60; weight++)
		add_one(weight % 2 == 0 ? one : two, policy, weight);
	decision_log_close(one);
	decision_log_close(two);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_TEXT(err.text, "");
	EXPECT_INT(found.decisions, 59);
	EXPECT(found.same);
	EXPECT(summary.files >= 6);
	/* The oldest may be gone, as after a while all go; one in the middle may not. */
	struct dirent **names;
	int count = scandir(dir, &names, NULL, alphasort); /* ".", "..", files */
	SCOPED(text) char *oldest = xasprintf("%s/%s", dir, names[2]->d_name);
	SCOPED(text) char *middle = xasprintf("%s/%s", dir, names[4]->d_name);
	unlink(oldest);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_TEXT(err.text, "");
	unlink(middle);
	EXPECT(!read_back(dir, &found, &summary, &err));
	EXPECT_CONTAINS(err.text, ".jsonl:1: a file is missing before it, or was changed");
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	policy_free(policy);
	remove_all(dir);
}

SPEC("decision_log: a clock that is put back leaves the files in their order")
{
	char dir[] = "/tmp/sluice-spec-XXXXXX";
	struct found found;
	struct log_summary summary;
	struct error err = {0};
	EXPECT(mkdtemp(dir) != NULL);
	write_some(dir, 2000, 60, 90);
	write_some(dir, 2000, 10, 40);
	EXPECT(read_back(dir, &found, &summary, &err));
	EXPECT_TEXT(err.text, "");
	EXPECT_INT(found.decisions, 60);
	EXPECT_INT(found.weight, 39);
	remove_all(dir);
}

SPEC("decision_log: a place that cannot be written is told at the start")
{
	struct error err = {0};
	EXPECT(decision_log_open("/proc/nowhere", 0, &err) == NULL);
	EXPECT_CONTAINS(err.text, "/proc/nowhere");
}
