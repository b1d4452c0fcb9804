#include "kube/refusal.h"

#include "base/json.h"
#include "base/mem.h"

/* A message may quote what a user wrote. */
static void flatten(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

void refusal_error(const cJSON *status, int code, struct error *err)
{
	const char *message = NULL, *reason = NULL;
	if (text_equal(json_string(status, "kind"), "Status")) {
		message = json_string(status, "message");
		reason = json_string(status, "reason");
		code = code != 0 ? code : (int)json_int(status, "code", 0);
	}
	enum error_kind kind = error_of_status(code);
	if (text_equal(reason, "AlreadyExists"))
		kind = ERROR_EXISTS;
	if (text_equal(reason, "Expired") || text_equal(reason, "Gone"))
		kind = ERROR_GONE;
	if (kind == ERROR_NONE)
		kind = ERROR_UNAVAILABLE;
	char text[ERROR_TEXT_MAX];
	if (message != NULL && message[0] != '\0')
		text_copy(text, sizeof(text), message);
	else if (reason != NULL && reason[0] != '\0')
		text_copy(text, sizeof(text), reason);
	else
		text[0] = '\0';
	flatten(text);
	if (text[0] != '\0')
		error_set(err, kind, "%s", text);
	else
		error_set(err, kind, "the API server answered %d", code);
}
