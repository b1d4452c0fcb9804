#include "cli/flags.h"

#include "spec.h"

static const char *name;
static bool verbose;
static struct flag_texts files, words;

static bool parse(int count, char **arguments, struct error *err)
{
	const struct flag flags[] = {
		{"name", FLAG_TEXT, &name, "TEXT", ""},
		{"verbose", FLAG_BOOL, &verbose, NULL, ""},
		{"f", FLAG_TEXTS, &files, "FILE", ""},
		{0},
	};
	name = NULL;
	verbose = false;
	files.count = 0;
	words.count = 0;
	return flags_parse(flags, count, arguments, &words, err);
}

SPEC("flags: one dash or two, with = or without")
{
	struct error err = {0};
	char *line[] = {"-name", "a", "--verbose=true", "-f", "x", "--f=y", "word", "--", "-z"};
	EXPECT(parse(9, line, &err));
	EXPECT_TEXT(name, "a");
	EXPECT(verbose);
	EXPECT_INT(files.count, 2);
	EXPECT_TEXT(files.items[1], "y");
	EXPECT_INT(words.count, 2);
	EXPECT_TEXT(words.items[1], "-z");
}

SPEC("flags: says which flag was probably meant")
{
	struct error err = {0};
	char *line[] = {"--verbos"};
	EXPECT(!parse(1, line, &err));
	EXPECT_CONTAINS(err.text, "did you mean --verbose?");
}

SPEC("flags: says that a value is missing, or is none")
{
	struct error err = {0};
	char *missing[] = {"--name"}, *wrong[] = {"--verbose=perhaps"};
	EXPECT(!parse(1, missing, &err));
	EXPECT_CONTAINS(err.text, "needs a value: TEXT");
	EXPECT(!parse(1, wrong, &err));
	EXPECT_CONTAINS(err.text, "must be true or false");
}
