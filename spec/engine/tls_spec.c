#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/transport.h"
#include "net/http.h"
#include "spec.h"

/* A CA, a server that is called kube.internal and lets in only whom the CA knows, and a client. It
 * serves the files below its folder, of which there is one: k8s/c1/api. */
static const char prepare[] =
	"cd \"$0\" && mkdir -p k8s/c1 && echo hello >k8s/c1/api && {\n"
	"new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
	"$new -x509 -subj /CN=ca -keyout ca.key -out ca.crt -days 2\n"
	"$new -x509 -subj /CN=other -keyout other.key -out other.crt -days 2\n"
	"sign() { $new -subj /CN=$1 -keyout $1.key -out $1.csr && printf \"$2\" >$1.ext &&\n"
	"  openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \\\n"
	"    -extfile $1.ext -out $1.crt; }\n"
	"sign server subjectAltName=DNS:kube.internal\n"
	"sign client extendedKeyUsage=clientAuth\n"
	"} 2>/dev/null\n";

struct tls {
	char folder[40];
	pid_t server;
	int out;
	int port;
	struct loop *loop;
	int status;
	char body[40];
	struct error error;
};

static pid_t start(char *const words[], int *out)
{
	int fds[2];
	pid_t pid = 0;
	posix_spawn_file_actions_t actions;
	EXPECT(pipe2(fds, O_CLOEXEC) == 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	EXPECT(posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	*out = fds[0];
	return pid;
}

static void run_shell(const char *script, const char *folder)
{
	char *words[] = {"sh", "-c", (char *)(uintptr_t)script, (char *)(uintptr_t)folder, NULL};
	int out, status = 1;
	pid_t pid = start(words, &out);
	close(out);
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

/* It says "ACCEPT 127.0.0.1:40123" once it listens. */
static int read_port(int out)
{
	char text[200] = "";
	size_t len = 0;
	const char *at = NULL;
	while (len < sizeof(text) - 1 && (at = strstr(text, "ACCEPT ")) == NULL) {
		ssize_t got = read(out, text + len, sizeof(text) - 1 - len);
		EXPECT(got > 0);
		len += (size_t)got;
		text[len] = '\0';
	}
	EXPECT(at != NULL);
	return (int)strtol(strrchr(at, ':') + 1, NULL, 10);
}

static void begin(struct tls *tls)
{
	text_copy(tls->folder, sizeof(tls->folder), "/tmp/sluice-tls-XXXXXX");
	EXPECT(mkdtemp(tls->folder) != NULL);
	run_shell(prepare, tls->folder);
	static const char serve[] = "cd \"$0\" && exec openssl s_server -accept 127.0.0.1:0 -cert "
				    "server.crt -key server.key "
				    "-CAfile ca.crt -Verify 1 -verify_return_error -WWW";
	char *words[] = {"sh", "-c", (char *)(uintptr_t)serve, tls->folder, NULL};
	tls->server = start(words, &tls->out);
	tls->port = read_port(tls->out);
	log_setup(LOG_OFF, false, NULL);
}

static void end(struct tls *tls)
{
	kill(tls->server, SIGKILL);
	waitpid(tls->server, NULL, 0);
	close(tls->out);
	run_shell("rm -rf \"$0\"", tls->folder);
}

static char *file(const struct tls *tls, const char *name)
{
	return xasprintf("%s/%s", tls->folder, name);
}

static char *text(const struct tls *tls, const char *name)
{
	SCOPED(text) char *path = file(tls, name);
	return spec_file(path, NULL);
}

static void answered(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct tls *tls = owner;
	(void)token;
	tls->status = reply->status;
	tls->error = reply->error;
	text_copy(tls->body, sizeof(tls->body), reply->body);
	loop_stop(tls->loop);
}

/* Consumes the configuration. */
static void ask(struct tls *tls, struct kube_config *config)
{
	tls->loop = loop_new();
	tls->status = 0;
	tls->body[0] = '\0';
	config->server = xasprintf("https://127.0.0.1:%d/k8s/c1", tls->port);
	struct http *http = kube_transport_new(tls->loop, config);
	const struct http_request request = {
		.method = "GET", .url = "/api", .timeout_us = 20 * DURATION_SECOND};
	http_send(http, &request, answered, tls, 1);
	loop_run(tls->loop, 0);
	http->ops->free(http);
	loop_free(tls->loop);
	kube_config_fini(config);
}

SPEC("transport: certificates from files and inline, and a server that is called by another name")
{
	struct tls tls = {0};
	begin(&tls);
	struct kube_config files = {
		.ca_file = file(&tls, "ca.crt"),
		.cert_file = file(&tls, "client.crt"),
		.key_file = file(&tls, "client.key"),
		.server_name = xstrdup("kube.internal"),
	};
	ask(&tls, &files);
	EXPECT_TEXT(tls.error.text, "");
	EXPECT_TEXT(tls.body, "hello\n");

	struct kube_config inlined = {
		.ca_pem = text(&tls, "ca.crt"),
		.cert_pem = text(&tls, "client.crt"),
		.key_pem = text(&tls, "client.key"),
		.server_name = xstrdup("kube.internal"),
	};
	ask(&tls, &inlined);
	EXPECT_TEXT(tls.error.text, "");
	EXPECT_TEXT(tls.body, "hello\n");

	struct kube_config nobody = {
		.ca_file = file(&tls, "ca.crt"),
		.server_name = xstrdup("kube.internal"),
	};
	ask(&tls, &nobody);
	EXPECT_INT(tls.error.kind, ERROR_UNAVAILABLE);

	struct kube_config trusting = {
		.cert_file = file(&tls, "client.crt"),
		.key_file = file(&tls, "client.key"),
		.insecure = true,
	};
	ask(&tls, &trusting);
	EXPECT_TEXT(tls.error.text, "");
	EXPECT_TEXT(tls.body, "hello\n");
	end(&tls);
}

SPEC("transport: a server whom the CA does not know, or of another name, is not spoken to")
{
	struct tls tls = {0};
	begin(&tls);
	struct kube_config stranger = {
		.ca_file = file(&tls, "other.crt"),
		.cert_file = file(&tls, "client.crt"),
		.key_file = file(&tls, "client.key"),
		.server_name = xstrdup("kube.internal"),
	};
	ask(&tls, &stranger);
	EXPECT_INT(tls.error.kind, ERROR_UNAVAILABLE);
	EXPECT_CONTAINS(tls.error.text, "certificate");
	struct kube_config namesake = {
		.ca_file = file(&tls, "ca.crt"),
		.cert_file = file(&tls, "client.crt"),
		.key_file = file(&tls, "client.key"),
	};
	ask(&tls, &namesake);
	EXPECT_INT(tls.error.kind, ERROR_UNAVAILABLE);
	end(&tls);
}

static void passed(void *owner, uint64_t token)
{
	(void)token;
	loop_stop(owner);
}

/* A certificate authority is renewed under the feet of a daemon that runs for months. */
SPEC("http: a CA file that was replaced is noticed")
{
	struct tls tls = {0};
	begin(&tls);
	run_shell("cd \"$0\" && cp other.crt trusted.crt", tls.folder);
	SCOPED(text) char *trusted = file(&tls, "trusted.crt");
	SCOPED(text) char *cert = file(&tls, "client.crt");
	SCOPED(text) char *key = file(&tls, "client.key");
	SCOPED(text) char *at = xasprintf("127.0.0.1:%d", tls.port);
	const struct net_http_options options = {
		.base = "https://kube.internal",
		.ca_file = trusted,
		.cert_file = cert,
		.key_file = key,
		.connect_to = at,
		.ca_cache_s = 1,
	};
	const struct http_request request = {
		.method = "GET", .url = "/k8s/c1/api", .timeout_us = 20 * DURATION_SECOND};
	tls.loop = loop_new();
	struct http *http = net_http_new(tls.loop, &options);
	http_send(http, &request, answered, &tls, 1);
	loop_run(tls.loop, 0);
	EXPECT_CONTAINS(tls.error.text, "certificate");

	run_shell("cd \"$0\" && cp ca.crt trusted.crt", tls.folder);
	loop_at(tls.loop, loop_now(tls.loop) + 1200 * DURATION_MS, passed, tls.loop, 0);
	loop_run(tls.loop, 0);
	http_send(http, &request, answered, &tls, 2);
	loop_run(tls.loop, 0);
	EXPECT_TEXT(tls.error.text, "");
	EXPECT_TEXT(tls.body, "hello\n");
	http->ops->free(http);
	loop_free(tls.loop);
	end(&tls);
}
