# "GROUP/RESOURCE VERB" of each rule of the roles (YAML as we write it) that are read.
function items(text) { sub(/^[^[]*\[/, "", text); sub(/\].*/, "", text); gsub(/"/, "", text); return text }
/^---/ { in_rules = 0 }
/^unexplained/ { print }
/^rules:/ { in_rules = 1; next }
in_rules && /apiGroups:/ { group = items($0) }
in_rules && /resources:/ { count = split(items($0), resources, ", ") }
in_rules && /verbs:/ {
	verbs = split(items($0), verb, ", ")
	for (i = 1; i <= count; i++) for (j = 1; j <= verbs; j++) print group "/" resources[i], verb[j]
}
