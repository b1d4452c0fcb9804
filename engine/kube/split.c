#include "kube/split.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct split_http {
	struct http http; /* first */
	struct http *local, *mesh;
};

bool split_is_mesh(const char *path)
{
	static const char apis[] = "/apis/";
	static const char *const local[] = {"flagger.app", "keda.sh"};
	if (!text_starts(path, apis))
		return false;
	const char *group = path + sizeof(apis) - 1;
	size_t len = strcspn(group, "/?");
	SCOPED(text) char *name = xstrndup(group, len);
	if (strcmp(name, "gateway.networking.k8s.io") == 0)
		return true;
	/* "apps", "autoscaling": no vendor's group is without a dot. */
	if (strchr(name, '.') == NULL || text_ends(name, ".k8s.io") ||
	    text_ends(name, ".knative.dev"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(local); i++)
		if (strcmp(name, local[i]) == 0)
			return false;
	return true;
}

/* The lowest bit of an id says whose it is. */
static uint64_t send(struct http *http, const struct http_request *request, http_piece *piece,
		     http_done *done, void *owner, uint64_t token)
{
	struct split_http *split = (struct split_http *)http;
	bool mesh = split_is_mesh(request->url);
	struct http *to = mesh ? split->mesh : split->local;
	return to->ops->send(to, request, piece, done, owner, token) << 1 | mesh;
}

static void cancel(struct http *http, uint64_t id)
{
	struct split_http *split = (struct split_http *)http;
	struct http *of = (id & 1) != 0 ? split->mesh : split->local;
	of->ops->cancel(of, id >> 1);
}

static void split_free(struct http *http)
{
	struct split_http *split = (struct split_http *)http;
	split->local->ops->free(split->local);
	split->mesh->ops->free(split->mesh);
	free(split);
}

static const struct http_ops ops = {send, cancel, split_free};

struct http *split_new(struct http *owned_local, struct http *owned_mesh)
{
	struct split_http *split = xcalloc(1, sizeof(*split));
	split->http.ops = &ops;
	split->local = owned_local;
	split->mesh = owned_mesh;
	return &split->http;
}
