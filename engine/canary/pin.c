#include "canary/pin.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "canary/converge.h"
#include "canary/workload_meta.h"

/* A policy text as it was found; borrowed until the end of the run. */
struct found {
	const char *name, *text; /* NULL: no text of the canary's own */
	char hash[HASH_TEXT_MAX];
	struct error error; /* why there is none */
};

static void set_text(struct found *found, const char *name, const char *text)
{
	char hex[SHA256_HEX_SIZE];
	sha256_hex(text, strlen(text), hex);
	hex[16] = '\0';
	text_copy(found->hash, sizeof(found->hash), hex);
	found->name = name;
	found->text = text;
}

static enum step look(struct tick *tick, const char *name, const cJSON **object,
		      struct error *denied)
{
	char path[KUBE_PATH_MAX];
	kube_path(path, &kube_config_map, tick->spec->namespace, name);
	const struct answer *answer = ask_object(tick->asks, path);
	*object = NULL;
	if (answer == NULL)
		return STEP_WAIT;
	*object = answer->object;
	if (answer->error.kind == ERROR_NONE)
		return STEP_ON;
	if (answer->error.kind != ERROR_DENIED)
		return tick_trouble(tick, &answer->error);
	*denied = answer->error;
	return STEP_ON;
}

/* ---- the text that the Canary names ---- */

static enum step read_config_map(struct tick *tick, struct found *found)
{
	const struct policy_spec *policy = &tick->spec->policy;
	const cJSON *object;
	enum step step = look(tick, policy->name, &object, &found->error);
	if (step != STEP_ON || found->error.kind != ERROR_NONE)
		return step;
	const cJSON *text = json_get(json_get(object, "data"), policy->key);
	if (object == NULL)
		error_set(&found->error, ERROR_NOT_FOUND, "configmap %s.%s not found", policy->name,
			  tick->spec->namespace);
	else if (!cJSON_IsString(text))
		error_set(&found->error, ERROR_NOT_FOUND, "configmap %s.%s has no key %s",
			  policy->name, tick->spec->namespace, policy->key);
	else
		set_text(found, policy->key, text->valuestring);
	return STEP_ON;
}

static enum step read_named(struct tick *tick, struct found *found)
{
	const struct policy_spec *policy = &tick->spec->policy;
	switch (policy->source) {
	case POLICY_STOCK:
		return STEP_ON;
	case POLICY_NAMED:
		(void)policies_stock(tick->world->policies, policy->name, &found->error);
		return STEP_ON;
	case POLICY_INLINE:
		set_text(found, "policy.lua", policy->text);
		return STEP_ON;
	case POLICY_CONFIG_MAP:
		return read_config_map(tick, found);
	}
	return STEP_ON;
}

/* ---- the pinned text ---- */

static void pin_name(const struct tick *tick, const char *hash, char name[KUBE_NAME_MAX])
{
	snprintf(name, KUBE_NAME_MAX, "%.220s-policy-%s", tick->spec->name, hash);
}

/* No text when it is not there, or is not what its name says. */
static enum step read_pinned(struct tick *tick, struct found *found)
{
	struct memory *memory = &tick->status.memory;
	char name[KUBE_NAME_MAX];
	struct error denied = {0};
	const cJSON *object;
	if (memory->policy[0] == '\0')
		return STEP_ON;
	pin_name(tick, memory->policy, name);
	enum step step = look(tick, name, &object, &denied);
	if (step != STEP_ON || object == NULL)
		return step;
	memory->pinned = true;
	const cJSON *text =
		json_get(object, "data") == NULL ? NULL : json_get(object, "data")->child;
	if (text == NULL || !cJSON_IsString(text))
		return STEP_ON;
	set_text(found, text->string, text->valuestring);
	if (strcmp(found->hash, memory->policy) != 0)
		*found = (struct found){0};
	return STEP_ON;
}

static enum step keep(struct tick *tick, const struct found *found)
{
	struct memory *memory = &tick->status.memory;
	char name[KUBE_NAME_MAX];
	if (memory->pinned || found->text == NULL || tick->spec->skip_analysis ||
	    tick->beside != NULL)
		return STEP_ON;
	pin_name(tick, found->hash, name);
	cJSON *object = meta_object(tick->spec, "v1", "ConfigMap", name);
	json_put_bool(object, "immutable", true);
	cJSON *texts = cJSON_AddObjectToObject(object, "data");
	cJSON_AddStringToObject(texts, found->name, found->text);
	enum step step = converge_create(tick, &kube_config_map, object);
	memory->pinned = step == STEP_ON;
	return step;
}

enum step pin_remove(struct tick *tick, const char *hash)
{
	char name[KUBE_NAME_MAX];
	pin_name(tick, hash, name);
	return converge_delete(tick, &kube_config_map, name);
}

/* ---- which one ---- */

/* The policy of a text; for none, the stock policy that the canary names, if it does. */
static bool use(struct tick *tick, const struct found *found, struct policy **own,
		struct error *err)
{
	*own = NULL;
	if (found->error.kind != ERROR_NONE) {
		*err = found->error;
		return false;
	}
	if (found->text == NULL && tick->spec->policy.source != POLICY_NAMED)
		return true;
	*own = found->text == NULL
		       ? policies_stock(tick->world->policies, tick->spec->policy.name, err)
		       : policies_text(tick->world->policies, found->name, found->text,
				       strlen(found->text), err);
	return *own != NULL;
}

static void refuse(struct tick *tick, const struct error *why, const char *consequence)
{
	char hex[SHA256_HEX_SIZE];
	sha256_hex(why->text, strlen(why->text), hex);
	hex[16] = '\0';
	if (strcmp(hex, tick->status.memory.refused) == 0)
		return;
	text_copy(tick->refused, sizeof(tick->refused), hex);
	tick->policy_news = true;
	move_note(&tick->move, true, tick->status.phase, "Policy of %s.%s refused: %s%s",
		  tick->spec->name, tick->spec->namespace, why->text, consequence);
}

static void take_over(struct tick *tick, const struct found *found, const char *since)
{
	tick->policy_news = true;
	text_copy(tick->policy, sizeof(tick->policy), found->hash);
	if (found->text == NULL)
		move_note(&tick->move, false, tick->status.phase,
			  "The policy of %s.%s is gone: the stock policy decides from %s on",
			  tick->spec->name, tick->spec->namespace, since);
	else
		move_note(&tick->move, false, tick->status.phase,
			  "Policy %s of %s.%s is in order and decides from %s on", found->name,
			  tick->spec->name, tick->spec->namespace, since);
}

/* Before a release: what is named is what decides. */
static enum step find_at_rest(struct tick *tick, const struct found *named, struct policy **own,
			      struct error *err)
{
	if (!use(tick, named, own, err)) {
		refuse(tick, err, "");
		return STEP_ON;
	}
	tick->refused[0] = '\0';
	if (strcmp(named->hash, tick->status.memory.policy) == 0)
		return STEP_ON;
	if (phase_is_at_rest(tick->status.phase))
		take_over(tick, named, "the next release");
	else
		text_copy(tick->policy, sizeof(tick->policy), named->hash);
	return STEP_ON;
}

/* The named text is not the one that the release began with. */
static enum step find_changed(struct tick *tick, const struct found *named, struct policy **own,
			      struct error *err)
{
	struct found pinned = {0};
	enum step step = read_pinned(tick, &pinned);
	if (step != STEP_ON)
		return step;
	bool began_with_stock = tick->status.memory.policy[0] == '\0';
	bool can_stay = began_with_stock || pinned.text != NULL;
	bool good = use(tick, named, own, err);
	if (good) {
		tick->refused[0] = '\0';
		text_copy(tick->policy_after, sizeof(tick->policy_after), named->hash);
	}
	if (good && !(tick->spec->policy.at_next_rollout && can_stay)) {
		take_over(tick, named, "now");
		return STEP_ON;
	}
	if (!good)
		refuse(tick, err, can_stay ? "; the one that the release began with goes on" : "");
	if (!can_stay)
		return STEP_ON;
	*err = (struct error){0};
	*own = NULL;
	if (!began_with_stock)
		(void)use(tick, &pinned, own, err);
	return STEP_ON;
}

static bool has_begun(enum phase phase)
{
	return phase == PHASE_PROGRESSING || phase == PHASE_WAITING_PROMOTION ||
	       phase == PHASE_PROMOTING || phase == PHASE_FINALISING;
}

enum step pin_find(struct tick *tick, struct policy_chain *chain, struct error *err)
{
	const struct memory *memory = &tick->status.memory;
	struct found named = {0};
	tick->policy_allowance = (struct meter_allowance){METER_WORK, METER_TIME_US};
	chain->allowance = &tick->policy_allowance;
	text_copy(tick->policy, sizeof(tick->policy), memory->policy);
	text_copy(tick->policy_after, sizeof(tick->policy_after), memory->policy);
	text_copy(tick->refused, sizeof(tick->refused), memory->refused);
	if (!policies_chain(tick->world->policies, tick->spec->strategy, chain, err))
		return STEP_ON;
	enum step step = read_named(tick, &named);
	if (step != STEP_ON)
		return step;
	if (!has_begun(tick->status.phase))
		return find_at_rest(tick, &named, &chain->own, err);
	if (named.error.kind != ERROR_NONE || strcmp(named.hash, memory->policy) != 0)
		return find_changed(tick, &named, &chain->own, err);
	tick->refused[0] = '\0';
	(void)use(tick, &named, &chain->own, err);
	return keep(tick, &named);
}
