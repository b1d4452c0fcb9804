/*
 * phase_table.h - the state machine as a table for people: each phase with what it waits for, its
 * deadline and its abort, and where each move leads.
 *
 * Where a move leads is asked of phase_next, so the table is what the engine does.
 */
#ifndef SLUICE_CANARY_PHASE_TABLE_H
#define SLUICE_CANARY_PHASE_TABLE_H

#include "canary/phase.h"

#define PHASES (PHASE_TERMINATED + 1)

struct phase_facts {
	const char *waits_for;
	const char *deadline; /* when it is given up, and what then */
	const char *abort;    /* what a person does to end it */
};
const struct phase_facts *phase_facts(enum phase phase);
const char *move_meaning(enum move_kind kind);

/* The phases, as a set of bits, that a move may lead to; 0 when it is not one of this phase. */
unsigned phase_after(enum phase phase, enum move_kind kind);

/* The whole table; the caller frees. */
char *phase_table_text(void);
char *phase_table_json(void);
char *phase_table_mermaid(void); /* https://mermaid.js.org/syntax/stateDiagram.html */

#endif
