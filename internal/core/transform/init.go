package transform

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/soda-cdm/kahu/internal/core"
)

// templatePath returns where an object of the kind has what its pods are made of: empty for a pod, nil for a kind without.
func templatePath(kind core.Kind) ([]string, bool) {
	switch kind.GroupResource().String() {
	case "pods":
		return nil, true
	case "deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "replicationcontrollers", "jobs.batch":
		return []string{"spec", "template"}, true
	case "cronjobs.batch":
		return []string{"spec", "jobTemplate", "spec", "template"}, true
	}
	return nil, false
}

// HasPods tells whether objects of the kind are pods, or are what pods are made of.
func HasPods(kind core.Kind) bool {
	_, has := templatePath(kind)
	return has
}

// PodTemplate returns what the pods of an object are made of: the object itself where it is a pod.
func PodTemplate(kind core.Kind, object map[string]any) (map[string]any, bool) {
	path, has := templatePath(kind)
	if !has {
		return nil, false
	}
	template := child(object, path...)
	return template, template != nil
}

// AddInit puts init containers before those that the pods of an object have.
func AddInit(kind core.Kind, object map[string]any, containers []any, reason string) []Change {
	template, has := PodTemplate(kind, object)
	spec := child(template, "spec")
	if !has || spec == nil || len(containers) == 0 {
		return nil
	}
	own, _ := spec["initContainers"].([]any)
	added := make([]any, 0, len(containers)+len(own))
	for _, container := range containers {
		added = append(added, runtime.DeepCopyJSONValue(container))
	}
	spec["initContainers"] = slices.Concat(added, own)
	path, _ := templatePath(kind)
	return []Change{{Path: join("", append(slices.Clone(path), "spec", "initContainers")...), Reason: reason}}
}
