/*
 * report.h - a rehearsed release as one HTML page: weights and metrics drawn, events listed.
 *
 * The page needs nothing else: no script, no font, no image from elsewhere.
 */
#ifndef SLUICE_REHEARSAL_REPORT_H
#define SLUICE_REHEARSAL_REPORT_H

#include <cjson/cJSON.h>

/* Of the JSON that `sluice dry-run -o json` prints; the caller frees. */
char *report_html(const cJSON *report);

#endif
