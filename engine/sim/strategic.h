/*
 * strategic.h - strategic merge patches, as `kubectl apply`, `set image` and `edit` send them for
 * the built-in kinds: lists merge by key.
 *
 * Source:
 * https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */
#ifndef SLUICE_SIM_STRATEGIC_H
#define SLUICE_SIM_STRATEGIC_H

#include <cjson/cJSON.h>

/* Changes `*target` (never NULL). The directives $patch, $retainKeys, $setElementOrder (ignored:
 * new items go to the end) and $deleteFromPrimitiveList are known. */
void strategic_merge(cJSON **target, const cJSON *patch);

#endif
