package reference

import "github.com/soda-cdm/kahu/internal/core"

const (
	// serviceLabel is the label by which a slice of endpoints names its Service.
	serviceLabel = "kubernetes.io/service-name"
	// managerLabel is the label that tells who writes a slice of endpoints.
	managerLabel = "endpointslice.kubernetes.io/managed-by"
)

// sameName is the rule for an object that belongs to the one of another kind that has its name.
func sameName(resource string) rule {
	return func(of Subject, add func(need Need)) {
		add(Need{Resource: resource, Namespace: of.Namespace, Name: of.Name, Field: "metadata.name"})
	}
}

// handMadeEndpoints is the rule for a Service without a selector: what it leads to is written down by somebody in the
// Endpoints of its name, or in slices, which Inbound finds.
func handMadeEndpoints(of Subject, add func(need Need)) {
	if !selectsNothing(of) {
		return
	}
	add(Need{Resource: "endpoints", Namespace: of.Namespace, Name: of.Name, Optional: true, Field: "metadata.name"})
}

// selectsNothing tells whether a Service has no selector and is not just another name for a host.
func selectsNothing(of Subject) bool {
	spec := member(of.content, "spec")
	return len(member(spec, "selector")) == 0 && text(spec, "type") != "ExternalName"
}

// sliceService is the rule for the Service of a slice of endpoints.
func sliceService(of Subject, add func(need Need)) {
	add(Need{
		Resource: services().resource, Namespace: of.Namespace, Name: of.Labels[serviceLabel],
		Optional: true, Field: "metadata.labels[" + serviceLabel + "]",
	})
}

// annotated tells whether a rule reads annotations of objects of the kind.
func annotated(kind core.Kind) bool {
	switch kind.Group {
	case "":
		switch kind.Resource {
		case secrets().resource, claims().resource, "persistentvolumes":
			return true
		}
	case networkingGroup, "extensions":
		return kind.Resource == "ingresses"
	case snapshotGroup:
		return kind.Resource == "volumesnapshotcontents"
	}
	return false
}

// annotation is the rule for an annotation with the name of an object at cluster scope, as fields were called before
// they were fields.
func annotation(key string, to target) rule {
	return func(of Subject, add func(need Need)) {
		add(Need{
			Group: to.group, Resource: to.resource, Name: text(annotations(of), key),
			Field: "metadata.annotations[" + key + "]",
		})
	}
}

// annotatedSecret is the rule for a Secret whose name and namespace stand in two annotations, the keys of which begin
// with the prefix and end in name and namespace.
func annotatedSecret(prefix string) rule {
	return func(of Subject, add func(need Need)) {
		namespace := text(annotations(of), prefix+"namespace")
		if namespace == "" {
			return
		}
		add(Need{
			Resource: secrets().resource, Namespace: namespace, Name: text(annotations(of), prefix+"name"),
			Optional: true, Field: "metadata.annotations[" + prefix + "name]",
		})
	}
}

func annotations(of Subject) map[string]any {
	return member(member(of.content, "metadata"), "annotations")
}
