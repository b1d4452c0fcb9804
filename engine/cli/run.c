/*
 * run.c - `sluice run`: the command line of the daemon. Flags are Flagger's where they mean the
 * same; what this daemon has no use for is accepted, so that a command line carries over, and what
 * it cannot do yet is said.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/daemon.h"
#include "cli/flags.h"
#include "cli/overlay.h"
#include "base/limits.h"
#include "script/policy.h"

enum { LIST_MAX = 32 };

/* Whose clock the log shows: a log has one time, and a process one loop. */
static const struct loop *log_loop;

static int64_t log_time(void)
{
	return loop_now(log_loop);
}

/* As they came; what is not text is read from it afterwards. */
struct run_flags {
	const char *kubeconfig, *context, *server, *qps, *burst, *mesh_kubeconfig;
	const char *metrics_server, *log_level, *log_encoding, *port, *event_webhook;
	const char *selector, *class;
	const char *lua, *include_label_prefix, *namespace, *mesh_provider, *selector_labels;
	const char *election_namespace, *min_interval;
	const char *slack_url, *slack_token, *slack_user, *slack_channel, *slack_proxy;
	const char *msteams_url, *msteams_proxy, *cluster_name, *decision_log;
	const char *ingress_class, *ingress_prefix;
	const char *policy, *output;
	const char *unused;
	bool unused_bool, leader_election, config_tracking, no_cross_namespace_refs;
	bool help, version, observe;
};

static bool read_number(const char *flag, const char *text, double low, double high, double *number,
			struct error *err)
{
	char *end;
	*number = strtod(text, &end);
	if (end == text || *end != '\0' || !(*number >= low && *number <= high))
		return error_set(err, ERROR_INVALID,
				 "--%s must be a number from %g to %g, is \"%s\"", flag, low, high,
				 text);
	return true;
}

/* "a,b": the items point into `owned_text`, which is changed. */
static void split_list(char *owned_text, const char *items[LIST_MAX + 1])
{
	size_t count = 0;
	char *rest = owned_text, *item;
	while ((item = strsep(&rest, ",")) != NULL && count < LIST_MAX) {
		item += strspn(item, " ");
		if (item[0] != '\0')
			items[count++] = item;
	}
	items[count] = NULL;
}

static const char *unless_empty(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL : text;
}

/* The environment wins over a flag, as the reference has it. */
static void take_environment(struct run_flags *flags)
{
	static const struct {
		const char *name;
		size_t offset;
	} names[] = {
		{"EVENT_WEBHOOK_URL", offsetof(struct run_flags, event_webhook)},
		{"SLACK_URL", offsetof(struct run_flags, slack_url)},
		{"SLACK_TOKEN", offsetof(struct run_flags, slack_token)},
		{"SLACK_PROXY_URL", offsetof(struct run_flags, slack_proxy)},
		{"MSTEAMS_URL", offsetof(struct run_flags, msteams_url)},
		{"MSTEAMS_PROXY_URL", offsetof(struct run_flags, msteams_proxy)},
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = unless_empty(getenv(names[i].name));
		if (value != NULL)
			*(const char **)((char *)flags + names[i].offset) = value;
	}
}

/* "warning", "fatal" and "panic" are levels of the reference; ours are four. */
static bool set_up_log(const struct run_flags *flags, struct error *err)
{
	enum log_level level;
	const char *name = flags->log_level;
	if (strcmp(name, "warning") == 0)
		name = "warn";
	if (strcmp(name, "fatal") == 0 || strcmp(name, "panic") == 0)
		name = "error";
	if (!log_level_parse(name, &level))
		return error_set(err, ERROR_INVALID,
				 "--log-level must be debug, info, warn or error, is \"%s\"", name);
	bool json = strcmp(flags->log_encoding, "json") == 0;
	if (!json && strcmp(flags->log_encoding, "console") != 0)
		return error_set(err, ERROR_INVALID,
				 "--zap-encoding must be json or console, is \"%s\"",
				 flags->log_encoding);
	log_setup(level, json, log_time);
	return true;
}

/* MS Teams when it has a URL, else Slack. */
static void choose_receiver(const struct run_flags *flags, struct alerts_options *alerts)
{
	alerts->cluster = unless_empty(flags->cluster_name);
	if (unless_empty(flags->msteams_url) != NULL) {
		alerts->driver = "msteams";
		alerts->url = flags->msteams_url;
		alerts->proxy = unless_empty(flags->msteams_proxy);
		return;
	}
	if (unless_empty(flags->slack_url) == NULL)
		return;
	if (unless_empty(flags->slack_channel) == NULL) {
		log_error(NULL, "no alerts to Slack: --slack-channel is empty");
		return;
	}
	alerts->driver = "slack";
	alerts->url = flags->slack_url;
	alerts->token = unless_empty(flags->slack_token);
	alerts->proxy = unless_empty(flags->slack_proxy);
	alerts->username = unless_empty(flags->slack_user);
	alerts->channel = flags->slack_channel;
}

static bool fill_options(const struct run_flags *flags, struct daemon_options *options,
			 struct error *err)
{
	double port;
	if (!read_number("kubeconfig-qps", flags->qps, 0, 1e6, &options->qps, err) ||
	    !read_number("kubeconfig-burst", flags->burst, 1, 1e6, &options->burst, err) ||
	    !read_number("port", flags->port, 0, 65535, &port, err))
		return false;
	if (!duration_parse(flags->min_interval, &options->min_interval_us, err))
		return error_wrap(err, "--min-analysis-interval");
	options->port = (int)port;
	options->kube = (struct kube_config_options){flags->kubeconfig,
						     unless_empty(flags->context), flags->server};
	options->mesh.path = unless_empty(flags->mesh_kubeconfig);
	options->namespace = unless_empty(flags->namespace);
	options->selector = unless_empty(flags->selector);
	options->class = unless_empty(flags->class);
	options->mesh_provider = flags->mesh_provider;
	options->ingress_class = flags->ingress_class;
	options->ingress_prefix = flags->ingress_prefix;
	options->metrics_server = flags->metrics_server;
	options->event_webhook = unless_empty(flags->event_webhook);
	options->decision_log = unless_empty(flags->decision_log);
	options->config_tracking = flags->config_tracking;
	options->no_cross_namespace_refs = flags->no_cross_namespace_refs;
	options->leader_election = flags->leader_election;
	options->election_namespace = flags->election_namespace;
	return true;
}

/* What goes with --observe; `policy` has the text afterwards. */
static bool fill_observe(const struct run_flags *flags, struct daemon_options *options,
			 struct buf *policy, struct error *err)
{
	bool json = strcmp(flags->output, "json") == 0;
	options->observe = flags->observe;
	options->observe_json = json;
	if (!json && strcmp(flags->output, "text") != 0)
		return error_set(err, ERROR_INVALID, "-o must be text or json, is \"%s\"",
				 flags->output);
	if (!flags->observe && (json || flags->policy != NULL))
		return error_set(err, ERROR_INVALID, "%s goes with --observe",
				 json ? "-o" : "--policy");
	if (flags->observe && flags->leader_election)
		return error_set(err, ERROR_INVALID,
				 "--observe and --enable-leader-election exclude each other: who "
				 "observes does not act");
	if (flags->policy == NULL)
		return true;
	if (!file_read(flags->policy, policy, err))
		return error_wrap(err, "--policy");
	struct policy *compiled = policy_new(flags->policy, policy->text, policy->len, err);
	if (compiled == NULL)
		return error_wrap(err, "--policy");
	policy_free(compiled);
	options->observe_policy = policy->text;
	return true;
}

static int run(const struct run_flags *flags)
{
	struct error err = {0};
	struct daemon_options options = {0};
	const char *labels[LIST_MAX + 1], *prefixes[LIST_MAX + 1];
	SCOPED(text) char *label_text = xstrdup(flags->selector_labels);
	SCOPED(text) char *prefix_text = xstrdup(flags->include_label_prefix);
	split_list(label_text, labels);
	split_list(prefix_text, prefixes);
	options.selector_labels = labels;
	options.include_label_prefix = prefixes;
	struct loop *loop = loop_new();
	log_loop = loop;
	SCOPED(buf) struct buf policy = {0};
	buf_init(&policy, POLICY_TEXT_MAX);
	bool good = set_up_log(flags, &err) && fill_options(flags, &options, &err) &&
		    fill_observe(flags, &options, &policy, &err);
	if (good && labels[0] == NULL)
		good = error_set(&err, ERROR_INVALID, "--selector-labels names none");
	struct daemon *daemon = NULL;
	if (good) {
		choose_receiver(flags, &options.alerts);
		daemon = daemon_new(loop, &options, &err);
	}
	int status = EXIT_BAD_INPUT;
	if (daemon != NULL)
		status = daemon_run(daemon);
	else
		fprintf(stderr, "sluice run: %s\n", err.text);
	daemon_free(daemon);
	log_setup(LOG_INFO, false, NULL);
	loop_free(loop);
	return status;
}

int cli_run(int count, char **arguments)
{
	struct run_flags f = {
		.kubeconfig = "",
		.server = "",
		.qps = "100",
		.burst = "250",
		.metrics_server = "http://prometheus:9090",
		.log_level = "info",
		.log_encoding = "json",
		.port = "8080",
		.include_label_prefix = "",
		.mesh_provider = "istio",
		.selector_labels = "app,name,app.kubernetes.io/name",
		.output = "text",
		.election_namespace = "kube-system",
		.min_interval = "10s",
		.config_tracking = true,
	};
	struct flag_texts words = {0};
	struct error err = {0};
	const struct flag flags[] = {
		{"kubeconfig", FLAG_TEXT, &f.kubeconfig, "FILE",
		 "how to reach the cluster; by default from inside of it, else $KUBECONFIG"},
		{"context", FLAG_TEXT, &f.context, "NAME", "of the kubeconfig"},
		{"master", FLAG_TEXT, &f.server, "URL",
		 "the API server, instead of the kubeconfig's"},
		{"namespace", FLAG_TEXT, &f.namespace, "NAME", "look at this namespace only"},
		{"selector", FLAG_TEXT, &f.selector, "LABELS",
		 "only canaries with these labels, as \"team=a,!legacy\""},
		{"class", FLAG_TEXT, &f.class, "NAME",
		 "canaries annotated sluice.dev/class: NAME; by default those without"},
		{"mesh-provider", FLAG_TEXT, &f.mesh_provider, "NAME",
		 "of canaries that name none (istio)"},
		{"metrics-server", FLAG_TEXT, &f.metrics_server, "URL",
		 "Prometheus (http://prometheus:9090)"},
		{"event-webhook", FLAG_TEXT, &f.event_webhook, "URL",
		 "for canaries without one ($EVENT_WEBHOOK_URL)"},
		{"slack-url", FLAG_TEXT, &f.slack_url, "URL",
		 "alerts of canaries that name no receiver ($SLACK_URL)"},
		{"slack-token", FLAG_TEXT, &f.slack_token, "TOKEN",
		 "of a Slack bot ($SLACK_TOKEN)"},
		{"slack-user", FLAG_TEXT, &f.slack_user, "NAME", "(flagger)"},
		{"slack-channel", FLAG_TEXT, &f.slack_channel, "NAME", "must be there for Slack"},
		{"slack-proxy-url", FLAG_TEXT, &f.slack_proxy, "URL", "($SLACK_PROXY_URL)"},
		{"msteams-url", FLAG_TEXT, &f.msteams_url, "URL",
		 "MS Teams instead of Slack ($MSTEAMS_URL)"},
		{"msteams-proxy-url", FLAG_TEXT, &f.msteams_proxy, "URL", "($MSTEAMS_PROXY_URL)"},
		{"cluster-name", FLAG_TEXT, &f.cluster_name, "NAME", "a field of every alert"},
		{"decision-log", FLAG_TEXT, &f.decision_log, "DIR|-",
		 "write each decision down, for sluice replay and sluice why"},
		{"observe", FLAG_BOOL, &f.observe, NULL,
		 "beside another controller: write nothing, tell where it would have differed"},
		{"policy", FLAG_TEXT, &f.policy, "FILE",
		 "with --observe: a Lua policy that decides instead"},
		{"o", FLAG_TEXT, &f.output, "text|json",
		 "with --observe: each decision to standard output (text: differences to the log)"},
		{"selector-labels", FLAG_TEXT, &f.selector_labels, "LIST",
		 "labels by which a target may select its pods"},
		{"include-label-prefix", FLAG_TEXT, &f.include_label_prefix, "LIST",
		 "labels and annotations copied to the primary; \"*\" is all"},
		{"enable-config-tracking", FLAG_BOOL, &f.config_tracking, NULL,
		 "follow ConfigMaps and Secrets of the target (true)"},
		{"no-cross-namespace-refs", FLAG_BOOL, &f.no_cross_namespace_refs, NULL,
		 "refuse references to other namespaces"},
		{"enable-leader-election", FLAG_BOOL, &f.leader_election, NULL,
		 "act only while holding the lease"},
		{"leader-election-namespace", FLAG_TEXT, &f.election_namespace, "NAME",
		 "of the lease (kube-system)"},
		{"min-analysis-interval", FLAG_TEXT, &f.min_interval, "DURATION",
		 "the least spec.analysis.interval (10s)"},
		{"kubeconfig-service-mesh", FLAG_TEXT, &f.mesh_kubeconfig, "FILE",
		 "of the cluster that has the mesh's objects, where it is another"},
		{"kubeconfig-qps", FLAG_TEXT, &f.qps, "N", "requests a second (100)"},
		{"kubeconfig-burst", FLAG_TEXT, &f.burst, "N", "requests at once (250)"},
		{"ingress-annotations-prefix", FLAG_TEXT, &f.ingress_prefix, "PREFIX",
		 "of what steers an Ingress of nginx (nginx.ingress.kubernetes.io)"},
		{"ingress-class", FLAG_TEXT, &f.ingress_class, "NAME",
		 "spec.ingressClassName of Contour's HTTPProxies"},
		{"port", FLAG_TEXT, &f.port, "N", "of /healthz, /readyz and /metrics (8080)"},
		{"log-level", FLAG_TEXT, &f.log_level, "LEVEL",
		 "debug, info, warn or error (info)"},
		{"zap-encoding", FLAG_TEXT, &f.log_encoding, "json|console", "of the log (json)"},
		{"version", FLAG_BOOL, &f.version, NULL, "print the version"},
		OVERLAY_FLAG(f.lua),
		{"help", FLAG_BOOL, &f.help, NULL, "this"},
		/* Of no use here, or to what is not there yet. */
		{"control-loop-interval", FLAG_TEXT, &f.unused, "DURATION", NULL},
		{"threadiness", FLAG_TEXT, &f.unused, "N", NULL},
		{"zap-replace-globals", FLAG_BOOL, &f.unused_bool, NULL, NULL},
		{"v", FLAG_TEXT, &f.unused, "N", NULL},
		{"vmodule", FLAG_TEXT, &f.unused, "LIST", NULL},
		{"logtostderr", FLAG_BOOL, &f.unused_bool, NULL, NULL},
		{"alsologtostderr", FLAG_BOOL, &f.unused_bool, NULL, NULL},
		{"stderrthreshold", FLAG_TEXT, &f.unused, "N", NULL},
		{0},
	};
	bool good = flags_parse(flags, count, arguments, &words, &err);
	if (good && words.count > 0)
		good = error_set(&err, ERROR_INVALID, "takes flags only, not \"%s\"",
				 words.items[0]);
	good = good && overlay_use(f.lua, &err);
	if (!good) {
		fprintf(stderr, "sluice run: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (f.version) {
		puts("sluice " SLUICE_VERSION);
		return EXIT_GOOD;
	}
	if (f.help) {
		puts("usage: sluice run [flags]\n\nThe daemon: takes the Canaries of a cluster "
		     "through their releases.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	take_environment(&f);
	return run(&f);
}
