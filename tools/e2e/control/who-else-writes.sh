# weights and pods that GitOps, an autoscaler or a person write too: put back where a release needs it, and a condition says who

given_cluster ours all
# shellcheck source=tools/e2e/control/flagger.sh
. "$here/control/flagger.sh"
given_store
given_team '"webhooks":[{"name":"gate","type":"confirm-promotion","url":"http://127.0.0.1:9/gate","timeout":"1s"}]'
start_daemon --mesh-provider istio
as_gitops() { kube apply --server-side --force-conflicts --field-manager=argocd-controller -f - >/dev/null; }
contested() { condition Contested | grep -qF "$1"; }

until_it 30 "it is not initialized" in_phase Initialized
release 2
until_it 60 "it does not wait for promotion" in_phase WaitingPromotion
has_weight 50 || wrong "it waits with weight $(weight)"
[ -z "$(condition Contested)" ] || wrong "contested by nobody: $(condition Contested)"

# GitOps applies the route as it has it in its repository.
for _ in 1 2 3; do
	kube get virtualservices.networking.istio.io web -o json | jq '{apiVersion, kind, metadata: {name: .metadata.name}, spec:
		(.spec | .http[0].route[0].weight = 100 | .http[0].route[1].weight = 0)}' | as_gitops || wrong "the route is not applied"
	until_it 10 "weights are not put back" has_weight 50
done
until_it 10 "nobody is named" contested 'spec.http of VirtualService web is written by "argocd-controller" too'
told=$(kube get events -o json | jq '[.items[] | select(.message | test("argocd-controller.* too: put back"))] | length')
[ "$told" = 1 ] || wrong "it was told $told times"
say "a route that GitOps applies again and again: $(condition Contested)"

# Who commanded is known by the program, when nothing else says it.
kube annotate canary web sluice.dev/command=approve >/dev/null
until_it 10 "who approved is not told" says "Command approve of web.team by kubectl-annotate at 20"
until_it 60 "it is not promoted" in_phase Succeeded
until_it 10 "the target keeps its pods" test "$(kube get deployment web -o jsonpath='{.spec.replicas}')" = 0

# And so with the target: a manifest with replicas, then kubectl scale.
kube get deployment web -o json | jq '{apiVersion, kind, metadata: {name: .metadata.name}, spec: {replicas: 2, selector:
	.spec.selector, template: .spec.template}}' | as_gitops || wrong "the target is not applied"
until_it 10 "nobody is named" contested 'spec.replicas of Deployment web is written by "argocd-controller" too'
[ "$(kube get deployment web -o jsonpath='{.spec.replicas}')" = 2 ] || wrong "the pods of GitOps were taken away"
in_phase Succeeded || wrong "a rollout was set off: $(phase)"
say "a target that a manifest scales up at rest: $(condition Contested)"
release 3
until_it 30 "no next release" in_phase Progressing
until_it 10 "the condition stays" test -z "$(condition Contested)"
kube annotate canary web sluice.dev/command=abort --overwrite >/dev/null
until_it 10 "not aborted" in_phase Failed
until_it 10 "not scaled down" test "$(kube get deployment web -o jsonpath='{.spec.replicas}')" = 0
kube scale deployment web --replicas 1 >/dev/null
until_it 10 "nobody is named" contested 'spec.replicas of Deployment web is written by "kubectl" too'
say "one that somebody scales by hand: $(condition Contested)"
end "$daemon"
kill "$store"
wait "$store"
