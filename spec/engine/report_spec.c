#include "rehearsal/report.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "spec.h"

static char *page_of(const char *text)
{
	struct error err = {0};
	SCOPED(json) cJSON *report = json_parse(text, strlen(text), &err);
	EXPECT_TEXT(err.text, "");
	return report_html(report);
}

SPEC("report: draws each metric with its bounds, and says how it ended")
{
	SCOPED(text)
	char *page = page_of(
		"{\"outcome\":\"rolled back\",\"took\":\"2m1s\",\"canary\":{\"metadata\":{"
		"\"name\":\"podinfo\",\"namespace\":\"test\"},\"spec\":{\"analysis\":{"
		"\"threshold\":3,\"metrics\":[{\"name\":\"latency\",\"thresholdRange\":{"
		"\"max\":500}}]}}},\"events\":[],\"scenes\":[],\"webhooks\":[],\"statuses\":["
		"{\"at\":0,\"phase\":\"Progressing\",\"weight\":0},"
		"{\"at\":60,\"phase\":\"Failed\",\"weight\":0}],\"samples\":["
		"{\"at\":10,\"metric\":\"latency\",\"value\":400},"
		"{\"at\":20,\"metric\":\"latency\",\"text\":\"no values found\"},"
		"{\"at\":30,\"metric\":\"latency\",\"value\":700}]}");
	EXPECT_CONTAINS(page, "test/podinfo<span class=\"badge bad\">rolled back</span>");
	EXPECT_CONTAINS(page, "<h2>latency</h2>\n<p>At most 500.</p>");
	EXPECT_CONTAINS(page, "<title>10s 400</title>");
	EXPECT_CONTAINS(page, "<title>30s 700</title>");
	EXPECT_CONTAINS(page, "<title>20s no values found</title>");
	EXPECT_CONTAINS(page, "<title>at most 500</title>");
	/* It needs nothing but itself. */
	EXPECT(strstr(page, "src=") == NULL && strstr(page, "href=") == NULL &&
	       strstr(page, "url(") == NULL && strstr(page, "<script") == NULL);
}

SPEC("report: what others wrote is text, and what is missing is left out")
{
	SCOPED(text)
	char *page = page_of("{\"outcome\":\"<b>\",\"canary\":{\"metadata\":{\"name\":\"<i>\"}},"
			     "\"events\":[{\"at\":1,\"type\":\"Normal\",\"message\":"
			     "\"<script>alert(1)</script>\"}],\"samples\":[{\"at\":1,\"metric\":"
			     "\"\\\"><img>\",\"value\":1e308}],\"webhooks\":[{\"at\":2,\"name\":"
			     "\"</svg>\",\"status\":200}]}");
	EXPECT(strstr(page, "<script") == NULL && strstr(page, "<b>") == NULL &&
	       strstr(page, "<i>") == NULL && strstr(page, "<img>") == NULL);
	EXPECT_CONTAINS(page, "&lt;script&gt;alert(1)");
	SCOPED(text) char *empty = page_of("{}");
	EXPECT_CONTAINS(empty, "</html>");
}
