#include "traffic/rbac.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "traffic/driver.h"

static const char *const owned_verbs[] = {"get", "list", "watch", "create", "patch", NULL};
static const char *const deleted_verbs[] = {"get",   "list",   "watch", "create",
					    "patch", "delete", NULL};
static const char *const adopted_verbs[] = {"get", "list", "watch", "patch", NULL};

/* Kinds of one group and of the same verbs are one rule. */
static void add_rule(cJSON *rules, const char *version, const cJSON *plurals,
		     const char *const *verbs, const cJSON *but)
{
	cJSON *rule = cJSON_CreateObject(), *resources = cJSON_CreateArray();
	const cJSON *plural;
	SCOPED(text) char *group = xstrndup(version, strcspn(version, "/"));
	/* "v1" has no group. */
	const char *groups[] = {strchr(version, '/') == NULL ? "" : group};
	cJSON_ArrayForEach(plural, plurals)
	{
		if (!json_has_text(but, plural->valuestring))
			cJSON_AddItemToArray(resources, cJSON_CreateString(plural->valuestring));
	}
	cJSON_AddItemToObject(rule, "apiGroups", cJSON_CreateStringArray(groups, 1));
	cJSON_AddItemToObject(rule, "resources", resources);
	int count = 0;
	while (verbs[count] != NULL)
		count++;
	cJSON_AddItemToObject(rule, "verbs", cJSON_CreateStringArray(verbs, count));
	if (cJSON_GetArraySize(resources) > 0)
		cJSON_AddItemToArray(rules, rule);
	else
		cJSON_Delete(rule);
}

static cJSON *rules_of(const char *provider, struct error *err)
{
	const struct traffic_driver *driver = traffic_find(provider, err);
	if (driver == NULL) {
		error_wrap(err, "the provider");
		return NULL;
	}
	cJSON *rules = cJSON_CreateArray();
	SCOPED(json) cJSON *kinds = driver->kinds == NULL ? NULL : driver->kinds(driver);
	SCOPED(json) cJSON *owned = cJSON_CreateArray();
	const cJSON *version, *plural;
	cJSON_ArrayForEach(version, kinds)
	{
		add_rule(rules, version->string, version,
			 driver->deletes ? deleted_verbs : owned_verbs, NULL);
		cJSON_ArrayForEach(plural, version)
		{
			cJSON_AddItemToArray(owned, cJSON_CreateString(plural->valuestring));
		}
	}
	/* A route of the team's is of the group of what the driver makes. */
	if (driver->adopted != NULL && kinds != NULL && kinds->child != NULL)
		add_rule(rules, kinds->child->string, driver->adopted, adopted_verbs, owned);
	return rules;
}

char *traffic_rbac_json(const char *provider, struct error *err)
{
	SCOPED(json) cJSON *rules = rules_of(provider, err);
	return rules == NULL ? NULL : json_text(rules);
}

static void print_list(struct buf *text, const cJSON *rule, const char *name)
{
	const cJSON *item;
	buf_printf(text, "%s: [", name);
	cJSON_ArrayForEach(item, json_get(rule, name))
	{
		buf_printf(text, "%s%s", item->prev->next == NULL ? "" : ", ",
			   item->valuestring[0] == '\0' ? "\"\"" : item->valuestring);
	}
	buf_puts(text, "]\n");
}

char *traffic_rbac_text(const char *provider, struct error *err)
{
	SCOPED(json) cJSON *rules = rules_of(provider, err);
	if (rules == NULL)
		return NULL;
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, 64UL * KIB);
	SCOPED(text) char *name = xstrndup(provider, strcspn(provider, ":"));
	buf_printf(&text,
		   "# What the daemon may do with routes of %s.\n"
		   "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"
		   "metadata:\n  name: sluice-%s\nrules:%s\n",
		   provider, name, rules->child == NULL ? " []" : "");
	const cJSON *rule;
	cJSON_ArrayForEach(rule, rules)
	{
		buf_puts(&text, "  - ");
		print_list(&text, rule, "apiGroups");
		buf_puts(&text, "    ");
		print_list(&text, rule, "resources");
		buf_puts(&text, "    ");
		print_list(&text, rule, "verbs");
	}
	return buf_take(&text);
}
