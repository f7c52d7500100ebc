package fakecluster

import (
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// account writes down that a manager has written the object, after those who did before. As an API server, it keeps no
// account of an object without any field; a Namespace has a label with its name.
func account(object *unstructured.Unstructured, before []metav1.ManagedFieldsEntry, manager string) {
	object.SetManagedFields(nil)
	if isNamespace := object.GetKind() == "Namespace" && object.GetAPIVersion() == "v1"; isNamespace || hasFields(object) {
		object.SetManagedFields(append(before, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate,
		}))
	}
}

// hasFields tells whether an object has anything but its identity, and what is empty.
func hasFields(object *unstructured.Unstructured) bool {
	rest := maps.Clone(object.Object)
	for _, field := range []string{"apiVersion", "kind", "metadata"} {
		delete(rest, field)
	}
	for _, value := range rest {
		if text := fmt.Sprint(value); text != "map[]" && text != "[]" && text != "<nil>" {
			return true
		}
	}
	return len(object.GetLabels())+len(object.GetAnnotations())+len(object.GetFinalizers())+len(object.GetOwnerReferences()) > 0
}
