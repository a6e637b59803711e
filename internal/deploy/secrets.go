package deploy

import (
	"fmt"
	"strings"

	"elt/internal/needs"
)

// secretName is the Kubernetes Secret of a group, as the manifests name it;
// configName the ConfigMap of variables that are no secrets.
func secretName(name string, group needs.Group) string { return name + "-" + string(group) }
func configName(name string) string                    { return name + "-config" }

// Kubectl is the commands that make a project's secrets and configuration from
// variables of the shell. No value stands in an argument list (invariant 10).
func Kubectl(n *needs.Needs, name, namespace string) string {
	var b strings.Builder
	b.WriteString(`# Run this with the variables set in the shell; their values pass through
# standard input, never through arguments. A value of several lines (a private
# key) does not fit into such lines: put it into a file, and use
#   kubectl create secret generic NAME --from-file=VARIABLE=FILE
# To replace a secret: kubectl delete secret NAME, then again.
`)
	where := ""
	if namespace != "" {
		where = " --namespace " + namespace
		fmt.Fprintf(&b, "kubectl create namespace %s --dry-run=client -o yaml | kubectl apply -f -\n", namespace)
	}
	var plain []string
	for _, group := range needs.Groups() {
		plain = append(plain, n.In(group, false)...)
		create(&b, "secret generic "+secretName(name, group), where, n.In(group, true))
	}
	create(&b, "configmap "+configName(name), where, plain)
	return b.String()
}

func create(b *strings.Builder, what, where string, variables []string) {
	if len(variables) == 0 {
		return
	}
	fmt.Fprintf(b, "\nkubectl create %s%s --from-env-file=/dev/stdin <<VARIABLES\n", what, where)
	for _, v := range variables {
		fmt.Fprintf(b, "%s=${%s?}\n", v, v)
	}
	b.WriteString("VARIABLES\n")
}
