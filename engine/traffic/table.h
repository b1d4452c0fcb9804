/*
 * table.h - what each provider of traffic can do, told by its driver.
 */
#ifndef SLUICE_TRAFFIC_TABLE_H
#define SLUICE_TRAFFIC_TABLE_H

/* All providers that there are, those of an overlay too; a file that cannot be loaded is a row with
 * the reason. The caller frees. */
char *traffic_table_text(void);
char *traffic_table_json(void);

#endif
