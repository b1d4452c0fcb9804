/*
 * spec_service.c - spec.service: the three Services and their ports.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/shape.h"
#include "canary/spec_parts.h"
#include "canary/target.h"

/* The names derive from the apex; each is the name of a Service, so a label of DNS. */
static void read_names(struct canary_spec *spec, struct spec_problems *problems)
{
	enum { LABEL_MAX = 63, SUFFIX_MAX = sizeof("-primary") - 1 };
	const char *name = json_string_or(spec->service, "name", "");
	bool own = name[0] != '\0';
	const char *path = own ? "spec.service.name" : "spec.targetRef.name";
	spec->apex = own ? name : spec->target_name;
	snprintf(spec->primary, sizeof(spec->primary), "%s-primary", spec->apex);
	snprintf(spec->canary, sizeof(spec->canary), "%s-canary", spec->apex);
	size_t len = strlen(spec->apex);
	if (len > LABEL_MAX - SUFFIX_MAX)
		problem_error(problems, path,
			      "must have at most %d characters, as the Service %s must be named "
			      "in %d, has %zu",
			      LABEL_MAX - SUFFIX_MAX, "NAME-primary", LABEL_MAX, len);
	if (!own && strchr(spec->apex, '.') != NULL)
		problem_error(problems, path,
			      "cannot be the name of a Service; set spec.service.name");
}

/* NULL where it means "as the port". */
static const cJSON *target_port(const cJSON *service, struct spec_problems *problems)
{
	const cJSON *port = json_get(service, "targetPort");
	if (cJSON_IsNumber(port))
		return port->valuedouble == 0 ? NULL : port;
	if (!cJSON_IsString(port) || port->valuestring[0] == '\0' ||
	    strcmp(port->valuestring, "0") == 0)
		return NULL;
	if (strspn(port->valuestring, "0123456789") == strlen(port->valuestring))
		problem_error(problems, "spec.service.targetPort",
			      "\"%.20s\" in quotes is the name of a port; write the number without",
			      port->valuestring);
	return port;
}

static void check_duration(const cJSON *service, const char *field, struct spec_problems *problems)
{
	const char *text = json_string_or(service, field, "");
	int64_t us;
	if (text[0] == '\0' || duration_parse(text, &us, NULL))
		return;
	char path[PROBLEM_PATH_MAX];
	snprintf(path, sizeof(path), "spec.service.%s", field);
	problem_warning(problems, path, "is not a duration such as \"15s\": \"%.60s\"", text);
}

void spec_read_service(struct canary_spec *spec, struct spec_problems *problems)
{
	spec->service = json_get(spec->json, "service");
	if (!cJSON_IsObject(spec->service)) {
		bool needed = spec->target == NULL || spec->target->driver == NULL;
		if (needed && (spec->service == NULL || cJSON_IsNull(spec->service)))
			problem_error(problems, "spec.service",
				      "is required: Services route to %s and its primary",
				      spec->target_name[0] == '\0' ? "the target"
								   : spec->target_name);
		spec->service = NULL;
	}
	read_names(spec, problems);
	spec->port = (int)json_int(spec->service, "port", 0);
	spec->port_name = json_string_or(spec->service, "portName", "http");
	spec->target_port = target_port(spec->service, problems);
	check_duration(spec->service, "timeout", problems);
	check_duration(spec->service, "backendTimeout", problems);
	check_duration(spec->service, "retries.perTryTimeout", problems);
}
