package draft

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

// Aftermath is what is written of an object after it was created.
type Aftermath struct {
	// Status is what its status was; nil where it is not restored.
	Status any
	// Release takes back what held the new object; nil where nothing did.
	Release map[string]any
}

// aftermathOf takes note of what is written of an object after its creation, before it is changed for its way back. A Job
// that had finished is held until its status says so: it would run again.
func (d *Drafter) aftermathOf(item *restoreplan.Item, object *unstructured.Unstructured) Aftermath {
	status, has := object.Object["status"]
	if !has {
		return Aftermath{}
	}
	if !d.RunFinished && transform.Finished(*item.Kind, object.Object) {
		return Aftermath{Status: status, Release: transform.Release(object.Object)}
	}
	chosen := d.WithStatus != nil && d.WithStatus.Object(*item.Kind, item.Namespace, item.Name, object.GetLabels()).In
	if !chosen {
		return Aftermath{}
	}
	return Aftermath{Status: status}
}

// skipsFinished tells whether the object is a Pod that had finished. A Pod cannot be made so that it does not run.
func (d *Drafter) skipsFinished(item *restoreplan.Item, object *unstructured.Unstructured) bool {
	return !d.RunFinished && item.Kind.Group == "" && item.Kind.Resource == "pods" &&
		transform.Finished(*item.Kind, object.Object)
}
