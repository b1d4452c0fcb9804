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

#include "cli/cli.h"

void cli_version(bool libraries)
{
	puts("sluice " SLUICE_VERSION);
	if (!libraries)
		return;
	printf("%s\n%s\n", LUA_RELEASE, curl_version());
	printf("libmicrohttpd/%s libyaml/%s cJSON/%s mpfr/%s gmp/%s\n", MHD_get_version(),
	       yaml_get_version_string(), cJSON_Version(), mpfr_get_version(), gmp_version);
}
