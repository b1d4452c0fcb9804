/*
 * limits.h - every cap of the engine, in one list. Sizes in bytes unless the name says otherwise.
 */
#ifndef SLUICE_BASE_LIMITS_H
#define SLUICE_BASE_LIMITS_H

enum {
	KIB = 1024,
	MIB = 1024 * KIB,

	INPUT_FILE_MAX = 64 * MIB, /* a recording may be large */
	HTTP_BODY_MAX = 32 * MIB,  /* a page of a list: 500 objects of at most 64 KiB on average */
	HTTP_HEADER_MAX = 64 * KIB,
	HOOK_BODY_MAX = 16 * KIB, /* what is read of a webhook's answer */
	METRIC_BODY_MAX = 4 * MIB,
	SERVE_UNREAD_MAX = 256 * MIB, /* of answers that clients have not taken yet */
	WATCH_LINE_MAX =
		4 * MIB, /* etcd refuses objects over 1.5 MiB; JSON may be larger than protobuf */
	KUBECONFIG_MAX = 4 * MIB,
	EXEC_OUTPUT_MAX = 1 * MIB,
	TOKEN_MAX = 64 * KIB,
	POLICY_TEXT_MAX = 64 * KIB, /* compiled in one go, in 3 ms */
	POLICY_RESULT_MAX = 64 * KIB,
	DRIVER_BYTES_MAX =
		32 * MIB, /* of a Lua state; a metric store's answer may be 4 MiB of JSON */
	/* Of a driver's call: some 100 ms at most, while a route of 500 rules takes 1 ms. */
	DRIVER_INSTRUCTIONS_MAX = 10 * 1000 * 1000,
	DRIVER_RESULT_MAX = 2 * MIB, /* etcd refuses objects over 1.5 MiB */
	MEMORY_DOC_MAX = 8 * KIB,    /* the condition that carries what Sluice remembers */
	POLICY_STATE_MAX = 2 * KIB,  /* of which the policy's own memory */
	POLICY_MATCH_MAX = 2 * KIB,  /* and the conditions that it gave */
	HERALD_LETTERS_MAX = 16,     /* events of a canary that wait for their receivers */
	KEPT_BYTES_MAX = 4 * MIB,    /* of objects kept between ticks, for all canaries */
	FORMER_TEMPLATE_MAX =
		64 * KIB,	  /* in an annotation, of which the API server takes 256 KiB */
	PODS_TEXT_MAX = 16 * KIB, /* a pattern for the names of some pods */
	QUERY_MAX = 64 * KIB,
	RAW_SAMPLE_MAX = 64 * KIB, /* of an answer that is shared or written down */
	LOG_LINE_MAX = 16 * KIB,
	EVENT_MESSAGE_MAX = 1024, /* the API server's limit for Event.message */
	LIST_PAGE = 500,	  /* objects a page */
	JSON_DEPTH_MAX = 200,
	YAML_UNFOLD_MAX = 8 * MIB, /* what all aliases and merges of a file add up to */
};

#endif
