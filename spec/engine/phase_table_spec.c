#include "canary/phase_table.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "spec.h"

SPEC("phases: each says what it waits for, its deadline and its abort, and can be left")
{
	for (enum phase phase = 0; phase < PHASES; phase++) {
		unsigned after = 0;
		EXPECT(phase_facts(phase)->waits_for != NULL);
		EXPECT(phase_facts(phase)->deadline != NULL);
		EXPECT(phase_facts(phase)->abort != NULL);
		for (enum move_kind kind = 0; kind < MOVES; kind++) {
			EXPECT(move_meaning(kind) != NULL);
			EXPECT((phase_after(phase, kind) != 0) == phase_allows(phase, kind));
			after |= phase_after(phase, kind);
		}
		EXPECT(phase == PHASE_TERMINATED || (after & ~(1u << phase)) != 0);
	}
}

SPEC("phases: where a move leads")
{
	EXPECT_INT(phase_after(PHASE_PROGRESSING, MOVE_ROLL_BACK), 1u << PHASE_FAILED);
	EXPECT_INT(phase_after(PHASE_PROMOTING, MOVE_PRIMARY),
		   1u << PHASE_PROMOTING | 1u << PHASE_FINALISING);
	EXPECT_INT(phase_after(PHASE_SUCCEEDED, MOVE_ROUTE), 0);
}

SPEC("phases: a picture")
{
	SCOPED(text) char *text = phase_table_mermaid();
	EXPECT(text_starts(text, "stateDiagram-v2\n"));
	EXPECT_CONTAINS(text, "  Finalising --> Succeeded : finish\n");
	EXPECT_CONTAINS(text, "  [*] --> Initializing : initialize\n");
}
