#include "kube/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec.h"

static char folder[] = "/tmp/sluice-spec-XXXXXX";

static char *write_file(const char *name, const char *text)
{
	if (strstr(folder, "XXXXXX") != NULL)
		EXPECT(mkdtemp(folder) != NULL);
	char *path = xasprintf("%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	EXPECT(file != NULL);
	fputs(text, file);
	fclose(file);
	return path;
}

static const char eks[] =
	"apiVersion: v1\nkind: Config\ncurrent-context: prod\n"
	"clusters:\n- name: c\n  cluster:\n    server: https://api.example:6443/\n"
	"    certificate-authority: ca.pem\n    proxy-url: http://proxy:3128\n"
	"    tls-server-name: kube.internal\n"
	"contexts:\n- name: prod\n  context: {cluster: c, user: u, namespace: shop}\n"
	"- name: data\n  context: {cluster: c, user: inline}\n"
	"- name: lost\n  context: {cluster: nowhere, user: u}\n"
	"users:\n- name: u\n  user:\n    exec: {command: ./aws, args: [eks, get-token], "
	"apiVersion: "
	"client.authentication.k8s.io/v1beta1}\n"
	"- name: inline\n  user: {client-certificate-data: Y2VydA==, client-key-data: a2V5, token: "
	"t}\n"
	"- name: bad\n  user: {client-key-data: '***'}\n";

SPEC("kube config: contexts, relative files, plug-ins and proxies of a kubeconfig")
{
	struct kube_config config;
	struct error err = {0};
	SCOPED(text) char *path = write_file("config", eks);
	SCOPED(text) char *ca = xasprintf("%s/ca.pem", folder);
	SCOPED(text) char *aws = xasprintf("%s/./aws", folder);
	const struct kube_config_options options = {.path = path};
	EXPECT(kube_config_load(&config, &options, &err));
	EXPECT_TEXT(config.server, "https://api.example:6443");
	EXPECT_TEXT(config.ca_file, ca);
	EXPECT_TEXT(config.proxy, "http://proxy:3128");
	EXPECT_TEXT(config.server_name, "kube.internal");
	EXPECT_TEXT(config.namespace, "shop");
	EXPECT_TEXT(cJSON_GetObjectItem(config.exec, "command")->valuestring, aws);
	kube_config_fini(&config);

	EXPECT(kube_config_read(&config, path, "data", &err));
	EXPECT_TEXT(config.cert_pem, "cert");
	EXPECT_TEXT(config.key_pem, "key");
	EXPECT_TEXT(config.token, "t");
	kube_config_fini(&config);

	const struct kube_config_options other = {.path = path, .server = "http://127.0.0.1:1/"};
	EXPECT(kube_config_load(&config, &other, &err));
	EXPECT_TEXT(config.server, "http://127.0.0.1:1");
	kube_config_fini(&config);
}

SPEC("kube config: says what is wrong, and where")
{
	struct kube_config config;
	struct error err = {0};
	SCOPED(text) char *path = write_file("config", eks);
	EXPECT(!kube_config_read(&config, path, "lost", &err));
	EXPECT_CONTAINS(err.text, "config: context \"lost\": there is no cluster \"nowhere\"");
	EXPECT(!kube_config_read(&config, path, "none", &err));
	EXPECT_CONTAINS(err.text, "there is no context \"none\"");
	EXPECT(!kube_config_read(&config, "/nowhere/config", NULL, &err));
	EXPECT_CONTAINS(err.text, "/nowhere/config");
	SCOPED(text) char *list = write_file("list", "- 1\n");
	EXPECT(!kube_config_read(&config, list, NULL, &err));
	EXPECT_CONTAINS(err.text, "is no kubeconfig");
	SCOPED(text)
	char *bad = write_file("bad",
			       "current-context: x\ncontexts: [{name: x, context: {cluster: c, "
			       "user: u}}]\nclusters: [{name: c, cluster: {server: 'https://a'}}]\n"
			       "users: [{name: u, user: {client-key-data: '***'}}]\n");
	EXPECT(!kube_config_read(&config, bad, NULL, &err));
	EXPECT_CONTAINS(err.text, "user \"u\": client-key-data is not base64");
	SCOPED(text)
	char *ftp = write_file("ftp",
			       "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
			       "clusters: [{name: c, cluster: {server: 'ftp://a'}}]\n");
	const struct kube_config_options options = {.path = ftp};
	EXPECT(!kube_config_load(&config, &options, &err));
	EXPECT_CONTAINS(err.text, "must be an http or https URL");
}

SPEC("kube config: several files are one, the first to say something wins")
{
	struct kube_config config;
	struct error err = {0};
	SCOPED(text)
	char *one = write_file("one", "current-context: a\nclusters: [{name: c, cluster: {server: "
				      "'https://one'}}]\n");
	SCOPED(text)
	char *two = write_file("two",
			       "current-context: b\nclusters: [{name: c, cluster: {server: "
			       "'https://two'}}]\ncontexts: [{name: a, context: {cluster: c}}]\n");
	SCOPED(text) char *both = xasprintf("%s:/nowhere:%s", one, two);
	EXPECT(kube_config_read(&config, both, NULL, &err));
	EXPECT_TEXT(config.server, "https://one");
	kube_config_fini(&config);
}

SPEC("kube config: inside a cluster")
{
	struct kube_config config;
	struct error err = {0};
	free(write_file("token", "secret\n"));
	free(write_file("namespace", "shop\n"));
	EXPECT(kube_config_in_cluster(&config, folder, "fd00::1", "443", &err));
	EXPECT_TEXT(config.server, "https://[fd00::1]:443");
	EXPECT_TEXT(config.namespace, "shop");
	EXPECT(strstr(config.token_file, "/token") != NULL && config.token == NULL);
	kube_config_fini(&config);
	EXPECT(!kube_config_in_cluster(&config, "/nowhere", "h", "1", &err));
	EXPECT_CONTAINS(err.text, "service account token");
}
