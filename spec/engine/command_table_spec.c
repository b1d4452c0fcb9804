/*
 * command_table_spec.c - every command in every phase, tried: what comes of it is what `sluice
 * explain phases` says, and one table here. SPEC_TABLE=1 prints it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "bed.h"
#include "canary/command.h"
#include "spec.h"

static const char gates[] =
	"{\"spec\":{\"analysis\":{\"webhooks\":[{\"name\":\"start\",\"type\":\"confirm-rollout\","
	"\"url\":\"http://gate/\"}]}}}";
static const char last_gate[] =
	"{\"spec\":{\"analysis\":{\"webhooks\":[{\"name\":\"end\",\"type\":\"confirm-promotion\","
	"\"url\":\"http://gate/\"}]}}}";
static const char reverts[] = "{\"spec\":{\"revertOnDeletion\":true}}";
static const char never_ready[] =
	"{\"metadata\":{\"annotations\":{\"sim.sluice.dev/never-ready\":\"true\"}}}";
static const char slowly_ready[] =
	"{\"metadata\":{\"annotations\":{\"sim.sluice.dev/ready-after\":\"50s\"}}}";

static const char *patch_for(enum phase phase)
{
	if (phase == PHASE_WAITING)
		return gates;
	if (phase == PHASE_WAITING_PROMOTION)
		return last_gate;
	return phase == PHASE_TERMINATING ? reverts : NULL;
}

/* False: the phase does not come. */
static bool comes(struct bed *bed, enum phase phase)
{
	for (int i = 0; i < 600 && strcmp(bed_phase(bed), phase_name(phase)) != 0; i++)
		bed_run(bed, 1);
	bed_run(bed, 2);
	EXPECT_TEXT(bed_phase(bed), phase_name(phase));
	return strcmp(bed_phase(bed), phase_name(phase)) == 0;
}

/* A canary in this phase, with nothing else going on. */
static bool bring(struct bed *bed, enum phase phase)
{
	bed_begin(bed);
	if (phase == PHASE_INITIALIZING)
		bed_merge(bed, bed_target, never_ready);
	bed_put_canary(bed, patch_for(phase));
	bed_start_engine(bed);
	if (phase == PHASE_INITIALIZING || phase == PHASE_INITIALIZED)
		return comes(bed, phase);
	if (!comes(bed, PHASE_INITIALIZED))
		return false;
	if (phase == PHASE_WAITING || phase == PHASE_WAITING_PROMOTION)
		bed->hook_status = 403;
	if (phase == PHASE_PROMOTING)
		bed_merge(bed, bed_primary, slowly_ready);
	if (phase == PHASE_FAILED)
		bed->success = 10;
	if (phase == PHASE_TERMINATING) {
		bed_merge(bed, bed_target, never_ready);
		bed_delete(bed, bed_canary);
		return comes(bed, phase);
	}
	bed_release(bed, "podinfo:2");
	if (phase == PHASE_PROGRESSING)
		return bed_reaches_weight(bed, 10);
	return comes(bed, phase);
}

static void ask(struct bed *bed, enum command_kind kind)
{
	SCOPED(text)
	char *patch =
		xasprintf("{\"metadata\":{\"annotations\":{\"" COMMAND_ANNOTATION "\":\"%s%s\"}}}",
			  command_name(kind), kind == COMMAND_SKIP_TO ? " 40" : "");
	bed_merge(bed, bed_canary, patch);
}

/* "Failed 0", "Progressing 40", "Progressing 10, paused"; "refused". */
static void tell(struct bed *bed, char *into, size_t size)
{
	struct status status;
	status_read(&status, json_get(cluster_get(bed->cluster, bed_canary), "status"));
	const char *paused = status.memory.paused_us != 0 ? ", paused" : "";
	if (bed_events(bed, " refused: ") > 0)
		snprintf(into, size, "refused");
	else
		snprintf(into, size, "%s %d%s", phase_name(status.phase), bed_weight(bed), paused);
	status_fini(&status);
}

static const struct {
	enum phase phase;
	const char *comes_of[COMMANDS]; /* two seconds after it was asked */
} table[] = {
	/* promote, abort, pause, resume, retry, skip-to 40, approve */
	{PHASE_INITIALIZING,
	 {"refused", "refused", "Initializing 0, paused", "Initializing 0", "refused", "refused",
	  "refused"}},
	{PHASE_INITIALIZED,
	 {"refused", "refused", "Initialized 0, paused", "Initialized 0", "refused", "refused",
	  "refused"}},
	{PHASE_WAITING,
	 {"Promoting 0", "Initialized 0", "Waiting 0, paused", "Waiting 0", "refused", "refused",
	  "Progressing 5"}},
	{PHASE_PROGRESSING,
	 {"Finalising 0", "Failed 0", "Progressing 10, paused", "Progressing 10", "refused",
	  "Progressing 40", "refused"}},
	{PHASE_WAITING_PROMOTION,
	 {"Finalising 0", "Failed 0", "WaitingPromotion 50, paused", "WaitingPromotion 50",
	  "refused", "WaitingPromotion 40", "Finalising 0"}},
	{PHASE_PROMOTING,
	 {"refused", "Failed 50", "Promoting 50, paused", "Promoting 50", "refused", "refused",
	  "refused"}},
	{PHASE_FINALISING,
	 {"refused", "Failed 0", "Finalising 0, paused", "Finalising 0", "refused", "refused",
	  "refused"}},
	{PHASE_SUCCEEDED,
	 {"refused", "refused", "Succeeded 0, paused", "Succeeded 0", "refused", "refused",
	  "refused"}},
	{PHASE_FAILED,
	 {"refused", "refused", "Failed 0, paused", "Failed 0", "Progressing 5", "refused",
	  "refused"}},
	{PHASE_TERMINATING,
	 {"refused", "refused", "refused", "refused", "refused", "refused", "refused"}},
};

SPEC("commands: every one of them in every phase does what the table says, and who asked is told")
{
	bool prints = getenv("SPEC_TABLE") != NULL;
	SCOPED(buf) struct buf wrong = {0};
	buf_init(&wrong, 1 << 14);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		enum phase phase = table[i].phase;
		for (enum command_kind kind = 0; kind < COMMANDS; kind++) {
			struct bed bed;
			char got[80] = "";
			if (bring(&bed, phase)) {
				/* What is not paused cannot be resumed. */
				if (kind == COMMAND_RESUME)
					ask(&bed, COMMAND_PAUSE);
				if (kind == COMMAND_RESUME)
					bed_run(&bed, 1);
				ask(&bed, kind);
				bed_run(&bed, 2);
				tell(&bed, got, sizeof(got));
			}
			if (prints)
				printf("%-18s%-10s%s\n", phase_name(phase), command_name(kind),
				       got);
			if (strcmp(got, table[i].comes_of[kind]) != 0)
				buf_printf(&wrong, "\n      %s in %s: %s, not %s",
					   command_name(kind), phase_name(phase), got,
					   table[i].comes_of[kind]);
			if (command_refusal(phase, kind) != NULL && strcmp(got, "refused") != 0)
				buf_printf(&wrong, "\n      %s in %s: %s, and explain says: %s",
					   command_name(kind), phase_name(phase), got,
					   command_refusal(phase, kind));
			SCOPED(text)
			char *told =
				xasprintf("Command %s%s of podinfo.test by kubectl at 20",
					  command_name(kind), kind == COMMAND_SKIP_TO ? " 40" : "");
			if (bed_events(&bed, told) != 1)
				buf_printf(&wrong, "\n      %s in %s: %d events say \"%s\"",
					   command_name(kind), phase_name(phase),
					   bed_events(&bed, told), told);
			bed_end(&bed);
		}
	}
	if (wrong.len > 0)
		spec_fail(__FILE__, __LINE__, "%s", wrong.text);
}
