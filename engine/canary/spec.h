/*
 * spec.h - what a Canary object asks for: parsed, checked, with defaults filled in.
 *
 * One parse tells every wrong field, each as a sentence with its JSON path
 * ("spec.analysis.stepWeight: must be a whole number from 1 to 100, is 2.5"). The struct owns a
 * copy of the object; strings and JSON in it are borrowed from that copy. Accepts
 * flagger.app/v1beta1 as it is, and Sluice's superset (spec.analysis.policy, …), each of whose
 * fields has an annotation twin, so that an unchanged Flagger CRD is enough.
 */
#ifndef SLUICE_CANARY_SPEC_H
#define SLUICE_CANARY_SPEC_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum webhook_type {
	WEBHOOK_ROLLOUT, /* also "" */
	WEBHOOK_CONFIRM_ROLLOUT,
	WEBHOOK_PRE_ROLLOUT,
	WEBHOOK_CONFIRM_TRAFFIC_INCREASE,
	WEBHOOK_CONFIRM_PROMOTION,
	WEBHOOK_POST_ROLLOUT,
	WEBHOOK_ROLLBACK,
	WEBHOOK_EVENT,
};

struct webhook_spec {
	const char *name;
	enum webhook_type type;
	const char *url;
	int64_t timeout_us; /* 10 s */
	int retries;
	bool disable_tls;
	bool mute_alert;
	const cJSON *metadata; /* object of strings, or NULL */
};

/* Metrics with a failureLimit: the status remembers how often each has failed. */
enum { LIMITED_METRICS_MAX = 16, LIMITED_NAME_MAX = 64 };

struct metric_spec {
	const char *name;
	int64_t interval_us;  /* 1 m */
	const char *interval; /* as written, "1m" when it was not */
	bool has_threshold, has_min, has_max;
	double threshold, min, max;
	const char *query;	   /* inline, or NULL */
	const char *template_name; /* templateRef, or NULL */
	const char *template_namespace;
	const cJSON *template_variables;
	const cJSON *json; /* the entry itself */
};

enum strategy { STRATEGY_CANARY, STRATEGY_AB_TESTING, STRATEGY_BLUE_GREEN };
const char *strategy_name(enum strategy strategy); /* "canary", "ab-testing", "blue-green": labels
						      and stock policies */

enum policy_source { POLICY_STOCK, POLICY_NAMED, POLICY_CONFIG_MAP, POLICY_INLINE };

struct policy_spec {
	enum policy_source source;
	const char *name;     /* POLICY_NAMED: a stock policy; POLICY_CONFIG_MAP: the ConfigMap */
	const char *key;      /* POLICY_CONFIG_MAP: the key, "policy.lua" when not said */
	const char *text;     /* POLICY_INLINE */
	const cJSON *params;  /* object, or NULL */
	bool at_next_rollout; /* onPolicyChange: NextRollout (else NextTick) */
};

struct target_kind;

struct canary_spec {
	cJSON *object; /* owned: the whole Canary, without status and managedFields */
	const char *name, *namespace, *uid;
	long generation;
	const cJSON *json; /* .spec */

	const char *provider;	      /* spec.provider or the default given to the parser */
	const char *metrics_provider; /* whose built-in queries */
	const char *ingress_class;    /* of what is made for it; NULL: none is said */
	const char *ingress_prefix;   /* of the annotations that its Ingress is steered by */
	const char *metrics_server;   /* or NULL */
	bool suspend, skip_analysis, revert_on_deletion;
	int64_t progress_deadline_us;

	const struct target_kind *target; /* see target.h */
	const char *target_kind, *target_name, *target_api_version;
	const char *scaler_kind, *scaler_name; /* autoscalerRef, or NULL */
	const cJSON *scaler;		       /* spec.autoscalerRef */
	const char *ingress_name, *route_name; /* or NULL */

	const cJSON *service;		/* .spec.service, or NULL */
	const char *apex;		/* service.name or targetRef.name */
	char primary[254], canary[254]; /* names of the services: apex-primary, apex-canary */
	char primary_target[254];	/* targetRef.name-primary */
	int port;
	const char *port_name;	  /* "http" */
	const cJSON *target_port; /* number or string, or NULL (then = port) */

	const cJSON *analysis;	/* .spec.analysis */
	enum strategy strategy; /* what the Canary's own fields select */
	int64_t interval_us;	/* 60 s; at least 10 s */
	int threshold, iterations, max_weight, step_weight, step_weight_promotion, mirror_weight;
	const cJSON *step_weights; /* list of numbers, or NULL */
	bool mirror;
	int primary_ready_threshold, canary_ready_threshold; /* percent, 100 */
	const cJSON *match;				     /* spec.analysis.match, or NULL */
	const cJSON *step_intervals;			     /* list of durations, or NULL */
	int64_t scale_down_delay_us; /* of the target after a release; 0: at once */
	/* Of the target in a release: a number, or percent of the primary's; 0: as many as it had.
	 */
	int canary_replicas, canary_percent;
	int64_t hold_timeout_us; /* 0: not said */
	int64_t watch_us;	 /* how long all traffic is watched before the promotion */

	struct metric_spec *metrics;
	size_t metric_count;
	struct webhook_spec *webhooks;
	size_t webhook_count;
	struct policy_spec policy;
};

enum { PROBLEM_PATH_MAX = 160 };
struct spec_problem {
	char path[PROBLEM_PATH_MAX]; /* "spec.analysis.webhooks[2].url" */
	char text[320];		     /* "must be an http or https URL, is \"…\"" */
	bool warning;		     /* works, but not as one might think */
};
struct spec_problems {
	struct spec_problem *items; /* owned; at most 64 are kept */
	size_t count;
	size_t errors; /* of which not warnings */
};
void spec_problems_fini(struct spec_problems *problems);
/* "spec.a: …; spec.b: … (and 3 more)" */
void spec_problems_text(const struct spec_problems *problems, struct buf *into);

struct spec_options {
	const char *default_provider; /* --mesh-provider */
	const char *ingress_class;    /* --ingress-class; NULL or "": none */
	const char *ingress_prefix;   /* --ingress-annotations-prefix; NULL: ingress-nginx's */
	bool no_cross_namespace_refs;
	int64_t min_interval_us; /* 10 s when 0 */
};

/* NULL when there are errors; warnings alone still give a spec. `object` is borrowed and copied. */
struct canary_spec *canary_spec_new(const cJSON *object, const struct spec_options *options,
				    struct spec_problems *problems);
void canary_spec_free(struct canary_spec *spec);

#endif
