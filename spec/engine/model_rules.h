/*
 * model_rules.h - what must not happen in any state that a canary can come into.
 *
 * Each is asked with the world before and after a write, or with one that waits.
 */
#ifndef SLUICE_SPEC_MODEL_RULES_H
#define SLUICE_SPEC_MODEL_RULES_H

#include "canary/phase.h"
#include "model.h"

void rule_of_moves(struct model *model, const struct world *before, const struct world *after,
		   enum move_kind kind, bool warned);
/* What a command may do, and what it does not hinder. */
void rule_of_commands(struct model *model, const struct world *before, const struct world *after,
		      enum move_kind kind);
void rule_of_routes(struct model *model, const struct world *before, const struct world *after);
void rule_of_copies(struct model *model, const struct world *before);
/* With work to do, for what is or is not past its deadline. */
void rule_of_waits(struct model *model, uint8_t health);
/* At rest, and nothing begins. */
void rule_of_rest(struct model *model, const struct world *world);
/* Once a tick is over. */
void rule_of_answers(struct model *model, const struct world *world);

#endif
