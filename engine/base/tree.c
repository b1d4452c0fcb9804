#include "base/tree.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

struct tree *tree_new(cJSON *owned_json)
{
	struct tree *tree = xmalloc(sizeof(*tree));
	*tree = (struct tree){owned_json, 1};
	return tree;
}

struct tree *tree_hold(struct tree *tree)
{
	tree->holders++;
	return tree;
}

void tree_drop(struct tree *owned_tree)
{
	if (owned_tree == NULL || --owned_tree->holders > 0)
		return;
	json_free(owned_tree->json);
	free(owned_tree);
}
