package restoreplan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Need is something at cluster scope that an object is of no use without, although the API server takes it.
type Need struct {
	// Resource is its kind, Name its name; an empty name stands for the default one.
	Resource schema.GroupResource
	Name     string
}

// String returns the need for people.
func (n Need) String() string {
	if n.Name == "" {
		return "a default of " + n.Resource.String()
	}
	return n.Resource.String() + " " + n.Name
}

// IsStorageClass tells whether it is a StorageClass that is needed.
func (n Need) IsStorageClass() bool { return n.Resource == storageClasses }

// The kinds of classes.
var (
	storageClasses  = schema.GroupResource{Group: "storage.k8s.io", Resource: "storageclasses"}     //nolint:gochecknoglobals // Names, never changed.
	ingressClasses  = schema.GroupResource{Group: "networking.k8s.io", Resource: "ingressclasses"}  //nolint:gochecknoglobals // Names, never changed.
	priorityClasses = schema.GroupResource{Group: "scheduling.k8s.io", Resource: "priorityclasses"} //nolint:gochecknoglobals // Names, never changed.
	runtimeClasses  = schema.GroupResource{Group: "node.k8s.io", Resource: "runtimeclasses"}        //nolint:gochecknoglobals // Names, never changed.
)

// Needs returns the classes that an object names.
func Needs(kind core.Kind, object map[string]any) []Need {
	spec, _ := object["spec"].(map[string]any)
	switch kind.GroupResource().String() {
	case claimKind:
		return claimNeeds(spec)
	case "persistentvolumes":
		return nil // Its class is a name by which claims find it, and need not exist.
	case "ingresses.networking.k8s.io":
		return named(nil, ingressClasses, spec, "ingressClassName")
	case "statefulsets.apps":
		var needs []Need
		templates, _ := spec["volumeClaimTemplates"].([]any)
		for _, template := range templates {
			claim, _ := template.(map[string]any)
			claimSpec, _ := claim["spec"].(map[string]any)
			needs = append(needs, claimNeeds(claimSpec)...)
		}
		return append(needs, podNeeds(podSpec(spec))...)
	case podKind:
		return podNeeds(spec)
	case "cronjobs.batch":
		job, _ := spec["jobTemplate"].(map[string]any)
		spec, _ = job["spec"].(map[string]any)
	}
	return podNeeds(podSpec(spec))
}

// claimNeeds returns the class of a claim. One that has a volume has all that it needs.
func claimNeeds(spec map[string]any) []Need {
	class, given := spec["storageClassName"]
	if volume, _ := spec["volumeName"].(string); volume != "" || class == "" {
		return nil
	}
	if !given {
		return []Need{{Resource: storageClasses}}
	}
	return named(nil, storageClasses, spec, "storageClassName")
}

// podSpec returns the spec of the pods that a workload makes, or nil.
func podSpec(spec map[string]any) map[string]any {
	template, _ := spec["template"].(map[string]any)
	found, _ := template["spec"].(map[string]any)
	return found
}

func podNeeds(spec map[string]any) []Need {
	var needs []Need
	switch spec["priorityClassName"] {
	case "system-cluster-critical", "system-node-critical": // The API server makes them in every cluster, and again.
	default:
		needs = named(needs, priorityClasses, spec, "priorityClassName")
	}
	return named(needs, runtimeClasses, spec, "runtimeClassName")
}

func named(needs []Need, kind schema.GroupResource, spec map[string]any, field string) []Need {
	if name, _ := spec[field].(string); name != "" {
		needs = append(needs, Need{Resource: kind, Name: name})
	}
	return needs
}

// IsDefaultClass tells whether a class is the one of those that name none.
func IsDefaultClass(object map[string]any) bool {
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	// Kubernetes still takes the second, from before storage classes were stable.
	return annotations["storageclass.kubernetes.io/is-default-class"] == "true" ||
		annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true"
}

// OverQuota returns which counts of objects a quota would not let in, with the numbers. created are the objects that are
// to be created in its namespace, by their kinds.
func OverQuota(quota map[string]any, created map[schema.GroupResource]int64) []string {
	status, _ := quota["status"].(map[string]any)
	hard, _ := status["hard"].(map[string]any)
	used, _ := status["used"].(map[string]any)
	var over []string
	for _, kind := range slices.SortedFunc(maps.Keys(created), compareResources) {
		names := []string{"count/" + kind.String()}
		if kind.Group == "" {
			names = append(names, kind.Resource)
		}
		for _, name := range names {
			limit, limited := quantity(hard[name])
			now, _ := quantity(used[name])
			after := now.DeepCopy()
			after.Add(*resource.NewQuantity(created[kind], resource.DecimalSI))
			if limited && after.Cmp(limit) > 0 {
				over = append(over, fmt.Sprintf("%s: %s are used of %s, and %d more are to be created", name, &now, &limit, created[kind]))
			}
		}
	}
	return over
}

func compareResources(a, b schema.GroupResource) int { return strings.Compare(a.String(), b.String()) }

// quantity reads a number of objects, which people may write as they write any other quantity, such as 1k.
func quantity(value any) (resource.Quantity, bool) {
	text, _ := value.(string)
	number, err := resource.ParseQuantity(text)
	return number, err == nil
}
