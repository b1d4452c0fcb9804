#include "canary/line.h"

#include "canary/engine.h"
#include "spec.h"

SPEC("line: each comes in its turn, however many join between")
{
	struct line line = {0};
	uint64_t joined = 0, came = 0;
	while (came < 1000) {
		for (int i = 0; i < 3 && joined < 1000; i++)
			line_join(&line, ++joined);
		for (int i = 0; i < 2 && came < joined; i++)
			EXPECT_INT(line_next(&line), ++came);
	}
	EXPECT(line_is_empty(&line));
	EXPECT_INT(line_next(&line), 0);
	line_fini(&line);
}

SPEC("line: nobody begins or comes back while all slots are taken")
{
	struct line line = {.running = ENGINE_SLOTS};
	line_join(&line, 1);
	line_come_back(&line, 2);
	EXPECT_INT(line_next(&line), 0);
	EXPECT_INT(line_next_back(&line), 0);
	line.away = 1;
	EXPECT_INT(line_next_back(&line), 2);
	EXPECT_INT(line_next(&line), 1);
	line_fini(&line);
}

SPEC("line: with many away nobody begins, but whoever was away comes back")
{
	struct line line = {.running = ENGINE_MEASURING, .away = ENGINE_MEASURING};
	line.measuring = ENGINE_MEASURING;
	line_join(&line, 1);
	line_come_back(&line, 2);
	EXPECT_INT(line_next(&line), 0);
	EXPECT_INT(line_next_back(&line), 2);
	line.measuring--;
	line.running = line.away = ENGINE_AWAY;
	EXPECT_INT(line_next(&line), 0);
	line.running = --line.away;
	EXPECT_INT(line_next(&line), 1);
	line_fini(&line);
}
