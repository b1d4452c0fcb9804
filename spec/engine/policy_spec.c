#include "script/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "canary/policies.h"
#include "script/embed.h"
#include "hostile.h"
#include "spec.h"

static struct policy *made(const char *text, struct error *err)
{
	return policy_new("mine.lua", text, strlen(text), err);
}

/* Calls step of a policy; what it returned as text, or NULL and an error. */
static char *step_of(const char *text, const char *rollout_text, struct error *err)
{
	struct policy *policy = made(text, err);
	if (policy == NULL)
		return NULL;
	SCOPED(json) cJSON *rollout = cJSON_Parse(rollout_text);
	SCOPED(json) cJSON *result = NULL;
	char *answer = NULL;
	struct policy_run *run = policy_run_new(policy, false, err);
	if (run != NULL && policy_call(run, HOOK_STEP, rollout, NULL, &result, err))
		answer = result == NULL ? xstrdup("nil") : json_canonical(result);
	policy_run_free(run);
	policy_free(policy);
	return answer;
}

SPEC("policy: a hook takes a table and returns one")
{
	struct error err = {0};
	SCOPED(text)
	char *answer = step_of(
		"return {step=function(r) return {action='route', weight=r.weight+5, l={1,2}} end}",
		"{\"weight\":10}", &err);
	EXPECT_TEXT(answer, "{\"action\":\"route\",\"l\":[1,2],\"weight\":15}");
}

SPEC("policy: an unknown hook is told with what was meant")
{
	struct error err = {0};
	EXPECT(made("return {steps = function() end}", &err) == NULL);
	EXPECT_CONTAINS(err.text, "there is no hook \"steps\" (did you mean step?)");
	EXPECT(made("return {step = 1}", &err) == NULL);
	EXPECT_CONTAINS(err.text, "hook step must be a function, is a number");
	EXPECT(made("return 1", &err) == NULL);
	EXPECT_CONTAINS(err.text, "must return a table of hooks, returned a number");
}

/* Under a sanitizer, or valgrind, the work is stopped as early, but takes longer. */
static double slower(void)
{
#ifdef __SANITIZE_ADDRESS__
	return 20;
#else
	const char *times = getenv("SPEC_SLOWER");
	return times == NULL ? 1 : strtod(times, NULL);
#endif
}

SPEC("policy: whatever it does, it is stopped in time, and said to be wrong with file and line")
{
	bool right = true;
	for (size_t i = 0; i < hostile_count; i++) {
		char told[ERROR_TEXT_MAX];
		double took = hostile_run(hostiles[i].text, told, sizeof(told));
		bool said = hostiles[i].told == NULL || strstr(told, hostiles[i].told) != NULL;
		/* Where all is slower, the clock may stop it before its work does. */
		said = said || (slower() > 1 && strstr(told, "it ran for too long") != NULL);
		if (!said || told[0] == '\0' || took > slower() * HOSTILE_PAUSE_MS) {
			printf("  %s: %.1f ms, told \"%s\"\n", hostiles[i].kind, took, told);
			right = false;
		}
	}
	EXPECT(right);
}

/* `first`, `again` as often as it takes to fill a text, `last`. */
static void expect_quick(const char *first, const char *again, const char *last)
{
	char told[ERROR_TEXT_MAX];
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, POLICY_TEXT_MAX);
	buf_printf(&text, "%s", first);
	while (text.len + strlen(again) + strlen(last) < POLICY_TEXT_MAX)
		buf_printf(&text, "%s", again);
	buf_printf(&text, "%s", last);
	double took = hostile_run(text.text, told, sizeof(told));
	if (took > slower() * HOSTILE_PAUSE_MS)
		spec_fail(__FILE__, __LINE__, "%s: %.1f ms: %s", again, took, told);
}

SPEC("policy: no text takes long to compile")
{
	expect_quick("local a return ", "a and ", "a");
	expect_quick("local a return ", "a or ", "a");
	expect_quick("local a if a then ", "elseif a then ", "end");
	expect_quick("", "goto a ", "::a::");
	expect_quick("while true do ", "if a then break end ", "end");
	expect_quick("return ", "(", "");
	expect_quick("return ", "{", "");
	expect_quick("return ", "{},", "{}");
	expect_quick("return ", "-", "1");
	expect_quick("return ", "'a'..", "'a'");
	expect_quick("", "do local a <close> = nil end ", "");
	expect_quick("local a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z", " z=zz", "");
	expect_quick("",
		     "local function f(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y) zz=1 ",
		     "");
}

SPEC("policy: what would take the compiler long is refused with its line")
{
	struct error err = {0};
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, POLICY_TEXT_MAX);
	buf_printf(&text, "-- goto ^ [[\nlocal s = 'goto ^ \\' ^' .. [[ ^ ]] --[==[ ^ ]] ]==]\n");
	for (int i = 0; i < 101; i++)
		buf_printf(&text, "goto a\n");
	EXPECT(made(text.text, &err) == NULL);
	EXPECT_CONTAINS(err.text, "mine.lua:103: more than 100 \"goto\"");
}

SPEC("policy: no way out of the sandbox")
{
	static const char *const names[] = {"os",	  "io",	     "debug",	  "load",
					    "dofile",	  "require", "coroutine", "collectgarbage",
					    "loadstring", "package", "xpcall",	  "print"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct error err = {0};
		SCOPED(text)
		char *text = xasprintf("return {step = function() return {there = %s ~= nil} end}",
				       names[i]);
		SCOPED(text) char *answer = step_of(text, "{}", &err);
		EXPECT_TEXT(answer, "{\"there\":false}");
	}
	struct error err = {0};
	EXPECT(policy_new("mine.lua", "\x1bLua", 4, &err) == NULL);
}

SPEC("policy: nothing leaks from run to run")
{
	static const char text[] = "local count = 0\n"
				   "return {step = function() count = count + 1; g = (g or 0) + 1; "
				   "string.sub = nil; return {count = count, g = g} end}";
	struct error err = {0};
	struct policy *policy = made(text, &err);
	for (int i = 0; i < 3; i++) {
		SCOPED(json) cJSON *result = NULL;
		struct policy_run *run = policy_run_new(policy, false, &err);
		EXPECT(policy_call(run, HOOK_STEP, NULL, NULL, &result, &err));
		SCOPED(text) char *answer = json_canonical(result);
		EXPECT_TEXT(answer, "{\"count\":1,\"g\":1}");
		policy_run_free(run);
	}
	policy_free(policy);
}

SPEC("policy: pairs and sort are in the same order everywhere")
{
	struct error err = {0};
	SCOPED(text)
	char *answer = step_of(
		"return {step = function() local out = {} for k in pairs({z=1, a=1, m=1, 7, 8}) do "
		"out[#out+1] = tostring(k) end local l = {{2,'a'},{1,'b'},{2,'c'},{1,'d'}} "
		"table.sort(l, function(a, b) return a[1] < b[1] end) "
		"for _, e in ipairs(l) do out[#out+1] = e[2] end "
		"return {order = table.concat(out, ' ')} end}",
		"{}", &err);
	EXPECT_TEXT(answer, "{\"order\":\"1 2 a m z b d a c\"}");
}

SPEC("policy: a stopped policy works again the next time")
{
	struct error err = {0};
	struct policy *policy = made(
		"return {step = function(r) while r.loop do end return {ok = true} end}", &err);
	SCOPED(json) cJSON *loop = cJSON_Parse("{\"loop\":true}");
	SCOPED(json) cJSON *result = NULL;
	struct policy_run *run = policy_run_new(policy, false, &err);
	EXPECT(!policy_call(run, HOOK_STEP, loop, NULL, &result, &err));
	json_remove(loop, "loop");
	EXPECT(policy_call(run, HOOK_STEP, loop, NULL, &result, &err));
	EXPECT(json_bool(result, "ok", false));
	policy_run_free(run);
	policy_free(policy);
}

SPEC("policy: without policies/, or one of its files, no strategy starts")
{
	static const char *const prefixes[] = {"policies/", "policies/defaults"};
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		for (int strategy = STRATEGY_CANARY; strategy <= STRATEGY_BLUE_GREEN; strategy++) {
			struct error err = {0};
			struct policies *policies = policies_new();
			struct policy_chain chain = {0};
			embed_hide(prefixes[i]);
			EXPECT(!policies_chain(policies, (enum strategy)strategy, &chain, &err));
			embed_hide(NULL);
			EXPECT_CONTAINS(err.text, "there is no stock policy");
			policies_free(policies);
		}
	}
}

SPEC("policy: what a policy leaves out or leaves open, the stock policy decides")
{
	struct error err = {0};
	struct policies *policies = policies_new();
	struct policy_chain chain = {0};
	static const char text[] = "return {step = function(r) if r.open then return nil end "
				   "return {action = 'promote'} end}";
	EXPECT(policies_chain(policies, STRATEGY_AB_TESTING, &chain, &err));
	chain.own = policies_text(policies, "mine.lua", text, strlen(text), &err);
	SCOPED(json)
	cJSON *rollout = cJSON_Parse("{\"iterations\":0,\"analysis\":{\"iterations\":2},"
				     "\"failed_checks\":1,\"threshold\":1}");
	SCOPED(json) cJSON *decided = NULL;
	EXPECT(policy_chain_call(&chain, HOOK_STEP, rollout, NULL, &decided, &err));
	EXPECT_TEXT(json_string(decided, "action"), "promote");
	json_put_bool(rollout, "open", true);
	SCOPED(json) cJSON *open = NULL;
	EXPECT(policy_chain_call(&chain, HOOK_STEP, rollout, NULL, &open, &err));
	EXPECT_TEXT(json_string(open, "action"), "route");
	SCOPED(json) cJSON *absent = NULL;
	EXPECT(policy_chain_call(&chain, HOOK_ROLLBACK, rollout, NULL, &absent, &err));
	EXPECT(json_bool(absent, "rollback", false));
	policies_free(policies);
}

/* What the hook `step` says of a rollout in a run of its own. */
static char *told(struct policy *policy, bool shares, const char *rollout_text)
{
	struct error err = {0};
	SCOPED(json) cJSON *rollout = cJSON_Parse(rollout_text);
	SCOPED(json) cJSON *result = NULL;
	struct policy_run *run = policy_run_new(policy, shares, &err);
	EXPECT(policy_call(run, HOOK_STEP, rollout, NULL, &result, &err));
	policy_run_free(run);
	return json_canonical(result);
}

SPEC("policy: those that share tables see each change of a rollout, and a state of their own")
{
	static const char text[] =
		"return { step = function(rollout)\n"
		"  rollout.state.n = (rollout.state.n or 0) + 1\n"
		"  rollout.spec.seen = (rollout.spec.seen or 0) + 1\n"
		"  return { a = rollout.spec.a, seen = rollout.spec.seen,\n"
		"    n = rollout.state.n, last = rollout.history[#rollout.history] }\n"
		"end }";
	static const struct {
		const char *rollout, *alone, *sharing;
	} calls[] = {
		{"{\"spec\":{\"a\":1},\"history\":[1],\"state\":{\"n\":5}}",
		 "{\"a\":1,\"last\":1,\"n\":6,\"seen\":1}",
		 "{\"a\":1,\"last\":1,\"n\":6,\"seen\":1}"},
		{"{\"spec\":{\"a\":1},\"history\":[1,2],\"state\":{\"n\":5}}",
		 "{\"a\":1,\"last\":2,\"n\":6,\"seen\":1}",
		 "{\"a\":1,\"last\":2,\"n\":6,\"seen\":2}"},
		{"{\"spec\":{\"a\":2},\"history\":[1,2],\"state\":{}}",
		 "{\"a\":2,\"last\":2,\"n\":1,\"seen\":1}",
		 "{\"a\":2,\"last\":2,\"n\":1,\"seen\":1}"},
	};
	struct error err = {0};
	struct policy *policy = made(text, &err);
	EXPECT_TEXT(err.text, "");
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		SCOPED(text) char *alone = told(policy, false, calls[i].rollout);
		SCOPED(text) char *sharing = told(policy, true, calls[i].rollout);
		EXPECT_TEXT(alone, calls[i].alone);
		EXPECT_TEXT(sharing, calls[i].sharing);
	}
	policy_free(policy);
}

static char *stock(const char *name, enum policy_hook hook, const char *rollout_text,
		   const char *sample_text)
{
	struct error err = {0};
	struct policy *policy = policy_new_stock(name, NULL, &err);
	EXPECT_TEXT(err.text, "");
	SCOPED(json) cJSON *rollout = cJSON_Parse(rollout_text);
	SCOPED(json) cJSON *sample = sample_text == NULL ? NULL : cJSON_Parse(sample_text);
	SCOPED(json) cJSON *result = NULL;
	struct policy_run *run = policy_run_new(policy, false, &err);
	EXPECT(policy_call(run, hook, rollout, sample, &result, &err));
	policy_run_free(run);
	policy_free(policy);
	return json_canonical(result);
}

static void expect_step(const char *policy, const char *rollout, const char *wanted)
{
	SCOPED(text) char *answer = stock(policy, HOOK_STEP, rollout, NULL);
	EXPECT_TEXT(answer, wanted);
}

SPEC("stock policies: canary raises the weight by stepWeight up to maxWeight")
{
	expect_step("canary", "{\"weight\":0,\"analysis\":{\"stepWeight\":20,\"maxWeight\":50}}",
		    "{\"action\":\"route\",\"weight\":20}");
	expect_step("canary", "{\"weight\":40,\"analysis\":{\"stepWeight\":20,\"maxWeight\":50}}",
		    "{\"action\":\"route\",\"weight\":60}");
	expect_step("canary", "{\"weight\":60,\"analysis\":{\"stepWeight\":20,\"maxWeight\":50}}",
		    "{\"action\":\"promote\"}");
	expect_step("canary",
		    "{\"weight\":10,\"analysis\":{\"stepWeight\":0,\"maxWeight\":0,\"stepWeights\":"
		    "[1,10,50]}}",
		    "{\"action\":\"route\",\"weight\":50}");
}

SPEC("stock policies: A/B and blue/green count iterations")
{
	expect_step("ab-testing", "{\"iterations\":1,\"analysis\":{\"iterations\":2}}",
		    "{\"action\":\"route\",\"iteration\":2,\"weight\":100}");
	expect_step("ab-testing", "{\"iterations\":2,\"analysis\":{\"iterations\":2}}",
		    "{\"action\":\"promote\"}");
	expect_step(
		"blue-green",
		"{\"iterations\":3,\"provider\":\"kubernetes\",\"analysis\":{\"iterations\":2}}",
		"{\"action\":\"promote\"}");
	expect_step("blue-green",
		    "{\"iterations\":2,\"provider\":\"appmesh\",\"analysis\":{\"iterations\":2}}",
		    "{\"action\":\"route\",\"confirm\":true,\"iteration\":3,\"message\":\"Routing "
		    "all traffic to "
		    "canary\",\"weight\":100}");
}

SPEC("stock policies: a number is judged in the words of the reference")
{
	static const char rollout[] = "{\"name\":\"podinfo\",\"namespace\":\"test\"}";
	SCOPED(text)
	char *low = stock(
		"defaults", HOOK_JUDGE, rollout,
		"{\"kind\":\"ok\",\"value\":98.5,\"metric\":{\"name\":\"request-success-rate\","
		"\"thresholdRange\":{\"min\":99}}}");
	EXPECT_CONTAINS(low, "Halt podinfo.test advancement success rate 98.50% < 99%");
	SCOPED(text)
	char *slow =
		stock("defaults", HOOK_JUDGE, rollout,
		      "{\"kind\":\"ok\",\"value\":1515,\"metric\":{\"name\":\"request-duration\","
		      "\"thresholdRange\":{\"max\":500}}}");
	EXPECT_CONTAINS(slow, "Halt podinfo.test advancement request duration 1.515s > 500ms");
	SCOPED(text)
	char *good = stock(
		"defaults", HOOK_JUDGE, rollout,
		"{\"kind\":\"ok\",\"value\":100,\"metric\":{\"name\":\"request-success-rate\","
		"\"thresholdRange\":{\"min\":99}}}");
	EXPECT_TEXT(good, "{\"verdict\":\"pass\"}");
}
