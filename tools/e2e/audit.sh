# What the daemon did to an API server, by its audit log. The stories of both suites source it, with `wrong` and `say`.
#
# The daemon calls itself "sluice/VERSION (run)" or "(observe)", commands and programs of the tests do not, so one that was
# started as somebody else is found.
# shellcheck shell=bash disable=SC2154

# asked_by_daemon [NAMESPACE]: each request: "USER ROLE CODE GROUP/RESOURCE VERB URI", with tabs; the role is the one that
# allowed it.
asked_by_daemon() {
	jq -r --arg namespace "${1:-}" 'select((.userAgent // "") | test("^sluice/[^ ]* \\((run|observe)\\)")) |
		select($namespace == "" or .objectRef.namespace == $namespace) | [.user.username,
		((.annotations["authorization.k8s.io/reason"] // "") | capture("Role \"(?<role>[^\"]*)\"") // {}).role // "nobody",
		.responseStatus.code // 0,
		if .objectRef.resource then [.objectRef.apiGroup // "", .objectRef.resource, .objectRef.subresource // empty] | join("/")
		else "-" end, .verb, .requestURI] | @tsv' "$BED/audit.log"
}

# expect_own_account [NAMESPACE]: whatever the daemon asked for, it asked as the ServiceAccount that we ship (the observer: as its
# own), and by a role that we ship. Where some of it may have been denied, $denied_is_fine says why. Leaves what it used of the
# roles in $folder/rights.
expect_own_account() {
	local asked=$folder/asked others
	asked_by_daemon "${1:-}" | awk -F '\t' -v fine="${denied_is_fine:-}" 'fine == "" || ($3 != 401 && $3 != 403)' >"$asked"
	others=$(awk -F '\t' '$1 !~ /^system:serviceaccount:[^:]+:sluice(-observer)?$/ { print $1, $5, $6 }' "$asked" | sort | uniq -c)
	[ -z "$others" ] || wrong "the daemon ran as somebody else: $(head -5 <<<"$others")"
	others=$(awk -F '\t' '$3 == 403 { print $5, $6 }' "$asked" | sort | uniq -c)
	[ -z "$others" ] || wrong "the roles that we ship do not allow: $(head -5 <<<"$others")"
	# An API server that has too much to do, or is ending, refuses before it asks who may.
	others=$(awk -F '\t' '$3 != 0 && $3 != 403 && $3 != 429 && $3 < 500 && $4 != "-" && $2 !~ /^sluice/ { print $2, $5, $6 }' "$asked" |
		sort | uniq -c)
	[ -z "$others" ] || wrong "it was not a role of ours that allowed: $(head -5 <<<"$others")"
	awk -F '\t' '$3 != 403 && $4 != "-" { print $4, $5 }' "$asked" | sort -u >"$folder/rights"
	[ -s "$asked" ] || [ -z "${ran:-}" ] || wrong "nobody asked for anything as the daemon does: who called itself what?"
	[ ! -s "$asked" ] || say "the daemon: $(wc -l <"$asked") requests as its ServiceAccount, $(wc -l <"$folder/rights") of its rights"
	rm -f "$asked"
}

# expect_rights_cover FOLDER: all that the stories of the folder used is in a role that we ship, which has no wildcard. What is
# there and was not used is told: a part of the stories uses a part.
expect_rights_cover() {
	local roles used granted
	roles=("$root"/tools/deploy/rbac.yaml "$root"/tools/deploy/meshes/*.yaml "$root"/tools/deploy/observe/rbac.yaml)
	used=$(cat "$1"/*/rights 2>/dev/null | sort -u)
	granted=$(awk -f "$root/tools/e2e/rights.awk" "${roles[@]}" | sort -u)
	comm -13 <(printf '%s\n' "$used") <(printf '%s\n' "$granted") >"$1/rights-not-used"
	echo "rights: $(wc -w <<<"$used" | awk '{ print $1 / 2 }') used of $(wc -l <<<"$granted"); the others are in ${1#"$root/"}/rights-not-used"
	! grep -F '*' <<<"$granted" || echo "rights: WRONG: a wildcard"
	! comm -23 <(printf '%s\n' "$used") <(printf '%s\n' "$granted") | grep . || echo "rights: WRONG: used, and in no role"
	! grep -qF '*' <<<"$granted" && [ -z "$(comm -23 <(printf '%s\n' "$used") <(printf '%s\n' "$granted") | tr -d '\n')" ]
}
