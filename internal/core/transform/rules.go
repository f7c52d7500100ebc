package transform

// rule changes what has to be changed in the objects of one kind, after what holds for every kind.
type rule func(e *edit)

// rules are by plural.group. Kinds that need no rule have none.
func rules() map[string]rule {
	return map[string]rule{
		"namespaces":             namespaceRule,
		"secrets":                secretRule,
		"persistentvolumes":      volumeRule,
		"persistentvolumeclaims": claimRule,
		"services":               serviceRule,

		"pods":                        podRule,
		"podgroups.scheduling.k8s.io": podGroupRule,
		"jobs.batch":                  jobRule,

		"rolebindings.rbac.authorization.k8s.io":        subjectsRule,
		"clusterrolebindings.rbac.authorization.k8s.io": subjectsRule,
		"networkpolicies.networking.k8s.io":             networkPolicyRule,

		"apiservices.apiregistration.k8s.io":                           apiServiceRule,
		"customresourcedefinitions.apiextensions.k8s.io":               definitionRule,
		"validatingwebhookconfigurations.admissionregistration.k8s.io": webhooksRule,
		"mutatingwebhookconfigurations.admissionregistration.k8s.io":   webhooksRule,
	}
}

// labelNamespaceName is the label by which selectors name a namespace.
const labelNamespaceName = "kubernetes.io/metadata.name"

// namespaceRule gives a namespace the name under which it is restored.
func namespaceRule(e *edit) {
	metadata := child(e.object, "metadata")
	e.mapNamespace(metadata, "metadata", "name")
	e.mapNamespace(child(metadata, "labels"), "metadata.labels", labelNamespaceName)
}

// secretRule makes the token controller fill a service account's token again: it removes secrets that name the UID of
// another service account, and leaves a token that is there as it is.
func secretRule(e *edit) {
	if text(e.object, "type") != "kubernetes.io/service-account-token" {
		return
	}
	const reason = "the token controller writes it for the new service account"
	e.remove(reason, "metadata", "annotations", "kubernetes.io/service-account.uid")
	for _, key := range []string{"token", "ca.crt", "namespace"} {
		e.remove(reason, "data", key)
	}
}
