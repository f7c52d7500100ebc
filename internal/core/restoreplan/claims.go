package restoreplan

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
)

// MakesClaim tells whether the controller of an object makes a claim of that name, and an empty one, where there is none: that
// of a StatefulSet does so for each pod and each template of a claim. Claims of pods beyond its replicas are not made.
func MakesClaim(kind core.Kind, object map[string]any, claim string) bool {
	if kind.GroupResource().String() != "statefulsets.apps" {
		return false
	}
	templates, _, _ := unstructured.NestedSlice(object, "spec", "volumeClaimTemplates")
	workload, _, _ := unstructured.NestedString(object, "metadata", "name")
	first, _, _ := unstructured.NestedInt64(object, "spec", "ordinals", "start")
	replicas, set, _ := unstructured.NestedInt64(object, "spec", "replicas")
	if !set {
		replicas = 1
	}
	for _, each := range templates {
		template, _ := each.(map[string]any)
		name, _, _ := unstructured.NestedString(template, "metadata", "name")
		digits, is := strings.CutPrefix(claim, name+"-"+workload+"-")
		ordinal, err := strconv.ParseInt(digits, 10, 32)
		if is && err == nil && strconv.FormatInt(ordinal, 10) == digits && ordinal >= first && ordinal-first < replicas {
			return true
		}
	}
	return false
}
