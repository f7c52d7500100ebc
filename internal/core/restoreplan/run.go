package restoreplan

import (
	"time"

	"github.com/soda-cdm/kahu/internal/core"
)

// Run is what an attempt at a restore knows of itself when it meets an object that is there already.
type Run struct {
	// Began is when the API server created the Restore.
	Began time.Time
	// Resumed tells that there was an attempt before this one.
	Resumed bool
}

// MadeBare tells whether a living object without any field counts as created by an attempt before this one: the account of
// the API server, which names the creator of every other object, has nothing on it. So it must not be older than the
// Restore, and what this attempt would create, which is wished, must be as bare.
func (r Run) MadeBare(living core.Living, wished map[string]any) bool {
	return r.MayHaveMadeBare(living) && !HasFields(wished)
}

// MayHaveMadeBare tells whether the object may be one that an earlier attempt created without a field: nobody can be named
// who wrote it, and it is not older than the Restore. Both times are those of the API server, in whole seconds.
func (r Run) MayHaveMadeBare(living core.Living) bool {
	return r.Resumed && len(living.Managers) == 0 && !living.Created.Before(r.Began)
}

// HasFields tells whether an object that is to be created has anything besides its identity of which the API server keeps
// account. References to owners do not count, as those to owners that are not there are dropped.
func HasFields(object map[string]any) bool {
	for field, value := range object {
		switch field {
		case "apiVersion", "kind", "status":
		case "metadata":
			metadata, _ := value.(map[string]any)
			if labelled(metadata) {
				return true
			}
		default:
			if !isEmpty(value) {
				return true
			}
		}
	}
	return false
}

// labelled tells whether metadata say anything besides the identity of the object.
func labelled(metadata map[string]any) bool {
	for field, value := range metadata {
		switch field {
		case "name", "namespace", "generateName", "uid", "resourceVersion", "creationTimestamp", "generation", "selfLink",
			"managedFields", "ownerReferences":
		default:
			if !isEmpty(value) {
				return true
			}
		}
	}
	return false
}

// isEmpty tells whether a value is one that the API server does not keep.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return false
}
