#include "canary/alert.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"

bool alert_is_heard(const cJSON *entry, enum alert_severity severity)
{
	const char *least = json_string_or(entry, "severity", "info");
	if (strcmp(least, "error") == 0)
		return severity == ALERT_ERROR;
	if (strcmp(least, "warn") == 0)
		return severity != ALERT_INFO;
	return true;
}

static void add_field(cJSON *fields, const char *name, const char *value)
{
	cJSON *field = cJSON_CreateObject();
	cJSON_AddStringToObject(field, "name", name);
	cJSON_AddStringToObject(field, "value", value);
	cJSON_AddItemToArray(fields, field);
}

static void describe_routing(const struct canary_spec *spec, struct buf *text)
{
	long most = json_int(spec->analysis, "maxWeight", 0);
	if (spec->strategy == STRATEGY_AB_TESTING) {
		buf_puts(text, "A/B Testing");
	} else if (spec->strategy == STRATEGY_BLUE_GREEN) {
		buf_puts(text, "Blue/Green");
	} else if (cJSON_GetArraySize(spec->step_weights) > 0) {
		const cJSON *weight;
		buf_puts(text, "Weight steps: ");
		cJSON_ArrayForEach(weight, spec->step_weights)
		{
			buf_printf(text, "%s%d", weight->prev->next == NULL ? "" : ",",
				   weight->valueint);
		}
		buf_printf(text, " max: %ld", most);
	} else {
		buf_printf(text, "Weight step: %d max: %ld", spec->step_weight, most);
	}
}

static cJSON *fields_of(const struct canary_spec *spec, bool detailed, const char *cluster)
{
	cJSON *fields = cJSON_CreateArray();
	char text[600];
	SCOPED(buf) struct buf routing = {0};
	if (cluster != NULL)
		add_field(fields, "Cluster", cluster);
	if (!detailed)
		return fields;
	snprintf(text, sizeof(text), "%s/%s.%s", spec->target_kind, spec->target_name,
		 spec->namespace);
	add_field(fields, "Target", text);
	snprintf(text, sizeof(text), "%d", spec->threshold);
	add_field(fields, "Failed checks threshold", text);
	snprintf(text, sizeof(text), "%llds",
		 (long long)(spec->progress_deadline_us / DURATION_SECOND));
	add_field(fields, "Progress deadline", text);
	buf_init(&routing, 2000);
	describe_routing(spec, &routing);
	add_field(fields, "Traffic routing", routing.text);
	return fields;
}

cJSON *alert_new(const struct canary_spec *spec, const struct owed_alert *owed, const char *cluster)
{
	static const char *const severities[] = {
		[ALERT_INFO] = "info", [ALERT_WARN] = "warn", [ALERT_ERROR] = "error"};
	SCOPED(text) char *canary = xasprintf("%s.%s", spec->name, spec->namespace);
	cJSON *alert = cJSON_CreateObject();
	cJSON_AddStringToObject(alert, "canary", canary);
	cJSON_AddStringToObject(alert, "message", owed->text);
	cJSON_AddStringToObject(alert, "severity", severities[owed->severity]);
	cJSON_AddItemToObject(alert, "fields", fields_of(spec, owed->detailed, cluster));
	return alert;
}
