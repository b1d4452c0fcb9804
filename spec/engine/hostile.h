/*
 * hostile.h - policies that would hurt the engine if they could: one of each kind.
 *
 * The specs show that each is stopped, `make bench-policies` what each takes of the engine's time.
 */
#ifndef SLUICE_HOSTILE_H
#define SLUICE_HOSTILE_H

#include <stddef.h>

struct hostile {
	const char *kind;
	const char *text; /* of the policy; what it does, it does in `step` or when it is loaded */
	const char *told; /* a part of the error; NULL: it is stopped, or ends by itself */
};
extern const struct hostile hostiles[];
extern const size_t hostile_count;

enum { HOSTILE_PAUSE_MS = 50 };

/* Compiles it and calls `step`. The milliseconds of the processor for all of it; `told` gets the
 * error, or "". */
double hostile_run(const char *text, char *told, size_t size);

#endif
