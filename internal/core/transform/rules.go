package transform

// rule changes what has to be changed in the objects of one kind.
type rule func(e *edit)

// rules are by plural.group.
func rules() map[string]rule {
	return map[string]rule{
		"namespaces": namespaceRule,
	}
}

// namespaceRule gives a namespace the name under which it is restored.
func namespaceRule(e *edit) {
	metadata := child(e.object, "metadata")
	labels := child(metadata, "labels")
	e.mapNamespace(metadata, "metadata", "name")
	e.mapNamespace(labels, "metadata.labels", "kubernetes.io/metadata.name")
}
