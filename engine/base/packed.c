#include "base/packed.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/json.h"
#include "base/mem.h"

/* Without a header: a window of 8 KiB, and as little room beside it as still packs well. */
enum { WINDOW_BITS = -13, ROOM = 5, EFFORT = 4 };

struct packed {
	uint32_t text_len, len;
	unsigned char bytes[];
};

/* What the texts have in common; what most of them have stands last, where it costs least. */
static const char common[] =
	"\"affinity\":{\"tolerations\":[{\"effect\":\"NoSchedule\",\"operator\":\"Exists\","
	"\"key\":\"\"nodeSelector\":{\"imagePullSecrets\":[{\"name\":\"initContainers\":["
	"{\"args\":[\"command\":[\"sh\",\"-c\",\"\"volumes\":[{\"configMap\":{\"name\":\"},"
	"{\"secret\":{\"secretName\":\"emptyDir\":{},\"persistentVolumeClaim\":{"
	"\"volumeMounts\":[{\"mountPath\":\"/etc/\",\"name\":\"readOnly\":true,"
	"\"optional\":true}],\"securityContext\":{\"runAsNonRoot\":true,\"runAsUser\":1000,"
	"\"serviceAccountName\":\"hostNetwork\":\"livenessProbe\":{\"exec\":{\"command\":["
	"\"readinessProbe\":{\"httpGet\":{\"path\":\"/healthz\",\"port\":\"scheme\":\"HTTP\"},"
	"\"initialDelaySeconds\":5,\"timeoutSeconds\":1,\"periodSeconds\":10,"
	"\"successThreshold\":1,\"failureThreshold\":3},\"env\":[{\"name\":\"valueFrom\":{"
	"\"secretKeyRef\":{\"configMapKeyRef\":{\"fieldRef\":{\"apiVersion\":\"v1\","
	"\"fieldPath\":\"metadata.name\"}},\"key\":\"value\":\"\"resources\":{\"limits\":{"
	"\"cpu\":\"1\",\"memory\":\"512Mi\"},\"requests\":{\"cpu\":\"100m\","
	"\"memory\":\"64Mi\"}},"
	"\"kubectl.kubernetes.io/last-applied-configuration\":\"prometheus.io/scrape\":\"true\","
	"\"prometheus.io/port\":\"\"webhooks\":[{\"name\":\"load-test\",\"type\":\"pre-rollout\","
	"\"url\":\"http://flagger-loadtester.\",\"timeout\":\"5s\",\"metadata\":{"
	"\"cmd\":\"hey -z 1m -q 10 -c 2 http://\",\"confirm-rollout\",\"confirm-promotion\","
	"\"rollback\",\"event\",\"confirm-traffic-increase\",\"post-rollout\",\"alerts\":["
	"{\"providerRef\":{\"namespace\":\"severity\":\"error\",\"gatewayRefs\":[{\"gateways\":["
	"\"hosts\":[\"ingressRef\":{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"Ingress\","
	"\"trafficPolicy\":{\"tls\":{\"mode\":\"ISTIO_MUTUAL\"}},\"retries\":{\"attempts\":3,"
	"\"perTryTimeout\":\"retryOn\":\"\"headers\":{\"exact\":\"regex\":\"prefix\":\"/\"}},"
	"\"rewrite\":{\"uri\":\"timeout\":\"15s\",\"backends\":[\"portDiscovery\":true,"
	"\"autoscalerRef\":{\"apiVersion\":\"autoscaling/v2\","
	"\"kind\":\"HorizontalPodAutoscaler\",\"name\":\"\"iterations\":10,\"stepWeights\":[10,"
	"20,30],\"stepWeightPromotion\":100,\"mirror\":true,\"skipAnalysis\":false,"
	"\"templateRef\":{\"name\":\"templateVariables\":{\"thresholdRange\":{\"max\":500,"
	"\"min\":99},\"sessionAffinity\":{{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
	"\"metadata\":{\"annotations\":{\"deployment.kubernetes.io/revision\":\"1\"},"
	"\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"generation\":1,\"labels\":{"
	"\"app.kubernetes.io/name\":\"app\":\"-primary\"},\"name\":\"namespace\":\"default\","
	"\"ownerReferences\":[{\"apiVersion\":\"flagger.app/v1beta1\","
	"\"blockOwnerDeletion\":true,\"controller\":true,\"kind\":\"Canary\","
	"\"name\":\"uid\":\"}],\"resourceVersion\":\"},\"spec\":{\"minReadySeconds\":0,"
	"\"progressDeadlineSeconds\":600,\"replicas\":2,\"revisionHistoryLimit\":10,"
	"\"selector\":{\"matchLabels\":{\"app\":\"}},\"strategy\":{\"rollingUpdate\":{"
	"\"maxSurge\":\"25%\",\"maxUnavailable\":\"25%\"},\"type\":\"RollingUpdate\"},"
	"\"template\":{\"metadata\":{\"creationTimestamp\":null,\"labels\":{\"}},\"spec\":{"
	"\"containers\":[{\"image\":\"ghcr.io/\",\"imagePullPolicy\":\"IfNotPresent\","
	"\"name\":\"\"ports\":[{\"containerPort\":8080,\"name\":\"http\",\"protocol\":\"TCP\"}],"
	"\"resources\":{},\"terminationMessagePath\":\"/dev/termination-log\","
	"\"terminationMessagePolicy\":\"File\"}],\"dnsPolicy\":\"ClusterFirst\","
	"\"restartPolicy\":\"Always\",\"schedulerName\":\"default-scheduler\","
	"\"securityContext\":{},\"terminationGracePeriodSeconds\":30}}},\"status\":{"
	"\"availableReplicas\":2,\"conditions\":["
	"{\"lastTransitionTime\":\"\"lastUpdateTime\":\"\","
	"\"message\":\"Deployment has minimum availability.\","
	"\"reason\":\"MinimumReplicasAvailable\",\"status\":\"True\",\"type\":\"Available\"},"
	"{\"message\":\"ReplicaSet \\\"\\\" has successfully progressed.\","
	"\"reason\":\"NewReplicaSetAvailable\",\"type\":\"Progressing\"}],"
	"\"observedGeneration\":1,\"readyReplicas\":2,\"replicas\":2,\"updatedReplicas\":2}}{"
	"\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"spec\":{"
	"\"provider\":\"\"targetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
	"\"name\":\"progressDeadlineSeconds\":60,\"service\":{\"port\":80,"
	"\"targetPort\":\"portName\":\"http\",\"match\":[{\"uri\":{\"prefix\":\"/\"}}],"
	"\"analysis\":{\"interval\":\"1m\",\"threshold\":5,\"maxWeight\":50,\"stepWeight\":10,"
	"\"match\":[{\"metrics\":[{\"name\":\"request-success-rate\",\"interval\":\"1m\","
	"\"thresholdRange\":{\"min\":99}},{\"name\":\"request-duration\",\"status\":{"
	"\"phase\":\"Succeeded\",\"failedChecks\":0,\"canaryWeight\":0,\"iterations\":0,"
	"\"lastAppliedSpec\":\"\"lastPromotedSpec\":\"\","
	"\"lastTransitionTime\":\"2026-01-01T00:00:00Z\",\"trackedConfigs\":{},\"conditions\":["
	"{\"type\":\"Promoted\",\"status\":\"True\",\"reason\":\"Succeeded\","
	"\"message\":\"Canary analysis completed successfully, promotion finished.\","
	"\"lastUpdateTime\":\"\",\"lastTransitionTime\":\"\"},{\"type\":\"Sluice\","
	"\"status\":\"True\",\"reason\":\"Memory\",\"message\":\"{\\\"v\\\":1,"
	"\\\"revision\\\":\\\"\\\",\\\"split\\\":[100,0],\\\"due\\\":17,\\\"since\\\":17,"
	"\\\"next\\\":,\\\"owes\\\":[{\\\"kind\\\":\\\"event\\\",\\\"id\\\":,"
	"\\\"warning\\\":true,\\\"phase\\\":\\\"Progressing\\\",\\\"time\\\":17,"
	"\\\"checksum\\\":\\\"\\\","
	"\\\"text\\\":\\\"New revision detected! Advance  canary weight \\\"}],\\\"alerts\\\":["
	"{\\\"severity\\\":\\\"info\\\",\\\"policy\\\":\\\"\\\",\\\"generation\\\":1,"
	"\\\"good\\\":[\\\"\\\"],\\\"steps\\\":,\\\"stepped\\\":17,\\\"configs\\\":\\\"\\\","
	"\\\"replicas\\\":2,\\\"state\\\":{},\\\"history\\\":[[17,0,\\\"pass\\\",\\\"\\\"],[17,5,"
	"\\\"pass\\\",\\\"\\\"],[17,\\\"pass\\\",\\\"\\\"]]}\"}]}}";

static void *take(void *unused, unsigned count, unsigned size)
{
	(void)unused;
	return xcalloc(count, size);
}

static void give(void *unused, void *block)
{
	(void)unused;
	free(block);
}

/* What zlib answers when nothing can have gone wrong: the rooms are large enough, and memory that
 * is not there has ended the process. */
static void must(int result, int wanted)
{
	if (result != wanted)
		abort();
}

struct packed *packed_new(const cJSON *json)
{
	SCOPED(text) char *text = json_text(json);
	size_t len = strlen(text);
	z_stream stream = {.zalloc = take, .zfree = give};
	must(deflateInit2(&stream, EFFORT, Z_DEFLATED, WINDOW_BITS, ROOM, Z_DEFAULT_STRATEGY),
	     Z_OK);
	must(deflateSetDictionary(&stream, (const Bytef *)common, sizeof(common) - 1), Z_OK);
	size_t room = deflateBound(&stream, len);
	struct packed *packed = xmalloc(sizeof(*packed) + room);
	stream.next_in = (Bytef *)text;
	stream.avail_in = (uInt)len;
	stream.next_out = packed->bytes;
	stream.avail_out = (uInt)room;
	must(deflate(&stream, Z_FINISH), Z_STREAM_END);
	packed->text_len = (uint32_t)len;
	packed->len = (uint32_t)stream.total_out;
	deflateEnd(&stream);
	return xrealloc(packed, sizeof(*packed) + packed->len);
}

void packed_free(struct packed *packed)
{
	free(packed);
}

size_t packed_size(const struct packed *packed)
{
	return sizeof(*packed) + packed->len;
}

char *packed_text(const struct packed *packed)
{
	z_stream stream = {.zalloc = take, .zfree = give};
	char *text = xmalloc((size_t)packed->text_len + 1);
	must(inflateInit2(&stream, WINDOW_BITS), Z_OK);
	must(inflateSetDictionary(&stream, (const Bytef *)common, sizeof(common) - 1), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)packed->bytes;
	stream.avail_in = packed->len;
	stream.next_out = (Bytef *)text;
	stream.avail_out = packed->text_len + 1;
	must(inflate(&stream, Z_FINISH), Z_STREAM_END);
	inflateEnd(&stream);
	text[packed->text_len] = '\0';
	return text;
}

cJSON *packed_json(const struct packed *packed)
{
	SCOPED(text) char *text = packed_text(packed);
	return json_parse(text, packed->text_len, NULL);
}
