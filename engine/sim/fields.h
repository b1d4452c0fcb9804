/*
 * fields.h - who owns which field of an object: what writers notice of metadata.managedFields.
 *
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/: an apply owns what it says,
 * any other write what it changes; a field that its last applier leaves out, and nobody else owns,
 * goes. A list is one field here (as x-kubernetes-list-type: atomic), and a status is nobody's.
 */
#ifndef SLUICE_SIM_FIELDS_H
#define SLUICE_SIM_FIELDS_H

#include <cjson/cJSON.h>
#include <stdint.h>

/* All functions change a list as metadata.managedFields has it. */

struct field_writer {
	const char *manager;
	int64_t now_us;
};

/* Somebody wrote `after` over `before` (NULL: nothing) by other means than an apply. */
void fields_written(cJSON *managed, const cJSON *before, const cJSON *after,
		    const struct field_writer *writer);
/* Somebody applies `body`: what it leaves out is taken from `next`, which the body is then merged
 * into by the caller. Others lose what it changes. */
void fields_applied(cJSON *managed, cJSON *next, const cJSON *body,
		    const struct field_writer *writer);

#endif
