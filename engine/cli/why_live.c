#include "cli/why_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "canary/status.h"
#include "kube/client.h"
#include "kube/path.h"
#include "kube/transport.h"

struct reading {
	struct loop *loop;
	const char *key;
	struct error error;
};

static void tell_decision(const struct history_entry *entry, const char *before)
{
	char time[TIME_TEXT_MAX];
	time_text(entry->time_us, time);
	printf("  %s%s, weight %d: %s%s%s\n", before, time, entry->weight, entry->verdict,
	       entry->text[0] == '\0' ? "" : ": ", entry->text);
}

/* The last one that stood in the way first, then all. */
static void tell_history(const struct memory *memory)
{
	const struct history_entry *stopped = NULL;
	for (size_t i = 0; i < memory->history_count; i++)
		if (strcmp(memory->history[i].verdict, "pass") != 0)
			stopped = &memory->history[i];
	if (stopped != NULL)
		tell_decision(stopped, "stood in the way: ");
	if (memory->history_count == 0)
		puts("  nothing was decided in its release yet");
	for (size_t i = memory->history_count; i > 0; i--)
		tell_decision(&memory->history[i - 1], "");
}

static void tell(const struct reading *reading, const cJSON *json)
{
	struct status status;
	status_read(&status, json);
	const char *phase = phase_name(status.phase);
	const char *message = json_string_or(status.promoted, "message", "");
	printf("%s is %s, weight %d, %d failed checks%s%s\n", reading->key,
	       phase[0] == '\0' ? "not seen by a daemon yet" : phase, status.canary_weight,
	       status.failed_checks, message[0] == '\0' ? "" : ": ", message);
	if (status.memory.paused_us != 0)
		puts("  it is paused: `sluice resume` goes on");
	tell_history(&status.memory);
	status_fini(&status);
}

static void read_canary(void *owner, uint64_t token, const struct kube_reply *reply)
{
	struct reading *reading = owner;
	(void)token;
	if (reply->error.kind == ERROR_NONE)
		tell(reading, json_get(reply->object, "status"));
	else
		error_set(&reading->error, reply->error.kind, "%s: %s", reading->key,
			  reply->error.text);
	loop_stop(reading->loop);
}

static bool read_it(const struct kube_config *config, const char *namespace, const char *name,
		    const char *key, struct error *err)
{
	char path[KUBE_PATH_MAX];
	struct chance chance;
	const struct kube_options options = {.qps = 50, .burst = 100};
	struct reading reading = {.loop = loop_new(), .key = key};
	chance_seed_from_os(&chance);
	log_setup(LOG_OFF, false, NULL);
	struct http *transport = kube_transport_new(reading.loop, config);
	struct kube *kube = kube_new(reading.loop, transport, &chance, &options);
	kube_path(path, &kube_canary, namespace, name);
	kube_send(kube, KUBE_GET, path, NULL, read_canary, &reading, 0);
	loop_run(reading.loop, 0);
	kube_free(kube);
	transport->ops->free(transport);
	loop_free(reading.loop);
	if (reading.error.kind != ERROR_NONE)
		*err = reading.error;
	return reading.error.kind == ERROR_NONE;
}

bool why_live(const char *canary, const struct kube_config_options *kube, const char *namespace,
	      char **owned_key, struct error *err)
{
	struct kube_config config;
	*owned_key = NULL;
	if (!kube_config_load(&config, kube, err))
		return false;
	const char *slash = strchr(canary, '/');
	if (namespace == NULL) {
		namespace = config.namespace == NULL ? "default" : config.namespace;
	}
	*owned_key = slash != NULL ? xstrdup(canary) : xasprintf("%s/%s", namespace, canary);
	SCOPED(text) char *of = xstrdup(*owned_key);
	char *name = strchr(of, '/');
	*name++ = '\0';
	bool good = read_it(&config, of, name, *owned_key, err);
	kube_config_fini(&config);
	return good;
}
