package transform

import "github.com/soda-cdm/kahu/internal/core"

const (
	reasonIdentity = "the API server gives it to the new object"
	reasonManagers = "the new object is written by its restore, and by whoever changes it from then on"
	reasonDeletion = "the old object was being deleted, the new one is not"
	reasonStatus   = "controllers report it, and the API server accepts it from nobody else"
)

// metadata applies what holds for every kind.
func (e *edit) metadata(kind core.Kind) {
	metadata := child(e.object, "metadata")
	e.removeFrom(metadata, "metadata", reasonIdentity,
		"uid", "resourceVersion", "generation", "creationTimestamp", "selfLink")
	e.removeFrom(metadata, "metadata", reasonDeletion, "deletionTimestamp", "deletionGracePeriodSeconds")
	e.removeFrom(metadata, "metadata", reasonManagers, "managedFields")
	namespace := text(metadata, "namespace")
	e.mapped = namespace != "" && e.namespace(namespace) != namespace
	e.mapNamespace(metadata, "metadata", "namespace")
	if !kind.Custom {
		e.remove(reasonStatus, "status")
	}
}
