#include "kube/transport.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/exec.h"
#include "net/serve.h"
#include "spec.h"

/* An API server that wants the token "new": all others are answered 401. */
struct guard {
	struct loop *loop;
	struct serve *serve;
	struct kube_config config;
	int requests, answers, status;
	char body[200], error[ERROR_TEXT_MAX];
	const char *wanted;
};

struct echo {
	struct loop *loop;
	char text[2000];
};

static void give_up(void *owner, uint64_t token)
{
	(void)token;
	loop_stop(((struct guard *)owner)->loop);
}

static void on_request(void *owner, const struct serve_request *request)
{
	struct guard *guard = owner;
	guard->requests++;
	bool good = text_equal(request->authorization, guard->wanted);
	SCOPED(text) char *body = xasprintf("%s %s", request->method, request->url);
	serve_reply(guard->serve, request->id, good ? 200 : 401, NULL, body, strlen(body));
}

static void ended(void *owner, uint64_t token, const struct http_reply *reply)
{
	struct guard *guard = owner;
	(void)token;
	guard->answers++;
	guard->status = reply->status;
	text_copy(guard->body, sizeof(guard->body), reply->body);
	text_copy(guard->error, sizeof(guard->error), reply->error.text);
	loop_stop(guard->loop);
}

static void guard_begin(struct guard *guard, const char *wanted)
{
	struct error err = {0};
	const struct serve_options options = {.address = "127.0.0.1"};
	guard->loop = loop_new();
	guard->wanted = wanted;
	guard->serve = serve_new(guard->loop, &options, on_request, guard, &err);
	EXPECT(guard->serve != NULL);
	guard->config.server = xasprintf("http://127.0.0.1:%d", serve_port(guard->serve));
	log_setup(LOG_OFF, false, NULL);
}

static void ask(struct guard *guard, struct http *http)
{
	const struct http_request request = {.method = "GET", .url = "/api"};
	guard->status = 0;
	http_send(http, &request, ended, guard, 1);
	uint64_t timer = loop_at(guard->loop, loop_now(guard->loop) + 5 * DURATION_SECOND, give_up,
				 guard, 0);
	loop_run(guard->loop, 0);
	loop_cancel(guard->loop, timer);
}

static void guard_end(struct guard *guard, struct http *http)
{
	http->ops->free(http);
	serve_free(guard->serve);
	loop_free(guard->loop);
	kube_config_fini(&guard->config);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	EXPECT(file != NULL);
	fputs(text, file);
	fclose(file);
}

SPEC("transport: a token of the kubeconfig, and basic authentication")
{
	struct guard guard = {0};
	guard_begin(&guard, "Bearer new");
	guard.config.token = xstrdup("new");
	struct http *http = kube_transport_new(guard.loop, &guard.config);
	ask(&guard, http);
	EXPECT_INT(guard.status, 200);
	EXPECT_TEXT(guard.body, "GET /api");
	guard_end(&guard, http);

	guard = (struct guard){0};
	guard_begin(&guard, "Basic dTpw");
	guard.config.username = xstrdup("u");
	guard.config.password = xstrdup("p");
	http = kube_transport_new(guard.loop, &guard.config);
	ask(&guard, http);
	EXPECT_INT(guard.status, 200);
	guard_end(&guard, http);
}

static size_t count_lines(const char *text, const char *line)
{
	size_t count = 0;
	for (const char *at = strstr(text, line); at != NULL; at = strstr(at + 1, line))
		count++;
	return count;
}

/* Whatever is asked, with all of its headers. */
static void hear(void *owner, int fd, unsigned events)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	struct echo *echo = owner;
	(void)events;
	EXPECT(read(fd, echo->text, sizeof(echo->text) - 1) > 0);
	EXPECT(write(fd, reply, sizeof(reply) - 1) == sizeof(reply) - 1);
	loop_fd(echo->loop, fd, 0, NULL, NULL);
	close(fd);
}

static void let_in(void *owner, int fd, unsigned events)
{
	struct echo *echo = owner;
	(void)events;
	loop_fd(echo->loop, accept4(fd, NULL, NULL, SOCK_CLOEXEC), EPOLLIN, hear, echo);
}

SPEC("transport: a request that says who it is has no second Authorization, and which program asks")
{
	struct guard guard = {0};
	struct echo echo = {0};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 5) == 0);
	EXPECT(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	guard.loop = loop_new();
	guard.config.server = xasprintf("http://127.0.0.1:%d", ntohs(address.sin_port));
	guard.config.token = xstrdup("ours");
	guard.config.agent = "run";
	echo.loop = guard.loop;
	loop_fd(guard.loop, fd, EPOLLIN, let_in, &echo);
	struct http *http = kube_transport_new(guard.loop, &guard.config);
	const struct http_header header = {"authorization", "Bearer theirs"};
	const struct http_request request = {
		.method = "GET", .url = "/api", .headers = &header, .header_count = 1};
	http_send(http, &request, ended, &guard, 1);
	loop_run(guard.loop, 0);
	EXPECT_INT(guard.status, 200);
	EXPECT_INT(count_lines(echo.text, "Bearer "), 1);
	EXPECT_CONTAINS(echo.text, "Bearer theirs");
	EXPECT_CONTAINS(echo.text, "User-Agent: sluice/" SLUICE_VERSION " (run)\r\n");
	http->ops->free(http);
	loop_fd(guard.loop, fd, 0, NULL, NULL);
	close(fd);
	loop_free(guard.loop);
	kube_config_fini(&guard.config);
}

SPEC("transport: a rotated token is read again after a 401, and the request sent once more")
{
	char path[] = "/tmp/sluice-token-XXXXXX";
	struct guard guard = {0};
	close(mkstemp(path));
	guard_begin(&guard, "Bearer old");
	guard.config.token_file = xstrdup(path);
	struct http *http = kube_transport_new(guard.loop, &guard.config);
	write_text(path, "old\n");
	ask(&guard, http);
	EXPECT_INT(guard.status, 200);
	guard.wanted = "Bearer new";
	write_text(path, "new\n");
	ask(&guard, http);
	EXPECT_INT(guard.status, 200);
	EXPECT_INT(guard.requests, 3);
	/* Half-way through a rotation it may be empty: the old one is still good. */
	write_text(path, "");
	guard.wanted = "Bearer newer";
	ask(&guard, http);
	EXPECT_INT(guard.status, 401); /* once, not for ever */
	EXPECT_INT(guard.requests, 5);
	guard.wanted = "Bearer new";
	ask(&guard, http);
	EXPECT_INT(guard.status, 200);
	unlink(path);
	guard_end(&guard, http);
}

static cJSON *plug_in(const char *script)
{
	cJSON *exec = cJSON_CreateObject();
	cJSON *args = cJSON_CreateArray();
	json_put_string(exec, "command", "sh");
	json_put_string(exec, "apiVersion", "client.authentication.k8s.io/v1");
	json_put_bool(exec, "provideClusterInfo", true);
	cJSON_AddItemToArray(args, cJSON_CreateString("-c"));
	cJSON_AddItemToArray(args, cJSON_CreateString(script));
	json_put(exec, "args", args);
	json_put(exec, "env", cJSON_Parse("[{\"name\":\"WORD\",\"value\":\"new\"}]"));
	return exec;
}

SPEC("transport: a credential plug-in says who we are, with what it is told in its environment")
{
	struct guard guard = {0};
	guard_begin(&guard, "Bearer new");
	guard.config.exec = plug_in(
		"case $KUBERNETES_EXEC_INFO in *'\"server\":\"https://c\"'*) ;; *) exit 3;; esac\n"

		"echo "
		"'{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
		"\"status\":{\"token\":\"'$WORD'\"}}'");
	guard.config.cluster = cJSON_Parse("{\"server\":\"https://c\"}");
	struct http *http = kube_transport_new(guard.loop, &guard.config);
	ask(&guard, http);
	EXPECT_TEXT(guard.error, "");
	EXPECT_INT(guard.status, 200);
	ask(&guard, http);
	EXPECT_INT(guard.requests, 2);
	guard_end(&guard, http);
}

SPEC("transport: a plug-in that fails, prints rubbish or is not there is one sentence")
{
	static const struct {
		const char *script, *sentence;
	} cases[] = {
		{"yes", "credential plug-in sh: printed more than 1048576 bytes"},
		{"echo '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"new\","
		 "\"clientKeyData\":\"k\"}}'",
		 "printed a certificate or a key, not both"},
		{"echo '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"\"}}'",
		 "printed neither a token nor a certificate"},
		{"echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"v2\",\"status\":{\"token\":"
		 "\"new\"}}'",
		 "printed apiVersion \"v2\", wanted was client.authentication.k8s.io/v1"},
		{"exit 7", "credential plug-in sh: ended with status 7"},
		{"echo hello", "credential plug-in sh: printed no JSON"},
		{"echo '{\"kind\":\"ExecCredential\",\"status\":{}}'",
		 "printed neither a token nor a certificate"},
		{"kill -9 $$", "ended by signal 9"},
		{"kill -TERM $$; sleep 1", "ended by signal 15"},
	};
	/* As in the daemon, which blocks this signal: the plug-in must not. */
	sigset_t blocked, before;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct guard guard = {0};
		guard_begin(&guard, "Bearer new");
		guard.config.exec = plug_in(cases[i].script);
		struct http *http = kube_transport_new(guard.loop, &guard.config);
		ask(&guard, http);
		EXPECT_CONTAINS(guard.error, cases[i].sentence);
		EXPECT_INT(guard.requests, 0);
		guard_end(&guard, http);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	struct guard guard = {0};
	guard_begin(&guard, "");
	guard.config.exec = cJSON_Parse("{\"command\":\"/nowhere/aws\"}");
	struct http *http = kube_transport_new(guard.loop, &guard.config);
	ask(&guard, http);
	/* POSIX lets it be seen only afterwards; so it is under valgrind. */
	if (strstr(guard.error, "ended with status 127") == NULL)
		EXPECT_CONTAINS(guard.error, "credential plug-in /nowhere/aws: cannot be started");
	guard_end(&guard, http);
	guard_begin(&guard, "");
	guard.config.exec = cJSON_Parse("{\"command\":\"sh\",\"interactiveMode\":\"Always\"}");
	http = kube_transport_new(guard.loop, &guard.config);
	ask(&guard, http);
	EXPECT_CONTAINS(guard.error, "credential plug-in sh: wants to ask somebody");
	guard_end(&guard, http);
}
