/*
 * kubeconfig_fuzz.c - any bytes as a kubeconfig, and as what a credential plug-in printed: what is
 * needed to connect, or a sentence that does not tell a secret.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "fuzz.h"
#include "kube/config.h"
#include "kube/exec.h"

static void check_config(const uint8_t *bytes, size_t len)
{
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	REQUIRE(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	SCOPED(text) char *path = xasprintf("/proc/self/fd/%d", fd);
	struct kube_config config;
	struct error err = {0};
	const struct kube_config_options options = {.path = path,
						    .context = len % 4 == 0 ? "other" : NULL};
	if (kube_config_load(&config, &options, &err)) {
		size_t server = strlen(config.server);
		REQUIRE(server > 0 && config.server[server - 1] != '/');
		kube_config_fini(&config);
	} else {
		REQUIRE_SENTENCE(err);
	}
	close(fd);
}

static void check_credential(const uint8_t *bytes, size_t len)
{
	cJSON *object = NULL;
	struct exec_credential credential;
	struct error err = {0};
	if (kube_exec_read((const char *)bytes, len, &object, &credential, &err)) {
		REQUIRE(credential.token != NULL || credential.cert_pem != NULL);
		REQUIRE((credential.cert_pem == NULL) == (credential.key_pem == NULL));
	} else {
		REQUIRE_SENTENCE(err);
	}
	cJSON_Delete(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	check_config(bytes, len);
	check_credential(bytes, len);
	return 0;
}
