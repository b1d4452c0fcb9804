/*
 * ordinals.h - pods of a StatefulSet that are of no revision they should be of.
 *
 * Its controller updates pods from the partition on, and makes a pod below it anew of the current
 * revision; but it takes none back that was updated before the partition rose. After a rollback, or
 * when a newer revision comes, those are deleted: who serves nobody at once, the others one at a
 * time, each when all are ready.
 */
#ifndef SLUICE_CANARY_ORDINALS_H
#define SLUICE_CANARY_ORDINALS_H

#include "canary/tick.h"

/* STEP_ON: below the partition all pods are of the current revision. */
enum step ordinals_revert(struct tick *tick);

#endif
