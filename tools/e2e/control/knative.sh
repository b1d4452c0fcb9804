# The fake of Knative's controllers: what the controllers of knative/serving write of a Service (pkg/reconciler: service,
# configuration, route), in their order, and nothing else. There are no pods behind it, no Route and no Configuration objects.
# Sourced by stories; `kube` is kubectl in their namespace.
#
#   * A changed template is a Revision, NAME-00002, of the next generation. Before it is there the Service says already that it
#     has observed its generation.
#   * A Revision becomes ready in its time. One whose image says "never" has ContainerMissing; one with the annotation
#     story/broken was ready once. latestReadyRevisionName is never taken back.
#   * The traffic of the spec is taken over whole, or not at all: where one of its revisions is not ready, what was routed stays
#     as it was (RoutesReady is not True: RevisionMissing). Its ingress needs a moment more (IngressNotConfigured).
# shellcheck shell=bash disable=SC2154

# {services, revisions} -> for each that changes one line "VERB KIND NAME BODY": status or create.
read -r -d '' knative_rules <<'JQ' || true
def condition($type; $status; $reason; $message): {type: $type, status: $status} +
	(if $reason == "" then {} else {reason: $reason, message: $message} end);
def ready: (.status.observedGeneration == .metadata.generation) and
	any(.status.conditions[]?; .type == "Ready" and .status == "True");
def ready_condition: first(.status.conditions[]? | select(.type == "Ready")) // {status: "Unknown", reason: "Deploying", message: ""};
def generation_of: .metadata.labels["serving.knative.dev/configurationGeneration"] | tonumber;
def template_of: .spec.template | tojson;

def revision_status:
	.spec.containers[0].image as $image |
	(if .metadata.annotations["story/broken"] then ["False", "ExitCode1", "Container failed with: it has crashed"]
	elif $image | test("never") then ["False", "ContainerMissing", "Unable to fetch image \"\($image)\": not found"]
	elif .status == null then ["Unknown", "Deploying", ""]
	else ["True", "", ""] end) as [$status, $reason, $message] |
	{observedGeneration: .metadata.generation, conditions: [condition("Ready"; $status; $reason; $message),
		condition("ContainerHealthy"; $status; $reason; $message),
		condition("ResourcesAvailable"; $status; $reason; $message)]};

# The Configuration: of the revisions of a Service, newest first.
def configuration($old; $sorted):
	($sorted[0] | ready_condition) as $latest |
	(first($sorted[] | select(ready) | .metadata.name) // $old.latestReadyRevisionName // "") as $ready |
	{latestCreatedRevisionName: $sorted[0].metadata.name} + (if $ready == "" then {} else {latestReadyRevisionName: $ready} end) +
	{condition: (if $latest.status == "False" then condition("ConfigurationsReady"; "False"; "RevisionFailed";
		"Revision \"\($sorted[0].metadata.name)\" failed with message: \($latest.message).")
	elif $ready == $sorted[0].metadata.name then condition("ConfigurationsReady"; "True"; ""; "")
	else condition("ConfigurationsReady"; "Unknown"; ""; "") end)};

# The Route: {traffic, condition}; what was routed stays where it cannot be taken over.
def route($old; $configuration; $sorted):
	(.spec.traffic // [{latestRevision: true, percent: 100}]) as $wanted |
	[$wanted[] | .revisionName //= ($configuration.latestReadyRevisionName // "")] as $traffic |
	(first($traffic[] | .revisionName as $name | first($sorted[] | select(.metadata.name == $name)) as $revision |
		select($revision == null or ($revision | ready | not)) |
		if $revision == null then condition("RoutesReady"; "False"; "RevisionMissing"; "Revision \"\($name)\" referenced in traffic not found.")
		elif ($revision | ready_condition | .status) == "False" then
			condition("RoutesReady"; "False"; "RevisionMissing"; "Revision \"\($name)\" failed to become ready.")
		else condition("RoutesReady"; "Unknown"; "RevisionMissing"; "Revision \"\($name)\" is not yet ready.") end) // null) as $wrong |
	if $wrong != null then {traffic: ($old.traffic // []), condition: $wrong}
	else {traffic: $traffic, condition: (if $old.traffic == $traffic then condition("RoutesReady"; "True"; ""; "")
		else condition("RoutesReady"; "Unknown"; "IngressNotConfigured"; "Ingress has not yet been reconciled.") end)} end;

def service_status($sorted):
	(.status // {}) as $old |
	if $old.observedGeneration != .metadata.generation then $old + {observedGeneration: .metadata.generation, conditions: [
		condition("Ready"; "Unknown"; "OutOfDate"; "The Configuration is still working to reflect the latest desired specification."),
		condition("ConfigurationsReady"; "Unknown"; "OutOfDate"; "The Configuration is still working to reflect the latest desired specification."),
		condition("RoutesReady"; "Unknown"; "OutOfDate"; "The Route is still working to reflect the latest desired specification.")]}
	elif ($sorted | length) == 0 then $old
	else configuration($old; $sorted) as $configuration | route($old; $configuration; $sorted) as $route |
		[$configuration.condition, $route.condition] as $both |
		($configuration | del(.condition)) + {observedGeneration: .metadata.generation, traffic: $route.traffic,
		conditions: ([first($both[] | select(.status != "True")) // $both[0] | .type = "Ready"] + $both)}
	end;

.revisions as $revisions | .services[] | . as $service |
([$revisions[] | select(.metadata.labels["serving.knative.dev/service"] == $service.metadata.name)] | sort_by(-generation_of)) as $sorted |
service_status($sorted) as $status |
(if $status != $service.status then ["status", "services.serving.knative.dev", .metadata.name, {status: $status}] else empty end),
(if $service.status.observedGeneration == .metadata.generation and
	$sorted[0].metadata.annotations["story/template"] != template_of then
	((($sorted[0] | if . == null then 0 else generation_of end) + 1) as $generation |
	"\(.metadata.name)-\("0000\($generation)"[-5:])" as $name |
	["create", "revisions.serving.knative.dev", $name, {apiVersion: "serving.knative.dev/v1", kind: "Revision",
	metadata: {name: $name, annotations: {"story/template": template_of},
	labels: {"serving.knative.dev/service": .metadata.name, "serving.knative.dev/configuration": .metadata.name,
		"serving.knative.dev/configurationGeneration": "\($generation)"}, ownerReferences: [{apiVersion: "serving.knative.dev/v1",
		kind: "Service", name: .metadata.name, uid: .metadata.uid}]}, spec: .spec.template.spec}]) else empty end),
($sorted[] | revision_status as $of | select($of != .status) |
	["status", "revisions.serving.knative.dev", .metadata.name, {status: $of}]) |
"\(.[0]) \(.[1]) \(.[2]) \(.[3] | tojson)"
JQ

# One round; true where something was written.
play_knative() {
	local verb kind name body wrote=1
	while read -r verb kind name body; do
		wrote=0
		case $verb in
		create) kube create -f - <<<"$body" >/dev/null 2>>"$folder/knative.log" ;;
		status) kube patch "$kind" "$name" --subresource=status --type=merge -p "$body" >/dev/null 2>>"$folder/knative.log" ;;
		esac
	done < <(kube get services.serving.knative.dev,revisions.serving.knative.dev -o json 2>>"$folder/knative.log" |
		jq -r '{services: [.items[] | select(.kind == "Service")], revisions: [.items[] | select(.kind == "Revision")]} | '"$knative_rules")
	return $wrote
}

# Until it is ended: $knative.
given_knative() {
	gzip -dc spec/crds/knative.yaml.gz | "$kubectl" --kubeconfig "$BED/admin.kubeconfig" apply --server-side -f - >/dev/null ||
		wrong "Knative's CRDs are not taken"
	"$kubectl" --kubeconfig "$BED/admin.kubeconfig" wait --for condition=established --timeout 30s crd \
		{services,revisions}.serving.knative.dev >/dev/null
	while :; do play_knative || sleep 0.2; done &
	knative=$!
}
