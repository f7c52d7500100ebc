package restoreplan

import (
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
)

// Made says what earlier attempts of the same restore have done about an object.
type Made uint8

// What they can have done.
const (
	// Unmade means nothing, or nothing that is known.
	Unmade Made = iota
	// Bare means that they may have created the object. It has no field, and the API server keeps account of fields alone.
	Bare
	// Created means that they created the object.
	Created
	// Overwritten means that they gave an object that was there its content from the backup, or created it in the place of
	// one that was there.
	Overwritten
)

// MadeBy tells what the restore of a UID has done about a living object, as far as the account of the API server says.
func MadeBy(living core.Living, uid string) Made {
	switch {
	case living.WrittenBy(Manager(uid)):
		return Created
	case living.WrittenBy(Updater(uid)):
		return Overwritten
	}
	return Unmade
}

// Run is what an attempt at a restore knows of itself when it meets an object that is there already.
type Run struct {
	// UID is that of the Restore, Began is when the API server created it.
	UID   string
	Began time.Time
	// Resumed tells that there was an attempt before this one.
	Resumed bool
}

// Made tells what earlier attempts have done about a living object. One without any field may be theirs if there were any,
// nobody else can be named who wrote it, and it is not older than the Restore. Both times are those of the API server, in
// whole seconds.
func (r Run) Made(living core.Living) Made {
	made := MadeBy(living, r.UID)
	if made == Unmade && r.Resumed && !slices.ContainsFunc(living.Managers, r.isOther) && !living.Created.Before(r.Began) {
		return Bare
	}
	return made
}

// isOther tells whether an entry of an account is not of this restore, which writes a status of nothing but what it has made.
func (r Run) isOther(by core.Manager) bool {
	return by.Name != Manager(r.UID) && by.Name != Updater(r.UID)
}

// Changed tells whether somebody else has written to the object itself: neither this restore nor Kubernetes.
func (r Run) Changed(living core.Living) bool {
	return slices.ContainsFunc(living.Managers, func(by core.Manager) bool {
		return by.Subresource != "status" && !by.System() && r.isOther(by)
	})
}

// WroteStatus tells whether this restore has written the status of the object.
func (r Run) WroteStatus(living core.Living) bool {
	return slices.ContainsFunc(living.Managers, func(by core.Manager) bool {
		return by.Subresource == "status" && !r.isOther(by)
	})
}

// Given tells the same of an object of which it is known what this attempt would create: a bare one is another's if that is
// not as bare.
func (m Made) Given(wished map[string]any) Made {
	if m == Bare && hasFields(wished) {
		return Unmade
	}
	return m
}

// hasFields tells whether an object that is to be created has anything besides its identity of which the API server keeps
// account. References to owners do not count, as those to owners that are not there are dropped.
func hasFields(object map[string]any) bool {
	for field, value := range object {
		switch field {
		case "apiVersion", "kind", "status":
		case "metadata":
			metadata, _ := value.(map[string]any)
			if labelled(metadata) {
				return true
			}
		default:
			if !core.IsEmpty(value) {
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
			if !core.IsEmpty(value) {
				return true
			}
		}
	}
	return false
}
