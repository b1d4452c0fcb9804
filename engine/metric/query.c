#include "metric/query.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "metric/builtin.h"
#include "metric/template.h"

static cJSON *template_values(const struct metric_subject *subject, const cJSON *check,
			      bool as_words)
{
	cJSON *values = cJSON_CreateObject();
	cJSON *value;
	cJSON_AddStringToObject(values, "name", subject->name);
	cJSON_AddStringToObject(values, "namespace", subject->namespace);
	cJSON_AddStringToObject(values, "target", subject->target);
	cJSON_AddStringToObject(values, "service", subject->service);
	cJSON_AddStringToObject(values, "ingress", subject->ingress);
	cJSON_AddStringToObject(values, "route", subject->route);
	cJSON_ArrayForEach(value, values)
	{
		if (as_words)
			builtin_words(value->valuestring);
	}
	cJSON_AddStringToObject(values, "kind", subject->kind);
	cJSON_AddStringToObject(values, "workload", subject->noun);
	if (subject->revision != NULL && subject->revision[0] != '\0')
		cJSON_AddStringToObject(values, "revision", subject->revision);
	if (subject->pod_names != NULL) {
		SCOPED(text) char *pods = xasprintf("%s-%s", subject->target, subject->pod_names);
		cJSON_AddStringToObject(values, "pods", pods);
	}
	cJSON_AddStringToObject(values, "interval", json_string_or(check, "interval", "1m"));
	const cJSON *variables = json_get(check, "templateVariables");
	cJSON_AddItemToObject(values, "variables",
			      cJSON_IsObject(variables) ? cJSON_Duplicate(variables, true)
							: cJSON_CreateObject());
	return values;
}

/* Line breaks and runs of spaces become one space. */
static void collapse(struct buf *text)
{
	size_t out = 0;
	bool space = false;
	for (size_t i = 0; i < text->len; i++) {
		if (isspace((unsigned char)text->text[i])) {
			space = out > 0;
			continue;
		}
		if (space)
			text->text[out++] = ' ';
		space = false;
		text->text[out++] = text->text[i];
	}
	buf_cut(text, out);
}

static bool add_header(struct metric_request *request, const char *name, char *owned_value,
		       struct error *err)
{
	if (request->header_count == ARRAY_LEN(request->headers)) {
		secret_free(owned_value);
		return error_set(err, ERROR_INVALID, "more than %zu headers",
				 ARRAY_LEN(request->headers));
	}
	request->headers[request->header_count++] =
		(struct http_header){xstrdup(name), owned_value};
	return true;
}

/* A value of a Secret's data, decoded; NULL when it is not there. The caller frees. */
static char *secret_value(const cJSON *secret, const char *key)
{
	const char *text = cJSON_GetStringValue(json_get(json_get(secret, "data"), key));
	if (text == NULL)
		return NULL;
	struct buf value;
	buf_init(&value, TOKEN_MAX);
	char *taken = base64_decode(&value, text, strlen(text)) ? buf_take(&value) : NULL;
	buf_fini(&value);
	return taken;
}

static bool add_credentials(struct metric_request *request, const char *provider,
			    const cJSON *secret, struct error *err)
{
	char *token = secret_value(secret, "token");
	if (token != NULL) {
		char *bearer = xasprintf("Bearer %s", token);
		secret_free(token);
		return add_header(request, "Authorization", bearer, err);
	}
	char *username = secret_value(secret, "username");
	char *password = secret_value(secret, "password");
	bool good = username != NULL && password != NULL;
	if (good) {
		char *both = xasprintf("%s:%s", username, password);
		struct buf basic;
		buf_init(&basic, 2 * TOKEN_MAX);
		buf_puts(&basic, "Basic ");
		base64_encode(&basic, both, strlen(both));
		good = add_header(request, "Authorization", buf_take(&basic), err);
		buf_fini(&basic);
		secret_free(both);
	} else {
		error_set(err, ERROR_INVALID, "%s credentials does not contain a %s", provider,
			  username == NULL ? "username" : "password");
	}
	secret_free(username);
	secret_free(password);
	return good;
}

/* All values of a Secret, decoded, for a driver. */
static cJSON *open_secret(const cJSON *secret)
{
	cJSON *open = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, json_get(secret, "data"))
	{
		char *value = secret_value(secret, item->string);
		if (value != NULL)
			cJSON_AddStringToObject(open, item->string, value);
		secret_free(value);
	}
	return open;
}

static bool add_headers(struct metric_request *request, const cJSON *provider, struct error *err)
{
	const cJSON *header, *value;
	cJSON_ArrayForEach(header, json_get(provider, "headers"))
	{
		cJSON_ArrayForEach(value, header)
		{
			if (cJSON_IsString(value) &&
			    !add_header(request, header->string, xstrdup(value->valuestring), err))
				return false;
		}
	}
	return true;
}

static const char *query_text(const struct metric_subject *subject, const cJSON *check,
			      const cJSON *metric_template, struct error *err)
{
	const char *name = json_string_or(check, "name", "");
	const char *text = json_string(check, "query");
	if (text != NULL && text[0] != '\0')
		return text;
	if (metric_template != NULL)
		text = json_string(metric_template, "spec.query");
	else if (subject->own_query != NULL)
		text = subject->own_query;
	else if (subject->by_service)
		text = builtin_query_of_service(subject->provider, name);
	else if (subject->by_pod)
		text = builtin_query_of_pods(subject->provider, name);
	else
		text = builtin_query(subject->provider, name);
	if (text == NULL)
		error_set(err, ERROR_INVALID,
			  metric_template == NULL
				  ? "metric %s has no query, and there is no built-in one for %s"
				  : "the template of metric %s has no query%.0s",
			  name, subject->provider);
	return text;
}

static bool fill(struct metric_request *request, const struct metric_subject *subject,
		 const cJSON *check, const cJSON *metric_template, const cJSON *secret,
		 struct error *err)
{
	const char *text = query_text(subject, check, metric_template, err);
	if (text == NULL)
		return false;
	bool own = json_string(check, "query") != NULL || metric_template != NULL;
	SCOPED(json)
	cJSON *values =
		template_values(subject, check, !own && builtin_wants_words(subject->provider));
	SCOPED(buf) struct buf rendered = {0};
	buf_init(&rendered, QUERY_MAX);
	if (!template_render(text, values, &rendered, err))
		return false;
	collapse(&rendered);
	const cJSON *provider = json_at(metric_template, "spec.provider");
	const char *type = json_string_or(provider, "type", "prometheus");
	const char *address = json_string(provider, "address");
	if (metric_template == NULL)
		address = subject->metrics_server;
	request->text = buf_take(&rendered);
	request->address = xstrdup(address == NULL ? "" : address);
	if (!add_headers(request, provider, err))
		return false;
	if (secret != NULL && strcmp(type, "prometheus") != 0)
		request->secret = open_secret(secret);
	else if (secret != NULL && !add_credentials(request, type, secret, err))
		return false;
	int64_t interval_us;
	if (!duration_parse(json_string_or(check, "interval", "1m"), &interval_us, err))
		return false;
	request->query = (struct metric_query){
		.canary = subject->name,
		.namespace = subject->namespace,
		.metric = json_string_or(check, "name", ""),
		.provider = type,
		.address = request->address,
		.query = request->text,
		.interval_us = interval_us,
		.headers = request->headers,
		.header_count = request->header_count,
		.insecure_tls = json_bool(provider, "insecureSkipVerify", false),
		.region = json_string(provider, "region"),
		.secret = request->secret,
	};
	return true;
}

bool metric_request_init(struct metric_request *request, const struct metric_subject *subject,
			 const cJSON *check, const cJSON *metric_template, const cJSON *secret,
			 struct error *err)
{
	*request = (struct metric_request){0};
	if (fill(request, subject, check, metric_template, secret, err))
		return true;
	metric_request_fini(request);
	return false;
}

void metric_request_fini(struct metric_request *request)
{
	for (size_t i = 0; i < request->header_count; i++) {
		free((char *)request->headers[i].name);
		secret_free((char *)request->headers[i].value);
	}
	free(request->text);
	free(request->address);
	json_wipe(request->secret);
	cJSON_Delete(request->secret);
	*request = (struct metric_request){0};
}
