/*
 * pod.h - a pod of the fake kubelet: the process behind it, and what its status says.
 */
#ifndef SLUICE_E2E_POD_H
#define SLUICE_E2E_POD_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop/loop.h"

enum { POD_LOCAL_PORT = 15001, POD_GRPC_PORT };

struct pod {
	char path[640], uid[64], namespace[64], name[254];
	uint64_t number; /* never used again, nor is the address that is made of it */
	char ip[16], reach[16];
	char workload[254], version[128];
	int port;
	bool grpc; /* what comes to it is */
	cJSON *containers;
	int64_t start_after_us;
	bool never_ready, crashes;
	/* the process; 0 when there is none */
	pid_t pid;
	int pid_fd;
	bool hollow; /* it is said to run, but has none */
	long restarts;
	int64_t started_us;
	/* what probes found */
	bool ready, ending, probing;
	bool telling, tell_again; /* its status */
	int failures;
	int64_t probe_at_us;
	struct pod *next;
};

/* Reads what a kubelet must know from an object; `network` is the second number of its address. */
struct pod *pod_new(const cJSON *object, uint64_t number, int network);
void pod_free(struct pod *pod);

/* "podinfo-primary" of "podinfo-primary-7c5d8-x2x9k". */
void pod_workload(char *into, size_t size, const char *name);

/* A patch of its status as of now. */
cJSON *pod_status(const struct pod *pod, int64_t now_us);

#endif
