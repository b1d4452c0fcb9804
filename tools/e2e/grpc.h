/*
 * grpc.h - a small server of gRPC over HTTP/2 without TLS, in a thread of its own: every call is
 * answered as grpc.health.v1.Health/Check is by who is well, or with the status INTERNAL, now or
 * after a delay that keeps no other call waiting.
 */
#ifndef SLUICE_E2E_GRPC_H
#define SLUICE_E2E_GRPC_H

#include <netinet/in.h>
#include <stdbool.h>

struct grpc_answer {
	bool fails;
	long delay_ms;
};

/* Called for each call, by the server's thread, with its header "x-split" ("-" where there is
 * none). */
typedef struct grpc_answer grpc_call(void *owner, const char *split);

/* Serves until the process ends. False when it cannot listen. */
bool grpc_serve(const struct sockaddr_in *address, grpc_call *called, void *owner);

#endif
