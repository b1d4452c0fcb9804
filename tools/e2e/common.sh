# What run.sh, control.sh and bench.sh have in common. $kubectl is set by who sources it.
# shellcheck shell=bash disable=SC2154

# as_service_account NAMESPACE NAME FILE: a kubeconfig with a token of it, and of nobody else.
as_service_account() {
	local token user
	token=$("$kubectl" -n "$1" create token "$2" --duration 24h) || return 1
	(umask 077 && "$kubectl" config view --raw --minify --flatten >"$3")
	"$kubectl" --kubeconfig "$3" config set-credentials e2e --token "$token" >/dev/null
	"$kubectl" --kubeconfig "$3" config set-context --current --user e2e >/dev/null
	for user in $("$kubectl" --kubeconfig "$3" config get-users | tail -n +2); do
		[ "$user" = e2e ] || "$kubectl" --kubeconfig "$3" config delete-user "$user" >/dev/null
	done
}

# need PROGRAM…: says which are missing, all at once, and how to get them.
need() {
	local program missing=
	for program; do
		command -v "$program" >/dev/null || missing="$missing $program"
	done
	[ -z "$missing" ] || {
		echo "$(basename "$0"): there is no$missing: tools/setup.sh e2e installs what is missing" >&2
		return 1
	}
}
