/*
 * app.c - what is released in the end-to-end tests: a small server of HTTP, and of gRPC on the next
 * port, that counts, at the pod, the requests that came, by the split under which they were routed,
 * and that fails or dawdles as a file says, at once and without a restart.
 *
 *     e2e-app --address A --port P --pod NAME --version V --faults FILE --counts FILE
 *
 * FILE of faults (one a version, need not exist): words "errors=20" (percent, evenly spread),
 * "delay_ms=700", "unready=1", "crash=1". FILE of counts: lines "version pod split requests
 * failed", written ten times a second and at the end. After SIGTERM it serves on for a second, as
 * podinfo does, so that who still routes to it loses nothing.
 */
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/flags.h"
#include "grpc.h"

enum { SPLITS_MAX = 128, SPLIT_TEXT_MAX = 160, LINGER_TURNS = 10 };

struct faults {
	long errors, delay_ms, unready, crash;
};

struct app {
	const char *address, *port, *pod, *version, *faults_file, *counts_file;
	pthread_mutex_t lock; /* of all that follows: a connection has a thread */
	struct faults faults;
	struct count {
		char split[SPLIT_TEXT_MAX];
		unsigned long requests, failed;
	} counts[SPLITS_MAX];
	size_t count;
	unsigned long requests;
	bool changed;
};

static volatile sig_atomic_t asked_to_end;

static void on_signal(int signal)
{
	(void)signal;
	asked_to_end = 1;
}

static void sleep_ms(long ms)
{
	const struct timespec span = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&span, NULL);
}

/* ---- what the pod is told, and what it tells ---- */

static long word(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	return at == NULL ? 0 : strtol(at + strlen(name), NULL, 10);
}

static void read_faults(struct app *app)
{
	SCOPED(buf) struct buf text = {0};
	buf_init(&text, KIB);
	if (!file_read(app->faults_file, &text, NULL))
		buf_clear(&text);
	const struct faults faults = {word(text.text, "errors="), word(text.text, "delay_ms="),
				      word(text.text, "unready="), word(text.text, "crash=")};
	pthread_mutex_lock(&app->lock);
	app->faults = faults;
	pthread_mutex_unlock(&app->lock);
	if (faults.crash)
		_exit(1);
}

static void write_counts(struct app *app)
{
	SCOPED(text) char *aside = xasprintf("%s.new", app->counts_file);
	pthread_mutex_lock(&app->lock);
	FILE *file = app->changed ? fopen(aside, "w") : NULL;
	for (size_t i = 0; file != NULL && i < app->count; i++)
		fprintf(file, "%s %s %s %lu %lu\n", app->version, app->pod, app->counts[i].split,
			app->counts[i].requests, app->counts[i].failed);
	app->changed = app->changed && file == NULL;
	pthread_mutex_unlock(&app->lock);
	if (file != NULL && fclose(file) == 0 && rename(aside, app->counts_file) != 0)
		perror(app->counts_file);
}

static struct count *count_of(struct app *app, const char *split)
{
	for (size_t i = 0; i < app->count; i++)
		if (strcmp(app->counts[i].split, split) == 0)
			return &app->counts[i];
	if (app->count == SPLITS_MAX)
		return &app->counts[SPLITS_MAX - 1];
	struct count *count = &app->counts[app->count++];
	text_copy(count->split, sizeof(count->split), split);
	return count;
}

/* ---- requests ---- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* One in five, not one in five on average: a rate of errors is what was asked for at any scale. */
static bool is_to_fail(unsigned long number, long percent)
{
	unsigned long share = (unsigned long)percent;
	return number * share / 100 != (number - 1) * share / 100;
}

/* True: it is to fail. */
static bool count_request(struct app *app, const char *split, long *delay_ms)
{
	pthread_mutex_lock(&app->lock);
	*delay_ms = app->faults.delay_ms;
	bool failed = is_to_fail(++app->requests, app->faults.errors);
	struct count *count = count_of(app, split);
	count->requests++;
	count->failed += failed;
	app->changed = true;
	pthread_mutex_unlock(&app->lock);
	return failed;
}

static struct grpc_answer on_call(void *owner, const char *split)
{
	struct grpc_answer wanted;
	wanted.fails = count_request(owner, split, &wanted.delay_ms);
	return wanted;
}

static enum MHD_Result serve_work(struct app *app, struct MHD_Connection *connection)
{
	const char *split = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "x-split");
	long delay_ms;
	bool failed = count_request(app, split == NULL ? "-" : split, &delay_ms);
	if (delay_ms > 0)
		sleep_ms(delay_ms);
	SCOPED(text) char *text = xasprintf("%s %s\n", app->version, app->pod);
	return answer(connection, failed ? 500 : 200, failed ? "told to fail\n" : text);
}

static enum MHD_Result on_request(void *owner, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *http, const char *body,
				  size_t *body_len, void **seen)
{
	static int mark;
	struct app *app = owner;
	(void)method;
	(void)http;
	(void)body;
	if (*seen == NULL) {
		*seen = &mark;
		return MHD_YES;
	}
	*body_len = 0;
	if (strcmp(url, "/healthz") == 0)
		return answer(connection, 200, "OK\n");
	if (strcmp(url, "/version") == 0)
		return answer(connection, 200, app->version);
	if (strcmp(url, "/readyz") == 0) {
		pthread_mutex_lock(&app->lock);
		bool ready = !app->faults.unready;
		pthread_mutex_unlock(&app->lock);
		return answer(connection, ready ? 200 : 503, ready ? "OK\n" : "not ready\n");
	}
	return serve_work(app, connection);
}

static bool read_flags(struct app *app, int count, char **arguments, struct error *err)
{
	struct flag_texts words = {0};
	const struct flag flags[] = {
		{"address", FLAG_TEXT, &app->address, "ADDRESS", "to listen on"},
		{"port", FLAG_TEXT, &app->port, "N", "to listen on"},
		{"pod", FLAG_TEXT, &app->pod, "NAMESPACE/NAME", "whose process it is"},
		{"version", FLAG_TEXT, &app->version, "TAG", "what it says it is"},
		{"faults", FLAG_TEXT, &app->faults_file, "FILE", "what to do wrong"},
		{"counts", FLAG_TEXT, &app->counts_file, "FILE", "where requests are counted"},
		{0},
	};
	if (!flags_parse(flags, count, arguments, &words, err))
		return false;
	for (size_t i = 0; flags[i].name != NULL; i++)
		if (*(const char **)flags[i].value == NULL)
			return error_set(err, ERROR_INVALID, "--%s is missing", flags[i].name);
	return true;
}

int main(int count, char **arguments)
{
	struct app app = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct error err = {0};
	struct sockaddr_in address = {.sin_family = AF_INET};
	if (!read_flags(&app, count - 1, arguments + 1, &err)) {
		fprintf(stderr, "e2e-app: %s\n", err.text);
		return 1;
	}
	address.sin_port = htons((uint16_t)strtoul(app.port, NULL, 10));
	if (inet_pton(AF_INET, app.address, &address.sin_addr) != 1) {
		fprintf(stderr, "e2e-app: \"%s\" is no IPv4 address\n", app.address);
		return 1;
	}
	read_faults(&app);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGPIPE, SIG_IGN);
	struct MHD_Daemon *daemon = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0,
		NULL, NULL, on_request, &app, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
		MHD_OPTION_CONNECTION_LIMIT, 2000U, MHD_OPTION_END);
	struct sockaddr_in next = address;
	next.sin_port = htons((uint16_t)(ntohs(address.sin_port) + 1));
	if (daemon == NULL || !grpc_serve(&next, on_call, &app)) {
		fprintf(stderr, "e2e-app: cannot listen on %s:%s\n", app.address, app.port);
		return 1;
	}
	for (int left = LINGER_TURNS; left > 0; left -= asked_to_end) {
		sleep_ms(100);
		read_faults(&app);
		write_counts(&app);
	}
	MHD_stop_daemon(daemon);
	write_counts(&app);
	return 0;
}
