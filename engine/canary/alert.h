/*
 * alert.h - what one alert says, and to whom of those that a Canary names.
 */
#ifndef SLUICE_CANARY_ALERT_H
#define SLUICE_CANARY_ALERT_H

#include <cjson/cJSON.h>

#include "canary/spec.h"
#include "canary/status.h"

/* An entry of `spec.analysis.alerts`: "info" hears all, "warn" warnings and errors, "error" errors.
 */
bool alert_is_heard(const cJSON *entry, enum alert_severity severity);

/* What every driver is told: canary, message, severity and fields; where it goes is not in it yet.
 * `cluster` is a field, or NULL. The caller frees. */
cJSON *alert_new(const struct canary_spec *spec, const struct owed_alert *owed,
		 const char *cluster);

#endif
