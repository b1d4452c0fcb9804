/*
 * dialect_spec.c - what of a canary's service and analysis the meshes make, where no transcript
 * shows it: headers, retries, CORS, rewrites, cookies, several conditions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/path.h"
#include "spec.h"
#include "traffic/driver.h"

/* A canary of a provider with these in service and analysis (members of JSON, maybe ""). */
static cJSON *canary_of(const char *provider, const char *service, const char *analysis)
{
	SCOPED(text)
	char *text = xasprintf(
		"{\"apiVersion\":\"flagger.app/"
		"v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":"
		"\"web\",\"namespace\":\"test\",\"uid\":\"u\"},\"spec\":{\"provider\":\"%s\","
		"\"ingressRef\":{\"apiVersion\":\"networking.k8s.io/"
		"v1\",\"kind\":\"Ingress\",\"name\":"
		"\"web\"},\"targetRef\":{\"apiVersion\":\"apps/"
		"v1\",\"kind\":\"Deployment\",\"name\":"
		"\"web\"},\"service\":{\"port\":80%s%s},\"analysis\":{\"interval\":\"10s\","
		"\"threshold\":3%s%s}}}",
		provider, service[0] == '\0' ? "" : ",", service, analysis[0] == '\0' ? "" : ",",
		analysis);
	struct error err = {0};
	cJSON *canary = json_parse(text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	return canary;
}

/* The value at a path of the last object that is owned, as text; quotes are apostrophes. */
static char *rendered(const char *provider, const char *service, const char *analysis,
		      struct split split, const char *path)
{
	struct error err = {0};
	struct spec_problems problems = {0};
	const struct spec_options options = {.default_provider = "kubernetes"};
	struct selector_label label = {"app", "web"};
	struct status status;
	SCOPED(json) cJSON *canary = canary_of(provider, service, analysis);
	struct canary_spec *spec = canary_spec_new(canary, &options, &problems);
	SCOPED(buf) struct buf told = {0};
	buf_init(&told, 4096);
	spec_problems_text(&problems, &told);
	if (spec == NULL)
		spec_fail(__FILE__, __LINE__, "%s", told.text);
	spec_problems_fini(&problems);
	status_init(&status);
	text_copy(status.cookie, sizeof(status.cookie), split.canary > 0 ? "c=abc" : "");
	text_copy(status.previous_cookie, sizeof(status.previous_cookie), "c=old");
	const struct traffic_view view = {.driver = traffic_find(provider, &err),
					  .spec = spec,
					  .label = &label,
					  .match = spec->match,
					  .status = &status};
	SCOPED(json) cJSON *desired = view.driver->desired(&view, &split, NULL, &err);
	EXPECT_TEXT(err.text, "");
	const cJSON *own = json_get(desired, "own");
	const cJSON *object = cJSON_GetArrayItem(own, cJSON_GetArraySize(own) - 1);
	const cJSON *value = json_at(object, path);
	char *text = value == NULL ? xstrdup("nothing") : json_canonical(value);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '"')
			*c = '\'';
	canary_spec_free(spec);
	status_fini(&status);
	return text;
}

static void expect_rendered(const char *provider, const char *service, const char *analysis,
			    int weight, const char *path, const char *wanted)
{
	const struct split split = {.primary = 100 - weight, .canary = weight};
	SCOPED(text) char *got = rendered(provider, service, analysis, split, path);
	EXPECT_TEXT(got, wanted);
}

/* What is wrong with a canary: all sentences in one. */
static void expect_told(const char *provider, const char *service, const char *analysis,
			const char *wanted)
{
	struct spec_problems problems = {0};
	const struct spec_options options = {.default_provider = "kubernetes"};
	SCOPED(json) cJSON *canary = canary_of(provider, service, analysis);
	canary_spec_free(canary_spec_new(canary, &options, &problems));
	SCOPED(buf) struct buf told = {0};
	buf_init(&told, 4096);
	spec_problems_text(&problems, &told);
	EXPECT_TEXT(told.len == 0 ? "" : told.text, wanted);
	spec_problems_fini(&problems);
}

#define STEPS "\"stepWeight\":10"
#define GATEWAY "\"gatewayRefs\":[{\"name\":\"g\"}]"
#define STICKY                                                                                     \
	STEPS ",\"sessionAffinity\":{\"cookieName\":\"c\",\"primaryCookieName\":\"p\",\"maxAge\":" \
	      "60,"                                                                                \
	      "\"domain\":\"d\",\"path\":\"/x\",\"secure\":true,\"httpOnly\":true,\"sameSite\":"   \
	      "\"Lax\"}"

SPEC("dialect: Istio has timeout, retries, rewrite, headers and CORS of the service")
{
	expect_rendered(
		"istio",
		"\"timeout\":\"5s\",\"retries\":{\"attempts\":3,\"retryOn\":\"5xx\"},\"rewrite\":{"
		"\"uri\":\"/\","
		"\"authority\":\"a\",\"type\":\"ReplaceFullPath\"},\"headers\":{\"request\":{"
		"\"set\":{\"x\":"
		"\"1\"}}},\"corsPolicy\":{\"allowOrigin\":[\"*\"]},\"match\":[{\"uri\":{\"prefix\":"
		"\"/a\"}}]",
		STEPS, 10, "spec.http",
		"[{'corsPolicy':{'allowOrigin':['*']},'headers':{'request':{'set':{'x':'1'}}},'"
		"match':[{"
		"'uri':{'prefix':'/"
		"a'}}],'retries':{'attempts':3,'retryOn':'5xx'},'rewrite':{'authority':"
		"'a','uri':'/'},'route':[{'destination':{'host':'web-primary'},'weight':90},{"
		"'destination':{'host':'web-canary'},'weight':10}],'timeout':'5s'}]");
	expect_rendered(
		"istio", "\"appProtocol\":\"TCP\",\"match\":[{\"port\":7}]", STEPS, 10, "spec.tcp",
		"[{'match':[{'port':7}],'route':[{'destination':{'host':'web-primary'},'weight':"
		"90},{'destination':{'host':'web-canary'},'weight':10}]}]");
	expect_rendered("istio", "\"portDiscovery\":true,\"gateways\":[\"g\"]", STEPS, 10,
			"spec.http[0].route[1].destination",
			"{'host':'web-canary','port':{'number':80}}");
	expect_rendered("istio", "\"hosts\":[\"*\"]", STEPS, 10, "spec.hosts", "['*']");
}

SPEC("dialect: labels and annotations of the apex, and what keeps GitOps tools away")
{
	expect_rendered(
		"istio", "\"apex\":{\"labels\":{\"l\":\"1\"},\"annotations\":{\"a\":\"2\"}}", STEPS,
		10, "metadata",
		"{'annotations':{'a':'2','helm.toolkit.fluxcd.io/driftDetection':'disabled',"
		"'kustomize.toolkit.fluxcd.io/reconcile':'disabled'},'labels':{'app':'web','l':"
		"'1'},'name':'web','namespace':'test','ownerReferences':[{'apiVersion':"
		"'flagger.app/v1beta1','blockOwnerDeletion':true,'controller':true,'kind':"
		"'Canary','name':'web','uid':'u'}]}");
}

SPEC("dialect: a cookie keeps users where they are, and is taken away with its domain and path")
{
	expect_rendered(
		"istio", "", STICKY, 10, "spec.http[2].route[1].headers.response.add",
		"{'Set-Cookie':'c=abc; Max-Age=60; Domain=d; HttpOnly; Path=/x; SameSite=Lax; "
		"Secure'}");
	expect_rendered(
		"istio", "", STICKY, 10, "spec.http[2].route[0].headers.response.add",
		"{'Set-Cookie':'p=abc; Max-Age=10; Domain=d; HttpOnly; Path=/x; SameSite=Lax; "
		"Secure'}");
	expect_rendered("istio", "", STICKY, 10, "spec.http[0].match",
			"[{'headers':{'Cookie':{'regex':'.*c.*abc.*'}}}]");
	expect_rendered("istio", "", STICKY, 10, "spec.http[1].route[0].weight", "100");
	expect_rendered("istio", "", STICKY, 0, "spec.http[0].headers.response.add",
			"{'Set-Cookie':'c=old; Max-Age=-1; Domain=d; Path=/x'}");
	expect_rendered(
		"istio",
		"\"match\":[{\"uri\":{\"prefix\":\"/a\"},\"headers\":{\"h\":{\"exact\":\"v\"}}}]",
		STICKY, 10, "spec.http[0].match",
		"[{'headers':{'Cookie':{'regex':'.*c.*abc.*'},'h':{'exact':'v'}},'uri':{'prefix':"
		"'/a'}}]");
	expect_rendered("gatewayapi:v1", GATEWAY, STICKY, 10,
			"spec.rules[2].backendRefs[0].filters",
			"[{'responseHeaderModifier':{'add':[{'name':'Set-Cookie','value':'p=abc; "
			"Max-Age=10; Domain=d; HttpOnly; Path=/x; SameSite=Lax; Secure'}]},'type':"
			"'ResponseHeaderModifier'}]");
	expect_rendered("gatewayapi:v1beta1", GATEWAY, STICKY, 10, "spec.rules[2]", "nothing");
}

SPEC("dialect: the Gateway API has filters in their order, timeouts and CORS; v1beta1 less")
{
	static const char service[] = GATEWAY
		",\"timeout\":\"5s\",\"backendTimeout\":\"2s\",\"headers\":{\"request\":{\"add\":{"
		"\"b\":"
		"\"2\",\"a\":\"1\"},\"remove\":[\"z\"]},\"response\":{\"set\":{\"s\":\"t\"}}},"
		"\"rewrite\":{\"uri\":\"/n\",\"authority\":\"h\",\"type\":\"ReplacePrefixMatch\"},"
		"\"mirror\":[{\"backendRef\":{\"name\":\"m\",\"port\":1}}],\"corsPolicy\":{"
		"\"allowOrigin\":[\"o\"],\"allowCredentials\":false,\"maxAge\":\"1h30m\"}";
	expect_rendered(
		"gatewayapi:v1", service, STEPS, 10, "spec.rules[0].filters",
		"[{'requestHeaderModifier':{'add':[{'name':'a','value':'1'},{'name':'b','value':'2'"
		"}],"
		"'remove':['z']},'type':'RequestHeaderModifier'},{'responseHeaderModifier':{'set':["
		"{"
		"'name':'s','value':'t'}]},'type':'ResponseHeaderModifier'},{'type':'URLRewrite',"
		"'urlRewrite':{'hostname':'h','path':{'replacePrefixMatch':'/n','type':"
		"'ReplacePrefixMatch'}}},{'requestMirror':{'backendRef':{'group':'','kind':'"
		"Service',"
		"'name':'m','port':1}},'type':'RequestMirror'},{'cors':{'allowOrigins':['o'],'"
		"maxAge':"
		"5400},'type':'CORS'}]");
	expect_rendered("gatewayapi:v1", service, STEPS, 10, "spec.rules[0].timeouts",
			"{'backendRequest':'2s','request':'5s'}");
	expect_rendered("gatewayapi:v1beta1", service, STEPS, 10, "spec.rules[0].timeouts",
			"nothing");
	expect_rendered("gatewayapi:v1beta1", service, STEPS, 10, "spec.rules[0].filters[4]",
			"nothing");
	expect_rendered("gatewayapi:v1",
			GATEWAY
			",\"match\":[{\"uri\":{\"regex\":\"/r.*\"},\"method\":{\"exact\":\"GET\"},"
			"\"queryParams\":{\"q\":{\"exact\":\"1\"}}},{}]",
			STEPS, 10, "spec.rules[0].matches",
			"[{'method':'GET','path':{'type':'RegularExpression','value':'/r.*'},"
			"'queryParams':[{'name':'q','type':'Exact','value':'1'}]}]");
}

#define MATCH(headers) "\"iterations\":2,\"match\":[" headers "]"

SPEC("dialect: A/B conditions are combined with those of the service")
{
	expect_rendered(
		"istio", "\"match\":[{\"uri\":{\"prefix\":\"/a\"}},{\"uri\":{\"prefix\":\"/b\"}}]",
		MATCH("{\"headers\":{\"h\":{\"exact\":\"1\"}}},{\"queryParams\":{\"q\":{\"exact\":"
		      "\"2\"}}}"),
		100, "spec.http[0].match",
		"[{'headers':{'h':{'exact':'1'}},'uri':{'prefix':'/a'}},{'headers':{'h':{'exact':"
		"'1'}},'uri':{'prefix':'/b'}},{'queryParams':{'q':{'exact':'2'}},'uri':{'prefix':"
		"'/a'}},{'queryParams':{'q':{'exact':'2'}},'uri':{'prefix':'/b'}}]");
	expect_rendered("contour", "",
			MATCH("{\"headers\":{\"h\":{\"prefix\":\"a.b\"}}},{\"headers\":{\"i\":{"
			      "\"exact\":\"2\"}}}"),
			100, "spec.routes[0].conditions",
			"[{'prefix':'/'},{'header':{'name':'h','regex':'a\\\\.b.*'}}]");
	expect_rendered("contour", "",
			MATCH("{\"headers\":{\"h\":{\"prefix\":\"a.b\"}}},{\"headers\":{\"i\":{"
			      "\"exact\":\"2\"}}}"),
			100, "spec.routes[2].services[0].weight", "100");
	expect_rendered(
		"gloo", "",
		MATCH("{\"headers\":{\"h\":{\"regex\":\"a.*\"}}},{\"headers\":{\"i\":{\"exact\":"
		      "\"2\"}}}"),
		100, "spec.routes[0].matchers",
		"[{'headers':[{'name':'h','regex':true,'value':'a.*'}]},{'headers':[{'name':'i',"
		"'value':'2'}]}]");
}

SPEC("dialect: what a mesh cannot do is told when the canary is checked")
{
	expect_told("istio", "\"delegation\":true,\"hosts\":[\"h\"]", STEPS,
		    "spec.service.delegation: VirtualService web.test cannot have hosts and "
		    "gateways when "
		    "delegation enabled");
	expect_told("istio", "\"appProtocol\":\"tcp\"",
		    MATCH("{\"headers\":{\"h\":{\"exact\":\"1\"}}}"),
		    "spec.analysis.match: cannot be told apart in TCP: all traffic would go to the "
		    "canary");
	expect_told("gatewayapi:v1", "", STEPS,
		    "spec.service.gatewayRefs: GatewayRefs must be specified when using Gateway "
		    "API as a "
		    "provider.");
	expect_told("gatewayapi:v1", GATEWAY, MATCH("{\"headers\":{\"h\":{\"prefix\":\"1\"}}}"),
		    "spec.analysis.match[0]: headers.h: Gateway API doesn't support the specified "
		    "header "
		    "matching selector; it has exact and regex");
	expect_told("gatewayapi:v2", GATEWAY, STEPS,
		    "spec.provider: is \"gatewayapi:v2\"; the Gateway API has gatewayapi:v1 and "
		    "gatewayapi:v1beta1");
	expect_told("nginx", "",
		    MATCH("{\"headers\":{\"h\":{\"exact\":\"1\"}}},{\"headers\":{\"i\":{\"exact\":"
			  "\"2\"}}}"),
		    "spec.analysis.match: nginx tells requests apart by one header (exact or "
		    "regex) and "
		    "one cookie (exact); i is more than that");
	expect_told("smi:v1alpha9", "", STEPS,
		    "spec.provider: is \"smi:v1alpha9\"; SMI has smi:v1alpha1, smi:v1alpha2 and "
		    "smi:v1alpha3, with :<mesh> or without");
}

/* The last owned object of a canary at 10 %, with flags of the daemon. */
static cJSON *with_flags(const char *provider, const struct spec_options *options,
			 const cJSON *objects, bool reads_back)
{
	struct error err = {0};
	struct spec_problems problems = {0};
	struct selector_label label = {"app", "web"};
	const struct split split = {.primary = 90, .canary = 10};
	struct split live;
	struct status status;
	status_init(&status);
	SCOPED(json) cJSON *canary = canary_of(provider, "", STEPS);
	struct canary_spec *spec = canary_spec_new(canary, options, &problems);
	const struct traffic_view view = {.driver = traffic_find(provider, &err),
					  .spec = spec,
					  .label = &label,
					  .status = &status};
	SCOPED(json) cJSON *desired = view.driver->desired(&view, &split, objects, &err);
	EXPECT_TEXT(err.text, "");
	cJSON *own = json_copy(cJSON_GetArrayItem(json_get(desired, "own"), 0));
	if (reads_back) {
		SCOPED(json) cJSON *after = json_copy(objects);
		char path[KUBE_PATH_MAX];
		EXPECT(traffic_path(view.driver, own, path, &err));
		cJSON_AddItemToObject(after, path, json_copy(own));
		EXPECT(view.driver->observed(&view, after, &live, &err) == TRAFFIC_LIVE);
		EXPECT_INT(live.canary, 10);
	}
	spec_problems_fini(&problems);
	canary_spec_free(spec);
	status_fini(&status);
	return own;
}

SPEC("dialect: the class of an ingress is Contour's, where the daemon was told one")
{
	struct spec_options options = {.default_provider = "kubernetes", .ingress_class = "inner"};
	SCOPED(json) cJSON *none = cJSON_CreateObject();
	SCOPED(json) cJSON *proxy = with_flags("contour", &options, none, true);
	EXPECT_TEXT(json_string_or(proxy, "spec.ingressClassName", ""), "inner");
	options.ingress_class = "";
	SCOPED(json) cJSON *without = with_flags("contour", &options, none, true);
	EXPECT(json_at(without, "spec.ingressClassName") == NULL);
}

SPEC("dialect: the prefix of nginx's annotations is the daemon's, in writing and reading")
{
	static const char source[] =
		"{\"/apis/networking.k8s.io/v1/namespaces/test/ingresses/web\":{\"metadata\":{"
		"\"name\":\"web\",\"annotations\":{\"in.example/canary-weight\":\"7\","
		"\"nginx.ingress.kubernetes.io/canary\":\"theirs\"}},\"spec\":{\"rules\":[{"
		"\"http\":{\"paths\":[{\"backend\":{\"service\":{\"name\":\"web\"}}}]}}]}}}";
	const struct spec_options options = {.default_provider = "kubernetes",
					     .ingress_prefix = "in.example"};
	struct error err = {0};
	SCOPED(json) cJSON *objects = json_parse(source, strlen(source), &err);
	SCOPED(json) cJSON *ingress = with_flags("nginx", &options, objects, true);
	const cJSON *annotations = json_at(ingress, "metadata.annotations");
	EXPECT_TEXT(cJSON_GetStringValue(json_get(annotations, "in.example/canary-weight")), "10");
	EXPECT_TEXT(cJSON_GetStringValue(json_get(annotations, "in.example/canary")), "true");
	EXPECT_TEXT(
		cJSON_GetStringValue(json_get(annotations, "nginx.ingress.kubernetes.io/canary")),
		"theirs");
}

SPEC("dialect: a VirtualService that was there before stays the team's, and is given back")
{
	static const char path[] =
		"/apis/networking.istio.io/v1beta1/namespaces/test/virtualservices/web";
	static const char team[] =
		"{\"metadata\":{\"name\":\"web\",\"resourceVersion\":\"7\"},\"spec\":{"
		"\"hosts\":[\"h\"],\"exportTo\":[]}}";
	struct error err = {0};
	struct spec_problems problems = {0};
	const struct spec_options options = {.default_provider = "istio"};
	struct selector_label label = {"app", "web"};
	const struct split split = {.primary = 90, .canary = 10};
	struct status status;
	status_init(&status);
	SCOPED(json) cJSON *canary = canary_of("istio", "", STEPS);
	struct canary_spec *spec = canary_spec_new(canary, &options, &problems);
	const struct traffic_view view = {.driver = traffic_find("istio", &err),
					  .spec = spec,
					  .label = &label,
					  .status = &status};
	SCOPED(json) cJSON *objects = cJSON_CreateObject();
	cJSON *live = cJSON_Parse(team);
	cJSON_AddItemToObject(objects, path, live);
	SCOPED(json) cJSON *desired = view.driver->desired(&view, &split, objects, &err);
	const cJSON *own = cJSON_GetArrayItem(json_get(desired, "own"), 2);
	EXPECT(json_at(own, "metadata.ownerReferences") == NULL);
	json_merge_patch(&live, own);
	/* It is remembered once: not what we wrote ourselves. */
	SCOPED(json) cJSON *again = view.driver->desired(&view, &split, objects, &err);
	EXPECT(json_equal(desired, again));
	SCOPED(json) cJSON *undo = view.driver->restore(&view, objects, &err);
	const cJSON *patch = json_at(undo, "edit[0].patch");
	SCOPED(json) cJSON *given_back = cJSON_Duplicate(live, true);
	EXPECT(json_patch(&given_back, patch, &err));
	EXPECT_TEXT(err.text, "");
	SCOPED(text) char *left = json_canonical(json_get(given_back, "spec"));
	EXPECT_TEXT(left, "{\"exportTo\":[],\"hosts\":[\"h\"]}");
	EXPECT(json_at(given_back, "metadata.annotations[\"flagger.kubernetes.io/original-"
				   "configuration\"]") == NULL);
	canary_spec_free(spec);
	status_fini(&status);
	spec_problems_fini(&problems);
}
