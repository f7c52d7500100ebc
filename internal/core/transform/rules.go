package transform

// rule changes what has to be changed in the objects of one kind, after what holds for every kind.
type rule func(e *edit)

// rules are by plural.group; where objects merely name namespaces, that is in namespaceFields. Kinds that need no rule have none.
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

		"clusterroles.rbac.authorization.k8s.io":        roleRule,
		"rolebindings.rbac.authorization.k8s.io":        subjectsRule,
		"clusterrolebindings.rbac.authorization.k8s.io": subjectsRule,
		"flowschemas.flowcontrol.apiserver.k8s.io":      flowSchemaRule,

		"storageclasses.storage.k8s.io":                  parametersRule,
		"volumesnapshotclasses.snapshot.storage.k8s.io":  parametersRule,
		"volumesnapshotcontents.snapshot.storage.k8s.io": snapshotContentRule,
	}
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
