/*
 * version.c - `sluice version`: what this is, and for a bug report with -v what it runs on.
 */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <gmp.h>
#include <lua.h>
#include <microhttpd.h>
#include <mpfr.h>
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>

#include "cli/cli.h"
#include "cli/flags.h"

int cli_version(int count, char **arguments)
{
	struct flag_texts words = {0};
	struct error err = {0};
	bool help = false, libraries = false;
	const struct flag flags[] = {
		{"v", FLAG_BOOL, &libraries, NULL, "those of the libraries too"},
		{"help", FLAG_BOOL, &help, NULL, "this"},
		{0},
	};
	if (flags_parse(flags, count, arguments, &words, &err) && words.count > 0)
		error_set(&err, ERROR_INVALID, "takes flags only, not \"%s\"", words.items[0]);
	if (err.kind != ERROR_NONE) {
		fprintf(stderr, "sluice version: %s\n", err.text);
		return EXIT_BAD_INPUT;
	}
	if (help) {
		puts("usage: sluice version [flags]\n\nPrints the version.\n");
		flags_help(flags);
		return EXIT_GOOD;
	}
	puts("sluice " SLUICE_VERSION);
	if (!libraries)
		return EXIT_GOOD;
	printf("%s\n%s\n", LUA_RELEASE, curl_version());
	printf("libmicrohttpd/%s libyaml/%s cJSON/%s mpfr/%s gmp/%s zlib/%s\n", MHD_get_version(),
	       yaml_get_version_string(), cJSON_Version(), mpfr_get_version(), gmp_version,
	       zlibVersion());
	return EXIT_GOOD;
}
