/*
 * abroad.h - whose an object is in the mesh's cluster, when that is not the Canary's.
 *
 * Nobody there knows the Canary: the garbage collector would take away what names it as its owner.
 * So an annotation says whose it is, and stands for the reference in all that we read and write.
 */
#ifndef SLUICE_CANARY_ABROAD_H
#define SLUICE_CANARY_ABROAD_H

#include <cjson/cJSON.h>

/* One that has a Canary as its owner says so by an annotation, too. */
void abroad_mark(cJSON *object);
/* The same as it is sent: without the reference. NULL: it has none; the caller frees. */
cJSON *abroad_sent(const cJSON *body);
/* What was read is as if it had the reference. */
void abroad_read(cJSON *object);

#endif
