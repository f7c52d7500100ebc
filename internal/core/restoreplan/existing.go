package restoreplan

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
)

// Policy says what a restore does about an object that is in the cluster already.
type Policy string

// The policies.
const (
	// Skip leaves the object as it is.
	Skip Policy = "Skip"
	// Update makes it equal to the one of the backup, where the API server lets that happen.
	Update Policy = "Update"
	// Recreate deletes an object that differs, and creates it from the backup.
	Recreate Policy = "Recreate"
	// Fail ends the restore before anything is written, if any of its objects is there.
	Fail Policy = "Fail"
)

// recreated says how an object of a kind is deleted to be created again.
type recreated struct {
	// orphan tells that what the object owns stays, and is taken over by the new object, which selects it.
	orphan bool
}

// recreatable are the kinds whose objects may be deleted to be created again: nothing is lost with them that their
// controllers would not make again, and no data hangs on them.
func recreatable() map[string]recreated {
	made := map[string]recreated{}
	for _, kind := range []string{
		"deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "replicationcontrollers",
	} {
		made[kind] = recreated{orphan: true}
	}
	for _, kind := range []string{
		"configmaps", "secrets", "services", "endpoints", "endpointslices.discovery.k8s.io", "limitranges", "resourcequotas",
		"podtemplates", "controllerrevisions.apps", "jobs.batch", "cronjobs.batch", "pods",
		"roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io",
		"clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io",
		"networkpolicies.networking.k8s.io", "poddisruptionbudgets.policy", "ingresses.networking.k8s.io",
		"ingressclasses.networking.k8s.io", "horizontalpodautoscalers.autoscaling",
		"priorityclasses.scheduling.k8s.io", "runtimeclasses.node.k8s.io", "storageclasses.storage.k8s.io",
	} {
		made[kind] = recreated{}
	}
	return made
}

// losses say what would be lost with the objects of kinds that people most expect to be recreated.
func losses() map[string]string {
	return map[string]string{
		namespaceKind:       "everything in the namespace would be deleted with it",
		definitionKind:      "all custom resources of its kind would be deleted with it",
		"persistentvolumes": "the data of the volume could be deleted with it",
		claimKind:           "the data of its volume could be deleted with it",
		serviceAccountKind:  "its tokens would be deleted with it, and running pods would lose theirs",
		apiServiceKind:      "the objects that it serves would be out of reach meanwhile",
	}
}

// Deletion says whether an object that is there may be deleted to be created again.
type Deletion struct {
	// Refused says why it may not; empty where it may.
	Refused string
	// Orphan tells that what the object owns must stay.
	Orphan bool
}

// Recreatable tells whether objects of a kind may ever be deleted to be created again.
func Recreatable(kind core.Kind) bool {
	_, found := recreatable()[kind.GroupResource().String()]
	return found
}

// ToRecreate decides whether an object may be deleted to be created again. No data must be lost, and nothing outside of
// the cluster undone: what is not known to be harmless is refused.
func ToRecreate(living core.Living) Deletion {
	kind := living.Kind.GroupResource().String()
	if loss, found := losses()[kind]; found {
		return Deletion{Refused: loss}
	}
	how, found := recreatable()[kind]
	if !found {
		return Deletion{Refused: "its controller could delete what it stands for"}
	}
	if len(living.Finalizers) > 0 {
		return Deletion{Refused: fmt.Sprintf("it has finalizers (%s), which stand for something that would be undone with it",
			strings.Join(living.Finalizers, ", "))}
	}
	return Deletion{Orphan: how.orphan}
}

// Merge completes an object of the backup with what the API server and the controllers own of the living one, so that
// writing it over the living one changes what people write and nothing else. taken are the paths of what was taken from
// the object because it belonged to its old self, in the words of package transform.
func Merge(kind core.Kind, object, living map[string]any, taken []string) {
	for _, path := range append(slices.Clone(taken), serverFields()[kind.GroupResource().String()]...) {
		fields := split(path)
		if fields != nil && path != allLabels {
			keep(object, living, fields)
		}
	}
	if slices.Contains(taken, allLabels) {
		labelByTemplate(object)
	}
	stayBound(kind, object, living)
	metadata, mapOK := object["metadata"].(map[string]any)
	livingMetadata, livingOK := living["metadata"].(map[string]any)
	if !mapOK || !livingOK {
		return
	}
	for _, field := range []string{"uid", "resourceVersion"} {
		metadata[field] = livingMetadata[field]
	}
	keep(metadata, livingMetadata, []string{"ownerReferences"})
	delete(metadata, "generateName") // How a name came to be says nothing of what lives under it.
	keep(metadata, livingMetadata, []string{"generateName"})
	metadata["finalizers"] = union(metadata["finalizers"], livingMetadata["finalizers"])
	if metadata["finalizers"] == nil {
		delete(metadata, "finalizers")
	}
}

// allLabels is what is taken from a Job whose labels are those of its template.
const allLabels = "metadata.labels"

// labelByTemplate gives an object without labels those of its template, as the API server does when it is created. The living
// object may have got others since, which are not the cluster's.
func labelByTemplate(object map[string]any) {
	template, _, _ := unstructured.NestedMap(object, "spec", "template", "metadata", "labels")
	metadata, _ := object["metadata"].(map[string]any)
	if _, labelled := metadata["labels"]; !labelled && metadata != nil && template != nil {
		metadata["labels"] = template
	}
}

// serverFields are fields that the cluster fills in once an object lives, and then guards.
func serverFields() map[string][]string {
	return map[string][]string{
		claimKind: {
			"spec.volumeName", "metadata.annotations['pv.kubernetes.io/bind-completed']",
			"metadata.annotations['pv.kubernetes.io/bound-by-controller']",
		},
		podKind:      {"spec.nodeName"},
		"jobs.batch": {"spec.selector"},
	}
}

// stayBound leaves a living piece of storage to whoever has it: the backup may name a copy of that, in another namespace or
// under another name.
func stayBound(kind core.Kind, object, living map[string]any) {
	fields := map[string]string{
		"persistentvolumes": "claimRef", "volumesnapshotcontents.snapshot.storage.k8s.io": "volumeSnapshotRef",
	}
	field := fields[kind.GroupResource().String()]
	spec, _ := object["spec"].(map[string]any)
	livingSpec, _ := living["spec"].(map[string]any)
	if owner, bound := livingSpec[field]; bound && spec != nil {
		spec[field] = owner
	}
}

// keep takes a field, to which the names lead, from the living object where the other one has none.
func keep(object, living map[string]any, fields []string) {
	for depth, field := range fields {
		value, lives := living[field]
		if !lives {
			return
		}
		current, found := object[field]
		if !found {
			// What would be empty maps on the way is only made where there is something to keep.
			if kept, is := alone(value, fields[depth+1:]); is {
				object[field] = kept
			}
			return
		}
		inner, livingIsMap := value.(map[string]any)
		next, isMap := current.(map[string]any)
		if !livingIsMap || !isMap {
			return
		}
		object, living = next, inner
	}
}

// alone returns the value with nothing in it but the field to which the names lead; false where it has none.
func alone(value any, fields []string) (any, bool) {
	if len(fields) == 0 {
		return value, true
	}
	inner, _ := value.(map[string]any)
	next, found := inner[fields[0]]
	if !found {
		return nil, false
	}
	kept, is := alone(next, fields[1:])
	return map[string]any{fields[0]: kept}, is
}

// union returns the elements of both lists, each once, or nil.
func union(first, second any) any {
	one, _ := first.([]any)
	other, _ := second.([]any)
	all := slices.Clone(one)
	for _, element := range other {
		if !slices.Contains(all, element) {
			all = append(all, element)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// split returns the fields of a path, or nil where it goes through a list.
func split(path string) []string {
	var fields []string
	for path != "" {
		quoted, isQuoted := strings.CutPrefix(path, "['")
		if isQuoted {
			name, rest, closed := strings.Cut(quoted, "']")
			if !closed {
				return nil
			}
			fields = append(fields, name)
			path = strings.TrimPrefix(rest, ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			return append(fields, path)
		}
		if end > 0 {
			fields = append(fields, path[:end])
		}
		if path[end] == '[' && !strings.HasPrefix(path[end:], "['") {
			return nil
		}
		path = strings.TrimPrefix(path[end:], ".")
	}
	return fields
}
