#!/bin/sh
# The manual page, of what the program says about itself. Usage: tools/man.sh SLUICE >sluice.1
set -eu
sluice=$1

# Text as troff takes it: a backslash, a dash and a leading dot or quote mean something there.
escape() {
	sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\\([.']\\)/\\\\\\&\\1/"
}

verbs=$("$sluice" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p')

printf '.TH SLUICE 1 "" "%s"\n' "$("$sluice" --version)"
printf '.SH NAME\nsluice \\- progressive delivery for Kubernetes, decided by Lua policies\n'
printf '.SH SYNOPSIS\n.B sluice\n.I verb\n[flags] [arguments]\n.SH VERBS\n'
"$sluice" help | sed -n 's/^  \([a-z-]*\)  *\(.*\)/.TP\n.B \1\n\2/p' | sed '/^\.[TB]/!s/-/\\-/g'
for verb in $verbs; do
	printf '.SH %s\n.nf\n' "$(echo "sluice $verb" | escape)"
	"$sluice" "$verb" --help 2>&1 | escape || true
	printf '.fi\n'
done
cat <<'END'
.SH EXIT STATUS
0 succeeded, 1 bad input, 2 rolled back or something differs, 3 not finished.
.SH ENVIRONMENT
.TP
.B KUBECONFIG
how to reach the cluster, where no flag says it
.TP
.B NO_COLOR
follow draws without colours
.TP
.B EVENT_WEBHOOK_URL, SLACK_URL, SLACK_TOKEN, SLACK_PROXY_URL, MSTEAMS_URL, MSTEAMS_PROXY_URL
win over the flags of run that they are called after
.SH SEE ALSO
.BR kubectl (1)
END
