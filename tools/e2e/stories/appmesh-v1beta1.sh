# a release by the objects of App Mesh v1beta1, where a VirtualService has its router inside, is promoted
# Alone: a cluster has one version of App Mesh.
# shellcheck shell=bash disable=SC2034,SC2154

given_a_bed "its CRDs are not replaced"
without_appmesh() {
	"$here/plane.sh" stop mesh
	"$kubectl" delete crd virtualnodes.appmesh.k8s.aws virtualservices.appmesh.k8s.aws virtualrouters.appmesh.k8s.aws \
		--ignore-not-found >/dev/null || wrong "the CRDs of App Mesh do not go"
}
at_end() {
	without_appmesh
	"$here/bed.sh" install
	"$here/plane.sh" start mesh
}
without_appmesh
"$kubectl" apply --server-side -f "$root/spec/crds/appmesh-v1beta1.yaml" >/dev/null || stuck "no CRDs"
"$kubectl" wait --for condition=established --timeout 30s crd --all >/dev/null
APPMESH=v1beta1 "$here/plane.sh" start mesh

provider=appmesh
given_podinfo 6.0.0
given_canary "interval: $interval
threshold: 3
maxWeight: 30
stepWeight: 10"
[ -n "$(kube get "virtualservices.v1beta1.appmesh.k8s.aws/podinfo.$ns" -o name)" ] || wrong "there is no such VirtualService"

load 800
begin_release 6.0.1
until_weight 10
until_weight 30
until_phase Succeeded
end_load

expect_no_loss
expect_shares
expect_image podinfo-primary 6.0.1
expect_rehearsal "image: example.com/podinfo:6.0.1"
