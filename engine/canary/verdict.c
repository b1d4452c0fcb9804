#include "canary/verdict.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/shape.h"
#include "canary/spec_shape.h"
#include "canary/status.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ANSWER(...)                                                                                \
	{                                                                                          \
		.kind = SHAPE_OBJECT, .flags = SHAPE_STRICT, .members = (const struct shape[])     \
		{                                                                                  \
			__VA_ARGS__,                                                               \
			{                                                                          \
				.kind = SHAPE_END                                                  \
			}                                                                          \
		}                                                                                  \
	}
#define WORD(field, ...)                                                                           \
	{                                                                                          \
		.name = field, .kind = SHAPE_STRING, .flags = SHAPE_REQUIRED,                      \
		.words = WORDS(__VA_ARGS__)                                                        \
	}
#define TEXT(field)                                                                                \
	{                                                                                          \
		.name = field, .kind = SHAPE_STRING                                                \
	}
#define BOOL(field)                                                                                \
	{                                                                                          \
		.name = field, .kind = SHAPE_BOOL                                                  \
	}
#define SECONDS                                                                                    \
	{                                                                                          \
		.name = "seconds", .kind = SHAPE_NUMBER, .min = 0, .max = VERDICT_HOLD_MAX         \
	}

static const struct shape answers[POLICY_HOOKS] = {
	[HOOK_START] =
		ANSWER(WORD("action", "go", "hold", "promote", "slot"), TEXT("reason"), SECONDS,
		       {.name = "name",
			.kind = SHAPE_STRING,
			.most = SLOT_NAME_MAX - 1,
			.rule = shape_is_not_empty},
		       {.name = "limit", .kind = SHAPE_WHOLE, .min = 1, .max = 10000}),
	[HOOK_THRESHOLDS] = {.kind = SHAPE_LIST,
			     .most = VERDICT_CHECKS_MAX,
			     .members = &metric_shape},
	[HOOK_MATCH] = {.kind = SHAPE_LIST, .most = VERDICT_MATCHES_MAX, .members = &match_shape},
	[HOOK_JUDGE] = ANSWER(WORD("verdict", "pass", "fail", "hold"), TEXT("reason")),
	[HOOK_STEP] = ANSWER(WORD("action", "route", "hold", "promote", "rollback"),
			     {.name = "weight", .kind = SHAPE_NUMBER, .max = 100},
			     {.name = "iteration", .kind = SHAPE_WHOLE, .max = 1000000},
			     BOOL("mirror"), BOOL("confirm"), TEXT("message"), TEXT("reason"),
			     SECONDS, {.name = "state", .kind = SHAPE_FREE}),
	[HOOK_PACE] = ANSWER({.name = "seconds",
			      .kind = SHAPE_NUMBER,
			      .flags = SHAPE_REQUIRED,
			      .max = VERDICT_HOLD_MAX}),
	[HOOK_ROLLBACK] = ANSWER({.name = "rollback", .kind = SHAPE_BOOL, .flags = SHAPE_REQUIRED},
				 TEXT("reason")),
	[HOOK_PROMOTION] = ANSWER(
		{.name = "weight", .kind = SHAPE_NUMBER, .flags = SHAPE_REQUIRED, .max = 100}),
};

/* "weight must be …", "[2].name must be …", "must be a list, is true". */
static void tell(enum policy_hook hook, const struct spec_problems *problems, struct error *err)
{
	const struct spec_problem *problem = problems->items;
	while (problem->warning)
		problem++;
	const char *path = problem->path + strlen(policy_hook_name(hook));
	path += *path == '.';
	error_set(err, ERROR_SCRIPT, "%s%s%s", path, path[0] == '\0' ? "" : " ", problem->text);
}

bool verdict_check(enum policy_hook hook, cJSON **answer, struct error *err)
{
	const struct shape *shape = &answers[hook];
	if (shape->kind == SHAPE_LIST && cJSON_IsObject(*answer) && (*answer)->child == NULL) {
		cJSON_Delete(*answer);
		*answer = cJSON_CreateArray();
	}
	struct spec_problems problems = {0};
	shape_check(shape, *answer, policy_hook_name(hook), &problems);
	bool right = problems.errors == 0;
	if (!right)
		tell(hook, &problems, err);
	spec_problems_fini(&problems);
	if (right && text_equal(json_string(*answer, "action"), "slot") &&
	    json_get(*answer, "name") == NULL)
		return error_set(err, ERROR_SCRIPT, "name must be the slot's, for action \"slot\"");
	return right;
}
