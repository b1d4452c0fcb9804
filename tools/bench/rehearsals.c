/*
 * rehearsals.c - how long a dry run takes, and how many recorded ticks fit into a second, beside
 * the bounds of the design. Time of the processor, the median of several rounds and the least of
 * them: on a machine that others use too, the least is nearer to what the work takes.
 *
 * A recorded tick is what a backtest does with one tick of a decision log: the policy's hooks are
 * asked again what to do, on their recorded inputs (rollback, thresholds, a judgement of each
 * sample, the step), and their answers come to a result. No cluster takes part. Beside it stands
 * how many ticks a second the whole engine does in a rehearsal, API server included.
 *
 *     bench-rehearsals SLUICE
 *
 * Ends with 1 when a figure misses its bound.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cells.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "canary/replay.h"
#include "rehearsal/rehearsal.h"

extern char **environ;

enum { ROUNDS = 41, PROCESSES = 21, TICKS = 2000, REPLAYS = 5 };

static const char canary_file[] = "examples/podinfo/canary.yaml";
static const char recording_file[] = "examples/recordings/good.yaml";

static double processor_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_size);
	return values[count / 2];
}

static void must(bool good, const struct error *err)
{
	if (good)
		return;
	fprintf(stderr, "bench-rehearsals: %s\n", err->text);
	exit(1);
}

/* Prints a figure; true when it keeps its bound. */
static bool tell(const char *what, double got, const char *unit, double bound, bool at_least)
{
	bool good = at_least ? got >= bound : got <= bound;
	printf("%-44s %10.1f %-8s %s %g%s\n", what, got, unit, at_least ? ">=" : "<=", bound,
	       good ? "" : "   MISSED");
	return good;
}

static cJSON *read_objects(void)
{
	struct error err = {0};
	SCOPED(yaml) struct yaml_file *file = yaml_read(canary_file, &err);
	must(file != NULL, &err);
	cJSON *objects = cJSON_CreateArray();
	for (size_t i = 0; i < yaml_count(file); i++)
		cJSON_AddItemToArray(objects, cJSON_Duplicate(yaml_document(file, i), true));
	return objects;
}

static double rehearse_once(const struct rehearsal_input *input, enum outcome wanted, int *samples)
{
	struct rehearsal_result result;
	struct error err = {0};
	double began = processor_ms();
	must(rehearse(input, &result, &err), &err);
	double took = processor_ms() - began;
	*samples = cJSON_GetArraySize(result.notes[NOTE_SAMPLE]);
	if (result.outcome != wanted)
		must(false, &(struct error){.text = "the rehearsal did not end as it should"});
	rehearsal_result_fini(&result);
	return took;
}

static double whole_process(const char *sluice)
{
	char *arguments[] = {(char *)(uintptr_t)sluice,
			     (char *)(uintptr_t) "dry-run",
			     (char *)(uintptr_t) "-f",
			     (char *)(uintptr_t)canary_file,
			     (char *)(uintptr_t) "--metrics",
			     (char *)(uintptr_t)recording_file,
			     NULL};
	posix_spawn_file_actions_t actions;
	struct rusage before, after;
	pid_t process;
	int status = 1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
	getrusage(RUSAGE_CHILDREN, &before);
	if (posix_spawn(&process, sluice, &actions, NULL, arguments, environ) != 0 ||
	    waitpid(process, &status, 0) < 0 || status != 0)
		must(false, &(struct error){.text = "sluice dry-run failed"});
	getrusage(RUSAGE_CHILDREN, &after);
	posix_spawn_file_actions_destroy(&actions);
	return (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
			before.ru_stime.tv_sec) *
		       1e3 +
	       (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
			before.ru_stime.tv_usec) /
		       1e3;
}

/* The example with thousands of rounds instead of weights. */
static double ticks_a_second(cJSON *objects, const struct recording *recording,
			     struct decision_log *decisions)
{
	int samples;
	cJSON *canary;
	cJSON_ArrayForEach(canary, objects)
	{
		if (!text_equal(json_string(canary, "kind"), "Canary"))
			continue;
		json_remove(canary, "spec.analysis.stepWeight");
		json_remove(canary, "spec.analysis.maxWeight");
		json_put_number(canary, "spec.analysis.iterations", TICKS);
	}
	const struct rehearsal_input input = {.objects = objects,
					      .recording = recording,
					      .limit_us = 100 * DURATION_HOUR,
					      .decisions = decisions};
	double took = rehearse_once(&input, OUTCOME_SUCCEEDED, &samples);
	return samples / 2.0 / took * 1e3;
}

struct history {
	struct replay *replay;
	cJSON *ticks; /* of the analysis */
};

static void learn(void *owner, const char *name, const char *hash, const char *text)
{
	const struct history *history = owner;
	replay_learn(history->replay, name, hash, text);
}

static bool keep(void *owner, const struct logged *logged)
{
	const struct history *history = owner;
	const cJSON *call;
	cJSON_ArrayForEach(call, json_get(logged->json, "calls"))
	{
		if (text_equal(json_string(call, "hook"), "step") &&
		    json_get(logged->json, "samples") != NULL)
			cJSON_AddItemToArray(history->ticks, json_copy(logged->json));
	}
	return true;
}

static double replay_all(const struct history *history)
{
	const cJSON *tick;
	double began = processor_ms();
	cJSON_ArrayForEach(tick, history->ticks)
	{
		struct result result;
		cJSON *state;
		replay_under(history->replay, NULL, tick, -1, NULL, &result, &state);
		cJSON_Delete(state);
		if (result.kind != RESULT_ROUTE && result.kind != RESULT_PROMOTE)
			must(false, &(struct error){.text = "a tick was not decided as it was"});
	}
	int count = cJSON_GetArraySize(history->ticks);
	if (count < TICKS / 2)
		must(false, &(struct error){.text = "the log has too few ticks"});
	return count / (processor_ms() - began) * 1e3;
}

static double replayed_a_second(const char *log)
{
	struct error err = {0};
	struct history history = {replay_new(), cJSON_CreateArray()};
	const struct log_reader reader = {keep, learn, &history};
	struct log_summary summary;
	double rates[REPLAYS];
	must(decision_log_read(log, &reader, &summary, &err), &err);
	for (size_t i = 0; i < REPLAYS; i++)
		rates[i] = replay_all(&history);
	replay_free(history.replay);
	cJSON_Delete(history.ticks);
	return median(rates, REPLAYS);
}

int main(int count, char **arguments)
{
	struct error err = {0};
	double rounds[ROUNDS], processes[PROCESSES];
	int samples;
	if (count != 2) {
		fprintf(stderr, "usage: bench-rehearsals SLUICE\n");
		return 1;
	}
	log_setup(LOG_ERROR, false, NULL);
	cells_for_json(); /* as dry-run does */
	cJSON *objects = read_objects();
	struct recording *recording = recording_read(recording_file, &err);
	must(recording != NULL, &err);
	const struct rehearsal_input input = {
		.objects = objects, .recording = recording, .limit_us = DURATION_HOUR};
	for (size_t i = 0; i < ROUNDS; i++)
		rounds[i] = rehearse_once(&input, OUTCOME_SUCCEEDED, &samples);
	for (size_t i = 0; i < PROCESSES; i++)
		processes[i] = whole_process(arguments[1]);
	static const char constant[] = "interval: 1h\nseries:\n"
				       "  - {metric: request-success-rate, values: 99.9x99}\n"
				       "  - {metric: request-duration, values: 90+1x99}\n";
	struct recording *long_one =
		recording_parse("constant", constant, sizeof(constant) - 1, &err);
	must(long_one != NULL, &err);
	bool good = tell("a dry run of the example", median(rounds, ROUNDS), "ms", 5, false);
	printf("%-44s %10.1f ms\n", "  the least of the rounds", rounds[0]);
	printf("%-44s %10.1f ms\n", "the same as a process of its own",
	       median(processes, PROCESSES));
	char folder[] = "/tmp/bench-rehearsals.XXXXXX";
	if (mkdtemp(folder) == NULL)
		must(false, &(struct error){.text = "no temporary folder"});
	struct decision_log *log = decision_log_open(folder, SIZE_MAX / 2, &err);
	must(log != NULL, &err);
	double whole = ticks_a_second(objects, long_one, log);
	decision_log_close(log);
	good &= tell("recorded ticks, on one core", replayed_a_second(folder), "a second", 10000,
		     true);
	printf("%-44s %10.1f a second\n", "ticks of the whole engine, with a log", whole);
	SCOPED(text) char *remove = xasprintf("rm -r %s", folder);
	if (system(remove) != 0)
		fprintf(stderr, "bench-rehearsals: %s is left\n", folder);
	recording_free(long_one);
	recording_free(recording);
	cJSON_Delete(objects);
	return good ? 0 : 1;
}
