package fakecluster

import (
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// account writes down that a manager has written the object, or a part of it that is a subresource, after those who did
// before. As an API server, it keeps no account of an object without any field; a Namespace has a label with its name.
func account(object *unstructured.Unstructured, before []metav1.ManagedFieldsEntry, manager, subresource string) {
	object.SetManagedFields(nil)
	if isNamespace := object.GetKind() == "Namespace" && object.GetAPIVersion() == "v1"; !isNamespace && !hasFields(object) {
		return
	}
	entry := metav1.ManagedFieldsEntry{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: subresource}
	if !slices.Contains(before, entry) {
		before = append(before, entry)
	}
	object.SetManagedFields(before)
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
