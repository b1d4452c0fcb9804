#include "kube/config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"

static const char account_folder[] = "/var/run/secrets/kubernetes.io/serviceaccount";

void kube_config_fini(struct kube_config *config)
{
	free(config->server);
	free(config->ca_file);
	free(config->ca_pem);
	free(config->cert_file);
	free(config->key_file);
	free(config->cert_pem);
	secret_free(config->key_pem);
	secret_free(config->token);
	free(config->token_file);
	free(config->username);
	secret_free(config->password);
	free(config->proxy);
	free(config->server_name);
	free(config->namespace);
	cJSON_Delete(config->exec);
	cJSON_Delete(config->cluster);
	memset(config, 0, sizeof(*config));
}

/* ---- several files as one ---- */

/* A path in a kubeconfig is relative to the folder of the file. */
static void make_absolute(cJSON *entry, const char *key, const char *folder)
{
	const char *path = json_string(entry, key);
	if (path == NULL || path[0] == '\0' || path[0] == '/')
		return;
	SCOPED(text) char *whole = xasprintf("%s/%s", folder, path);
	cJSON_ReplaceItemInObjectCaseSensitive(entry, key, cJSON_CreateString(whole));
}

static char *folder_of(const char *path)
{
	char real[PATH_MAX];
	const char *known = realpath(path, real) == NULL ? path : real;
	const char *slash = strrchr(known, '/');
	return slash == NULL ? xstrdup(".") : xstrndup(known, (size_t)(slash - known));
}

static void make_all_absolute(cJSON *document, const char *path)
{
	SCOPED(text) char *folder = folder_of(path);
	cJSON *entry;
	cJSON_ArrayForEach(entry, json_get(document, "clusters"))
		make_absolute(json_get(entry, "cluster"), "certificate-authority", folder);
	cJSON_ArrayForEach(entry, json_get(document, "users"))
	{
		cJSON *user = json_get(entry, "user");
		make_absolute(user, "client-certificate", folder);
		make_absolute(user, "client-key", folder);
		make_absolute(user, "tokenFile", folder);
		cJSON *exec = json_get(user, "exec");
		if (strchr(json_string_or(exec, "command", ""), '/') != NULL)
			make_absolute(exec, "command", folder);
	}
}

static bool add_file(cJSON *merged, const char *path, struct error *err)
{
	static const char *const lists[] = {"clusters", "users", "contexts"};
	SCOPED(yaml) struct yaml_file *file = yaml_read(path, err);
	if (file == NULL)
		return false;
	cJSON *document = yaml_count(file) == 0 ? NULL : yaml_document(file, 0);
	if (!cJSON_IsObject(document))
		return error_set(err, ERROR_INVALID, "%s: is no kubeconfig", path);
	make_all_absolute(document, path);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const cJSON *entry;
		cJSON_ArrayForEach(entry, json_get(document, lists[i])) cJSON_AddItemToArray(
			json_get(merged, lists[i]), cJSON_Duplicate(entry, true));
	}
	const char *current = json_string_or(document, "current-context", "");
	if (current[0] != '\0' && json_get(merged, "current-context") == NULL)
		cJSON_AddStringToObject(merged, "current-context", current);
	return true;
}

static cJSON *read_files(const char *paths, struct error *err)
{
	cJSON *merged = cJSON_CreateObject();
	cJSON_AddArrayToObject(merged, "clusters");
	cJSON_AddArrayToObject(merged, "users");
	cJSON_AddArrayToObject(merged, "contexts");
	bool several = strchr(paths, ':') != NULL;
	for (const char *at = paths; *at != '\0';) {
		size_t len = strcspn(at, ":");
		SCOPED(text) char *path = xstrndup(at, len);
		at += len + (at[len] == ':');
		/* As kubectl: of several, those that are not there are passed over. */
		if (len == 0 || (several && access(path, F_OK) != 0))
			continue;
		if (!add_file(merged, path, err)) {
			cJSON_Delete(merged);
			return NULL;
		}
	}
	return merged;
}

/* ---- from the merged file ---- */

static const cJSON *named(const cJSON *merged, const char *list, const char *name,
			  const char *member)
{
	const cJSON *entry;
	cJSON_ArrayForEach(entry, json_get(merged, list))
	{
		if (text_equal(json_string(entry, "name"), name))
			return json_get(entry, member);
	}
	return NULL;
}

static char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(json_get(object, key));
	return text == NULL || text[0] == '\0' ? NULL : xstrdup(text);
}

static bool decode(const cJSON *object, const char *key, char **text, struct error *err)
{
	SCOPED(buf) struct buf bytes = {0};
	const char *coded = cJSON_GetStringValue(json_get(object, key));
	buf_init(&bytes, KUBECONFIG_MAX);
	if (coded == NULL || coded[0] == '\0')
		return true;
	if (!base64_decode(&bytes, coded, strlen(coded)))
		return error_set(err, ERROR_INVALID, "%s is not base64", key);
	*text = buf_take(&bytes);
	return true;
}

static bool take_cluster(struct kube_config *config, const cJSON *cluster, struct error *err)
{
	config->server = text_of(cluster, "server");
	if (config->server == NULL)
		return error_set(err, ERROR_INVALID, "the cluster has no server");
	config->ca_file = text_of(cluster, "certificate-authority");
	config->server_name = text_of(cluster, "tls-server-name");
	config->proxy = text_of(cluster, "proxy-url");
	config->insecure = json_bool(cluster, "insecure-skip-tls-verify", false);
	config->cluster = cJSON_Duplicate(cluster, true);
	return decode(cluster, "certificate-authority-data", &config->ca_pem, err);
}

static bool take_user(struct kube_config *config, const cJSON *user, struct error *err)
{
	if (json_get(user, "auth-provider") != NULL)
		return error_set(
			err, ERROR_INVALID,
			"auth-provider is not supported, nor by Kubernetes since 1.26: use "
			"exec");
	config->cert_file = text_of(user, "client-certificate");
	config->key_file = text_of(user, "client-key");
	config->token = text_of(user, "token");
	config->token_file = text_of(user, "tokenFile");
	config->username = text_of(user, "username");
	config->password = text_of(user, "password");
	const cJSON *exec = json_get(user, "exec");
	if (exec != NULL) {
		if (json_string_or(exec, "command", "")[0] == '\0')
			return error_set(err, ERROR_INVALID, "exec has no command");
		config->exec = cJSON_Duplicate(exec, true);
	}
	return decode(user, "client-certificate-data", &config->cert_pem, err) &&
	       decode(user, "client-key-data", &config->key_pem, err);
}

static bool take_context(struct kube_config *config, const cJSON *merged, const char *name,
			 struct error *err)
{
	const cJSON *context = named(merged, "contexts", name, "context");
	if (context == NULL)
		return error_set(err, ERROR_NOT_FOUND, "there is no context \"%s\"", name);
	const char *cluster_name = json_string_or(context, "cluster", "");
	const char *user_name = json_string_or(context, "user", "");
	const cJSON *cluster = named(merged, "clusters", cluster_name, "cluster");
	const cJSON *user = named(merged, "users", user_name, "user");
	if (cluster == NULL)
		return error_set(err, ERROR_NOT_FOUND, "context \"%s\": there is no cluster \"%s\"",
				 name, cluster_name);
	if (user == NULL && user_name[0] != '\0')
		return error_set(err, ERROR_NOT_FOUND, "context \"%s\": there is no user \"%s\"",
				 name, user_name);
	config->namespace = text_of(context, "namespace");
	if (!take_cluster(config, cluster, err))
		return error_wrap(err, "cluster \"%s\"", cluster_name);
	if (user != NULL && !take_user(config, user, err))
		return error_wrap(err, "user \"%s\"", user_name);
	return true;
}

static bool read_config(struct kube_config *config, const char *paths, const char *context,
			struct error *err)
{
	SCOPED(json) cJSON *merged = read_files(paths, err);
	if (merged == NULL)
		return false;
	const char *name =
		context != NULL ? context : json_string_or(merged, "current-context", "");
	bool good = name[0] == '\0' ? error_set(err, ERROR_INVALID, "has no current-context")
				    : take_context(config, merged, name, err);
	return good || error_wrap(err, "%s", paths);
}

bool kube_config_read(struct kube_config *config, const char *paths, const char *context,
		      struct error *err)
{
	memset(config, 0, sizeof(*config));
	if (read_config(config, paths, context, err))
		return true;
	kube_config_fini(config);
	return false;
}

/* ---- inside a cluster ---- */

bool kube_config_in_cluster(struct kube_config *config, const char *folder, const char *host,
			    const char *port, struct error *err)
{
	SCOPED(buf) struct buf text = {0};
	SCOPED(text) char *namespace_file = xasprintf("%s/namespace", folder);
	memset(config, 0, sizeof(*config));
	buf_init(&text, TOKEN_MAX);
	config->token_file = xasprintf("%s/token", folder);
	if (!file_read(config->token_file, &text, err)) {
		kube_config_fini(config);
		return error_wrap(err, "service account token");
	}
	/* An IPv6 address stands in brackets. */
	config->server = strchr(host, ':') == NULL ? xasprintf("https://%s:%s", host, port)
						   : xasprintf("https://[%s]:%s", host, port);
	config->ca_file = xasprintf("%s/ca.crt", folder);
	struct error none;
	memset(text.text, 0, text.len);
	if (file_read(namespace_file, &text, &none))
		config->namespace = xstrndup(text.text, strcspn(text.text, "\r\n"));
	return true;
}

/* ---- where to look ---- */

static bool load(struct kube_config *config, const struct kube_config_options *options,
		 struct error *err)
{
	const char *path = options->path;
	if (path != NULL && path[0] != '\0')
		return kube_config_read(config, path, options->context, err);
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	if (host != NULL && host[0] != '\0' && port != NULL && port[0] != '\0')
		return kube_config_in_cluster(config, account_folder, host, port, err);
	const char *paths = getenv("KUBECONFIG");
	if (paths != NULL && paths[0] != '\0')
		return kube_config_read(config, paths, options->context, err);
	const char *home = getenv("HOME");
	SCOPED(text) char *usual = xasprintf("%s/.kube/config", home == NULL ? "" : home);
	if (access(usual, F_OK) == 0)
		return kube_config_read(config, usual, options->context, err);
	if (options->server != NULL && options->server[0] != '\0') {
		memset(config, 0, sizeof(*config));
		return true;
	}
	return error_set(err, ERROR_INVALID,
			 "no cluster: not inside of one, and neither --kubeconfig nor $KUBECONFIG "
			 "nor %s says how to reach one",
			 usual);
}

bool kube_config_load(struct kube_config *config, const struct kube_config_options *options,
		      struct error *err)
{
	if (!load(config, options, err))
		return false;
	if (options->server != NULL && options->server[0] != '\0') {
		free(config->server);
		config->server = xstrdup(options->server);
	}
	size_t len = strlen(config->server);
	while (len > 0 && config->server[len - 1] == '/')
		config->server[--len] = '\0';
	if (strncmp(config->server, "http://", 7) != 0 &&
	    strncmp(config->server, "https://", 8) != 0) {
		error_set(err, ERROR_INVALID, "the server must be an http or https URL, is \"%s\"",
			  config->server);
		kube_config_fini(config);
		return false;
	}
	return true;
}
