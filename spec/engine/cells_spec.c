#include "base/cells.h"

#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "spec.h"

enum { CELLS = 5000 };

/* Each keeps what was written to it, whatever else is taken and given meanwhile. */
static bool hold_their_own(void)
{
	static unsigned char *cells[CELLS];
	static size_t sizes[CELLS];
	for (size_t round = 0; round < 4; round++) {
		for (size_t i = 0; i < CELLS; i++) {
			if (round > 0 && i % 3 != round % 3)
				continue;
			cell_give(cells[i]);
			sizes[i] = i * 7 % 700 + 1;
			cells[i] = cell_take(sizes[i]);
			if ((uintptr_t)cells[i] % 16 != 0)
				return false;
			memset(cells[i], (int)(i % 251), sizes[i]);
		}
		for (size_t i = round; i < CELLS; i += 11) {
			size_t size = (sizes[i] * 13 + round) % 900 + 1;
			cells[i] = cell_resize(cells[i], sizes[i], size);
			memset(cells[i], (int)(i % 251), size);
			sizes[i] = size;
		}
		for (size_t i = 0; i < CELLS; i++)
			for (size_t k = 0; k < sizes[i]; k++)
				if (cells[i][k] != i % 251)
					return false;
	}
	for (size_t i = 0; i < CELLS; i++) {
		cell_give(cells[i]);
		cells[i] = NULL;
	}
	return true;
}

static bool keep_json(void)
{
	static const char text[] = "{\"a\":[1,\"two\",{\"b\":null}],\"c\":\"\\u00e4\"}";
	struct error err = {0};
	for (int i = 0; i < 1000; i++) {
		SCOPED(json) cJSON *json = json_parse(text, sizeof(text) - 1, &err);
		SCOPED(json) cJSON *copy = cJSON_Duplicate(json, true);
		json_put_string(copy, "a", "other");
		json_put(copy, "c", NULL);
		SCOPED(text) char *back = json_text(json);
		if (json == NULL ||
		    strcmp(back, "{\"a\":[1,\"two\",{\"b\":null}],\"c\":\"ä\"}") != 0)
			return false;
	}
	return true;
}

SPEC("cells: hold what is written to them, before and after JSON lives in them")
{
	EXPECT(hold_their_own());
	/* For good: in a process of its own. */
	pid_t process = fork();
	if (process == 0) {
		cells_for_json();
		_exit(hold_their_own() && keep_json() ? 0 : 1);
	}
	int status = 1;
	EXPECT(waitpid(process, &status, 0) == process);
	EXPECT_INT(status, 0);
}
