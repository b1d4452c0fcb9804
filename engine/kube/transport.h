/*
 * transport.h - the http port to a real API server: paths become URLs, and each request says who we
 * are.
 *
 * Watches have connections of their own, so that a stalled one delays no write. A token file is
 * read again when it is a minute old; a credential plug-in is asked again when what it gave has run
 * out; and both once more when the server answers 401, after which the request is sent again. A
 * request with an Authorization of its own keeps that one.
 */
#ifndef SLUICE_KUBE_TRANSPORT_H
#define SLUICE_KUBE_TRANSPORT_H

#include "kube/config.h"
#include "loop/loop.h"
#include "ports.h"

/* `config` is borrowed for the life of the transport. Freed by ops->free. */
struct http *kube_transport_new(struct loop *loop, const struct kube_config *config);

#endif
