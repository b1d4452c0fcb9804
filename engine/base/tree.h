/*
 * tree.h - one tree of JSON that several hold, and that nobody changes.
 */
#ifndef SLUICE_BASE_TREE_H
#define SLUICE_BASE_TREE_H

#include <cjson/cJSON.h>
#include <stddef.h>

struct tree {
	cJSON *json;
	size_t holders;
};

/* Held by the caller; never NULL. */
struct tree *tree_new(cJSON *owned_json);
struct tree *tree_hold(struct tree *tree); /* once more */
void tree_drop(struct tree *owned_tree);   /* the last one frees it; NULL is nothing */

#endif
