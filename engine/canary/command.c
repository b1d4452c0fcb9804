#include "canary/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

static const char *const names[COMMANDS + 1] = {
	[COMMAND_PROMOTE] = "promote", [COMMAND_ABORT] = "abort",   [COMMAND_PAUSE] = "pause",
	[COMMAND_RESUME] = "resume",   [COMMAND_RETRY] = "retry",   [COMMAND_SKIP_TO] = "skip-to",
	[COMMAND_APPROVE] = "approve", [COMMANDS] = "(unreadable)",
};

const char *command_name(enum command_kind kind)
{
	return names[kind];
}

bool command_find(const char *name, enum command_kind *kind)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		*kind = (enum command_kind)i;
		return true;
	}
	return false;
}

/* ---- the annotation ---- */

const char *command_text(const cJSON *canary)
{
	const cJSON *annotations = json_at(canary, "metadata.annotations");
	return cJSON_GetStringValue(json_get(annotations, COMMAND_ANNOTATION));
}

/* NULL when it is the short form. */
static cJSON *long_form(const char *text)
{
	cJSON *json = json_parse(text, strlen(text), NULL);
	if (cJSON_IsObject(json))
		return json;
	cJSON_Delete(json);
	return NULL;
}

void command_digest(const char *text, char digest[HASH_TEXT_MAX])
{
	char hex[SHA256_HEX_SIZE];
	digest[0] = '\0';
	if (text == NULL)
		return;
	SCOPED(json) cJSON *json = long_form(text);
	const char *id = json_string_or(json, "id", "");
	if (id[0] != '\0')
		text = id;
	sha256_hex(text, strlen(text), hex);
	hex[16] = '\0';
	text_copy(digest, HASH_TEXT_MAX, hex);
}

/* What is shown of somebody else's text: no control characters. */
static void copy_plain(char *into, size_t size, const char *text)
{
	text_copy(into, size, text);
	for (char *at = into; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = ' ';
}

static bool read_weight(struct command *command, double weight, struct error *err)
{
	if (!(weight >= 0 && weight <= 100) || weight != (int)weight)
		return error_set(err, ERROR_INVALID,
				 "skip-to needs a weight, a whole number from 0 to 100");
	command->weight = (int)weight;
	return true;
}

static bool read_name(struct command *command, const char *name, struct error *err)
{
	char shown[40];
	if (command_find(name, &command->kind))
		return true;
	copy_plain(shown, sizeof(shown), name);
	return error_set(err, ERROR_INVALID,
			 "\"%s\" is none of promote, abort, pause, resume, retry, skip-to and "
			 "approve",
			 shown);
}

/* "abort", "skip-to 40" */
static bool read_short(struct command *command, const char *text, struct error *err)
{
	size_t len = strcspn(text, " ");
	SCOPED(text) char *name = xstrndup(text, len);
	if (!read_name(command, name, err))
		return false;
	if (command->kind != COMMAND_SKIP_TO)
		return true;
	char *end;
	double weight = strtod(text + len, &end);
	return read_weight(command, end == text + len || *end != '\0' ? -1 : weight, err);
}

bool command_parse(struct command *command, const char *text, struct error *err)
{
	*command = (struct command){.kind = COMMANDS};
	command_digest(text, command->digest);
	if (strlen(text) > COMMAND_TEXT_MAX)
		return error_set(err, ERROR_INVALID, "has %zu bytes, %d are allowed", strlen(text),
				 COMMAND_TEXT_MAX);
	SCOPED(json) cJSON *json = long_form(text);
	if (json == NULL)
		return read_short(command, text, err);
	copy_plain(command->by, sizeof(command->by), json_string_or(json, "by", ""));
	copy_plain(command->at, sizeof(command->at), json_string_or(json, "at", ""));
	copy_plain(command->revision, sizeof(command->revision),
		   json_string_or(json, "revision", ""));
	if (!read_name(command, json_string_or(json, "do", ""), err))
		return false;
	return command->kind != COMMAND_SKIP_TO ||
	       read_weight(command, json_number(json, "weight", -1), err);
}

/* ---- who wrote it ---- */

static const cJSON *annotations_of(const cJSON *entry)
{
	const cJSON *fields = json_get(json_get(entry, "fieldsV1"), "f:metadata");
	return json_get(fields, "f:annotations");
}

void command_know_writer(struct command *command, const cJSON *canary)
{
	const char *manager = "", *since = "";
	const cJSON *entry;
	cJSON_ArrayForEach(entry, json_at(canary, "metadata.managedFields"))
	{
		const char *time = json_string_or(entry, "time", "");
		if (json_get(annotations_of(entry), "f:" COMMAND_ANNOTATION) == NULL ||
		    strcmp(time, since) < 0)
			continue;
		manager = json_string_or(entry, "manager", "");
		since = time;
	}
	if (command->by[0] == '\0')
		copy_plain(command->by, sizeof(command->by), manager);
	if (command->at[0] == '\0')
		copy_plain(command->at, sizeof(command->at), since);
}

void command_describe(const struct command *command, const char *name, const char *namespace,
		      char *text, size_t size)
{
	char weight[16] = "";
	if (command->kind == COMMAND_SKIP_TO)
		snprintf(weight, sizeof(weight), " %d", command->weight);
	snprintf(text, size, "%s%s of %s.%s%s%s%s%s", names[command->kind], weight, name, namespace,
		 command->by[0] == '\0' ? "" : " by ", command->by,
		 command->at[0] == '\0' ? "" : " at ", command->at);
}

/* ---- the table ---- */

struct row {
	const char *does, *refused; /* one of them */
};

static const char new_canary[] = "it is not initialized yet";
static const char at_rest[] = "no release is under way";
static const char under_way[] = "a release is under way: abort ends it";
static const char promoted[] = "it is being promoted already";
static const char deleted[] = "it is being deleted";
static const char no_gate[] = "it waits at no gate";
static const char frozen[] = "nothing is decided and traffic stays, until it is resumed";
static const char not_begun[] = "no new revision is begun, until it is resumed";
static const char goes_on[] = "it goes on where it was paused";

static struct row promote_in(enum phase phase)
{
	switch (phase) {
	case PHASE_NONE:
	case PHASE_INITIALIZING:
		return (struct row){.refused = new_canary};
	case PHASE_INITIALIZED:
	case PHASE_SUCCEEDED:
		return (struct row){.refused = at_rest};
	case PHASE_FAILED:
		return (struct row){
			.refused = "no release is under way: retry starts the failed one again"};
	case PHASE_WAITING:
		return (struct row){"the revision is promoted without approval and analysis, once "
				    "it is ready",
				    NULL};
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
		return (struct row){"the rest of the analysis is skipped, once the canary is ready",
				    NULL};
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
		return (struct row){.refused = promoted};
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return (struct row){.refused = deleted};
	}
	return (struct row){.refused = at_rest};
}

static struct row abort_in(enum phase phase)
{
	switch (phase) {
	case PHASE_NONE:
	case PHASE_INITIALIZING:
		return (struct row){.refused = new_canary};
	case PHASE_INITIALIZED:
	case PHASE_SUCCEEDED:
	case PHASE_FAILED:
		return (struct row){.refused = at_rest};
	case PHASE_WAITING:
		return (struct row){"the revision is not begun; no traffic has moved", NULL};
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
		return (struct row){"all traffic goes back to the primary at once", NULL};
	case PHASE_PROMOTING:
		return (struct row){"the primary gets its former template again, if it has the "
				    "new one already, and then all traffic",
				    NULL};
	case PHASE_FINALISING:
		return (struct row){"the primary gets its former template again", NULL};
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return (struct row){.refused = deleted};
	}
	return (struct row){.refused = at_rest};
}

static struct row pause_in(enum phase phase, bool resumes)
{
	const char *rests = resumes ? goes_on : not_begun, *runs = resumes ? goes_on : frozen;
	switch (phase) {
	case PHASE_NONE:
		return (struct row){.refused = new_canary};
	case PHASE_INITIALIZED:
	case PHASE_SUCCEEDED:
	case PHASE_FAILED:
		return (struct row){rests, NULL};
	case PHASE_INITIALIZING:
	case PHASE_WAITING:
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
		return (struct row){runs, NULL};
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return (struct row){.refused = deleted};
	}
	return (struct row){.refused = deleted};
}

static struct row retry_in(enum phase phase)
{
	switch (phase) {
	case PHASE_NONE:
	case PHASE_INITIALIZING:
		return (struct row){.refused = new_canary};
	case PHASE_INITIALIZED:
	case PHASE_FAILED:
		return (struct row){"the revision that failed or was refused is released again",
				    NULL};
	case PHASE_SUCCEEDED:
		return (struct row){.refused = "the last release was promoted"};
	case PHASE_WAITING:
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
		return (struct row){.refused = under_way};
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
		return (struct row){.refused = promoted};
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return (struct row){.refused = deleted};
	}
	return (struct row){.refused = at_rest};
}

static struct row skip_in(enum phase phase)
{
	switch (phase) {
	case PHASE_NONE:
	case PHASE_INITIALIZING:
		return (struct row){.refused = new_canary};
	case PHASE_INITIALIZED:
	case PHASE_SUCCEEDED:
	case PHASE_FAILED:
		return (struct row){.refused = at_rest};
	case PHASE_WAITING:
		return (struct row){.refused = "it waits for approval: approve begins it"};
	case PHASE_PROGRESSING:
	case PHASE_WAITING_PROMOTION:
		return (struct row){
			"the canary has that weight, once it is ready; the checks go on", NULL};
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
		return (struct row){.refused = promoted};
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return (struct row){.refused = deleted};
	}
	return (struct row){.refused = at_rest};
}

static struct row approve_in(enum phase phase)
{
	switch (phase) {
	case PHASE_WAITING:
		return (struct row){"confirm-rollout is open, once", NULL};
	case PHASE_PROGRESSING:
		return (struct row){"confirm-traffic-increase is open, once, if it is waited for",
				    NULL};
	case PHASE_WAITING_PROMOTION:
		return (struct row){"confirm-promotion is open, once", NULL};
	case PHASE_NONE:
	case PHASE_INITIALIZING:
	case PHASE_INITIALIZED:
	case PHASE_SUCCEEDED:
	case PHASE_FAILED:
	case PHASE_PROMOTING:
	case PHASE_FINALISING:
		return (struct row){.refused = no_gate};
	case PHASE_TERMINATING:
	case PHASE_TERMINATED:
		return (struct row){.refused = deleted};
	}
	return (struct row){.refused = no_gate};
}

static struct row row_of(enum phase phase, enum command_kind kind)
{
	switch (kind) {
	case COMMAND_PROMOTE:
		return promote_in(phase);
	case COMMAND_ABORT:
		return abort_in(phase);
	case COMMAND_PAUSE:
	case COMMAND_RESUME:
		return pause_in(phase, kind == COMMAND_RESUME);
	case COMMAND_RETRY:
		return retry_in(phase);
	case COMMAND_SKIP_TO:
		return skip_in(phase);
	case COMMAND_APPROVE:
		return approve_in(phase);
	case COMMANDS:
		break;
	}
	return (struct row){.refused = "it is no command"};
}

const char *command_does(enum phase phase, enum command_kind kind)
{
	return row_of(phase, kind).does;
}

const char *command_refusal(enum phase phase, enum command_kind kind)
{
	return row_of(phase, kind).refused;
}

/* ---- beyond the phase ---- */

static bool in_analysis(enum phase phase)
{
	return phase == PHASE_PROGRESSING || phase == PHASE_WAITING_PROMOTION;
}

/* The last step before all traffic. */
static int greatest_weight(const struct canary_spec *spec)
{
	int steps = cJSON_GetArraySize(spec->step_weights);
	const cJSON *last = steps > 0 ? cJSON_GetArrayItem(spec->step_weights, steps - 1) : NULL;
	int greatest = last != NULL && cJSON_IsNumber(last) ? last->valueint : spec->max_weight;
	return greatest < 1 || greatest > 100 ? 100 : greatest;
}

static bool weight_is_good(const struct command *command, const struct canary_spec *spec,
			   struct error *why)
{
	if (spec->strategy != STRATEGY_CANARY)
		return error_set(why, ERROR_INVALID, "its analysis has no weights");
	if (command->weight > greatest_weight(spec))
		return error_set(why, ERROR_INVALID,
				 "its analysis ends at weight %d: promote goes further",
				 greatest_weight(spec));
	return true;
}

bool command_is_good(const struct command *command, const struct status *status,
		     const struct canary_spec *spec, struct error *why)
{
	const struct memory *memory = &status->memory;
	const char *refusal = command_refusal(status->phase, command->kind);
	if (refusal != NULL)
		return error_set(why, ERROR_INVALID, "%s", refusal);
	if (command->kind == COMMAND_PAUSE && memory->paused_us != 0)
		return error_set(why, ERROR_INVALID, "it is paused already");
	if (command->kind == COMMAND_RESUME && memory->paused_us == 0)
		return error_set(why, ERROR_INVALID, "it is not paused");
	if (command->kind == COMMAND_APPROVE && status->phase == PHASE_PROGRESSING &&
	    !memory->gated)
		return error_set(why, ERROR_INVALID, "%s", no_gate);
	if (in_analysis(status->phase) && command->revision[0] != '\0' &&
	    strcmp(command->revision, memory->revision) != 0)
		return error_set(why, ERROR_INVALID,
				 "it was about another revision than the one under analysis");
	return command->kind != COMMAND_SKIP_TO || spec == NULL ||
	       weight_is_good(command, spec, why);
}
