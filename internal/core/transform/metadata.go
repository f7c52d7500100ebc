package transform

import (
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/naming"
)

const (
	reasonIdentity = "the API server gives it to the new object"
	reasonManagers = "the new object is written by its restore, and by whoever changes it from then on"
	reasonDeletion = "the old object was being deleted, the new one is not"
	reasonStatus   = "controllers report it, and the API server accepts it from nobody else"
)

// version makes the object one of the version in which it is sent, where that is not the one in which it was backed up.
func (e *edit) version(kind core.Kind) {
	was := text(e.object, "apiVersion")
	if is := kind.APIVersion(); was != "" && is != was {
		e.object["apiVersion"] = is
		e.note("apiVersion", "the cluster does not serve "+was+", from which "+is+" differs in its name alone")
	}
}

// rename writes the names that objects get into the object. The namespaces in it are still those of the backup.
func (e *edit) rename(kind core.Kind, names *naming.Names) {
	for _, renamed := range names.Rename(kind, e.object) {
		reason := renamed.From + " is restored as " + renamed.To
		if renamed.Field == "metadata.name" {
			e.renamed, reason = true, "the restore has a prefix"
		}
		e.note(renamed.Field, reason)
	}
}

// metadata applies what holds for every kind.
func (e *edit) metadata(kind core.Kind) {
	metadata := child(e.object, "metadata")
	e.removeFrom(metadata, "metadata", reasonIdentity,
		"uid", "resourceVersion", "generation", "creationTimestamp", "selfLink")
	e.removeFrom(metadata, "metadata", reasonDeletion, "deletionTimestamp", "deletionGracePeriodSeconds")
	e.removeFrom(metadata, "metadata", reasonManagers, "managedFields")
	e.finalizers(metadata)
	namespace := text(metadata, "namespace")
	e.mapped = namespace != "" && e.namespace(namespace) != namespace
	e.mapNamespace(metadata, "metadata", "namespace")
	if !kind.Custom {
		e.remove(reasonStatus, "status")
	}
}

// passingFinalizers are those that a built-in controller sets while it does something with an object, and would not
// take away from one with which it has never done it. All others stay: what set them is in the cluster, or is restored.
func passingFinalizers() map[string]bool {
	return map[string]bool{
		"foregroundDeletion": true, // steps in the deletion of the old object
		"orphan":             true,
		// Set by the controller of jobs in the pods that it makes, and by that of services when it has made a load balancer.
		"batch.kubernetes.io/job-tracking":            true,
		"service.kubernetes.io/load-balancer-cleanup": true,
	}
}

// finalizers takes out those that belonged to the old object.
func (e *edit) finalizers(metadata map[string]any) {
	finalizers, _ := metadata["finalizers"].([]any)
	passing := passingFinalizers()
	kept := make([]any, 0, len(finalizers))
	var gone []string
	for _, item := range finalizers {
		if name, _ := item.(string); passing[name] {
			gone = append(gone, name)
			continue
		}
		kept = append(kept, item)
	}
	if len(gone) == 0 {
		return
	}
	if metadata["finalizers"] = kept; len(kept) == 0 {
		delete(metadata, "finalizers")
	}
	e.note("metadata.finalizers", strings.Join(gone, ", ")+": a built-in controller set it for what it did with the old object")
}
