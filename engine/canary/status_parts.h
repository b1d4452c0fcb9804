/*
 * status_parts.h - what the engine remembers, as the document that stands in a condition.
 */
#ifndef SLUICE_CANARY_STATUS_PARTS_H
#define SLUICE_CANARY_STATUS_PARTS_H

#include "canary/status.h"

/* `text` is the message of the condition. What cannot be read is left as it was initialised;
 * `memory->present` says whether it was a document at all. */
void memory_read(struct memory *memory, const char *text);
/* At most MEMORY_DOC_MAX bytes; the caller frees. */
char *memory_text(const struct memory *memory, struct error *err);
/* A place for one more, all zero; the caller sees to DEBTS_MAX. */
struct debt *memory_add_debt(struct memory *memory);

#endif
