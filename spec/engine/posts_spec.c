#include "canary/posts.h"

#include "base/duration.h"
#include "fake_http.h"
#include "spec.h"

struct stage {
	struct loop *loop;
	struct fake_http http;
	struct posts *posts;
	int woken;
};

static void wake(void *owner, const char *canary)
{
	struct stage *stage = owner;
	EXPECT_TEXT(canary, "test/podinfo");
	stage->woken++;
}

static void begin(struct stage *stage)
{
	*stage = (struct stage){.loop = loop_new_virtual(DURATION_SECOND)};
	fake_http_init(&stage->http, stage->loop);
	stage->posts = posts_new(stage->loop, &stage->http.http);
	posts_on_done(stage->posts, wake, stage);
}

static void end(struct stage *stage)
{
	posts_free(stage->posts);
	fake_http_fini(&stage->http);
	loop_free(stage->loop);
}

static bool is_done(struct stage *stage, const char *key, int retries)
{
	static struct webhook_spec webhook;
	webhook = (struct webhook_spec){
		.url = "http://receiver/", .timeout_us = 10 * DURATION_SECOND, .retries = retries};
	const struct event_post post = {"test/podinfo", key, &webhook, "{}"};
	return posts_are_done(stage->posts, &post);
}

static void run(struct stage *stage, int64_t us)
{
	loop_run(stage->loop, loop_now(stage->loop) + us);
}

SPEC("posts: one that is answered at once is waited for, and sent once")
{
	struct stage stage;
	begin(&stage);
	EXPECT(!is_done(&stage, "a/1/0", 0));
	EXPECT(!is_done(&stage, "a/1/0", 0));
	EXPECT_INT(stage.http.count, 1);
	fake_reply(&stage.http, fake_last(&stage.http), 200, "");
	run(&stage, 0);
	EXPECT_INT(stage.woken, 1);
	EXPECT(is_done(&stage, "a/1/0", 0));
	posts_forget(stage.posts, "a/1/");
	EXPECT_INT(stage.http.count, 1);
	end(&stage);
}

SPEC("posts: a receiver that hangs is waited for a second once, until it answers again")
{
	struct stage stage;
	begin(&stage);
	EXPECT(!is_done(&stage, "a/1/0", 0));
	run(&stage, DURATION_SECOND);
	EXPECT_INT(stage.woken, 1);
	EXPECT(is_done(&stage, "a/1/0", 0));
	posts_forget(stage.posts, "a/1/");
	EXPECT(is_done(&stage, "a/2/0", 0)); /* told, but not waited for */
	posts_forget(stage.posts, "a/2/");
	EXPECT_INT(fake_open(&stage.http), 2);
	fake_reply(&stage.http, fake_last(&stage.http), 200, "");
	run(&stage, 0);
	EXPECT(!is_done(&stage, "a/3/0", 0));
	end(&stage);
}

SPEC("posts: a receiver that is down is told again, and nobody waits")
{
	struct stage stage;
	begin(&stage);
	EXPECT(!is_done(&stage, "a/1/0", 2));
	fake_fail(&stage.http, fake_last(&stage.http), ERROR_UNAVAILABLE, "refused");
	run(&stage, 0);
	EXPECT(is_done(&stage, "a/1/0", 2));
	posts_forget(stage.posts, "a/1/");
	run(&stage, DURATION_SECOND);
	EXPECT_INT(stage.http.count, 2);
	fake_fail(&stage.http, fake_last(&stage.http), ERROR_UNAVAILABLE, "refused");
	run(&stage, 2 * DURATION_SECOND);
	EXPECT_INT(stage.http.count, 3);
	fake_reply(&stage.http, fake_last(&stage.http), 200, "");
	run(&stage, DURATION_HOUR);
	EXPECT_INT(stage.http.count, 3);
	EXPECT_INT(fake_open(&stage.http), 0);
	end(&stage);
}
