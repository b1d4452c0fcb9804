#include "script/pauses.h"

#include <string.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"

static const int64_t longest_us = 5 * DURATION_MINUTE;

char *pauses_key(const struct metric_query *query)
{
	char *secret = query->secret == NULL ? xstrdup("") : json_text(query->secret);
	char *key = xasprintf("%s %s %s", query->provider,
			      query->address == NULL ? "" : query->address, secret);
	secret_free(secret);
	return key;
}

static void forget(struct pause *pause)
{
	secret_free(pause->key);
	*pause = (struct pause){0};
}

void pauses_add(struct pauses *pauses, const char *key, int64_t length_us, int64_t now_us)
{
	for (size_t i = 0; i < PAUSES_MAX; i++) {
		struct pause *pause = &pauses->items[i];
		if (pause->key != NULL && pause->until_us > now_us)
			continue;
		forget(pause);
		pause->key = xstrdup(key);
		pause->until_us = now_us + (length_us < longest_us ? length_us : longest_us);
		return;
	}
}

int64_t pauses_left_us(struct pauses *pauses, const char *key, int64_t now_us)
{
	for (size_t i = 0; i < PAUSES_MAX; i++) {
		const struct pause *pause = &pauses->items[i];
		if (pause->key != NULL && strcmp(pause->key, key) == 0 && pause->until_us > now_us)
			return pause->until_us - now_us;
	}
	return 0;
}

void pauses_fini(struct pauses *pauses)
{
	for (size_t i = 0; i < PAUSES_MAX; i++)
		forget(&pauses->items[i]);
}
