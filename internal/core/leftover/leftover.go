// Package leftover decides what becomes of what the volumes of a backup leave in the cluster when its Backup is gone, and nobody
// was asked what becomes of them: somebody has removed its finalizer by force, or the definition with all of its objects.
//
// A snapshot may be the data of a backup, and a backup is real when its manifest is. So nothing is removed that a manifest may
// name: neither where one is found, nor where it cannot be known that there is none.
package leftover

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Trace is what bears the UID of one backup: work orders, snapshots and the contents of these.
type Trace struct {
	// Name and UID are those of the backup, LocationID the identity of the location where its manifest was to be. The name
	// and the location are empty where nothing says them, or where not all say the same.
	Name, UID, LocationID string
	// Example is one of the objects, to speak of.
	Example Object
	// Youngest is when the last of them was created.
	Youngest time.Time
	// Cut tells that not all of them are work orders: those stay as long as their Backup, and all else goes when its run is over.
	Cut bool
}

// Object names an object of the cluster.
type Object struct{ APIVersion, Kind, Namespace, Name, UID string }

// orderKind is the kind of work orders.
const orderKind = "VolumeBackupContent"

// Add takes notice of one more object.
func (t *Trace) Add(object Object, name, locationID string, created time.Time) {
	if t.Example == (Object{}) {
		t.Name, t.LocationID, t.Example = name, locationID, object
	}
	if t.Name != name {
		t.Name = ""
	}
	if t.LocationID != locationID {
		t.LocationID = ""
	}
	t.Cut = t.Cut || object.Kind != orderKind
	if created.After(t.Youngest) {
		t.Youngest = created
	}
}

// Finding is what a location says of a manifest.
type Finding int

// The findings.
const (
	// Unknown: the location did not answer, or not so that it can be relied upon.
	Unknown Finding = iota
	// Named: there is a manifest of the backup.
	Named
	// Unnamed: there is none.
	Unnamed
)

// Answer is what one location says of the backup of a trace.
type Answer struct {
	Location, LocationID string
	Finding              Finding
	// Why says why it is unknown.
	Why string
}

// Verdict is what becomes of a trace.
type Verdict int

// The verdicts.
const (
	// Keep: it stays as it is, but for what is known to be no backup.
	Keep Verdict = iota
	// Release: the objects go, and the data stays, as a manifest names it.
	Release
	// Remove: the data goes, too.
	Remove
)

// Judge decides about a trace, and says why.
func Judge(trace *Trace, answers []Answer) (verdict Verdict, why string) {
	if at := slices.IndexFunc(answers, func(answer Answer) bool { return answer.Finding == Named }); at >= 0 {
		return Release, "its manifest is at location " + answers[at].Location
	}
	if trace.Name == "" || trace.LocationID == "" {
		return Keep, "nothing says where the manifest of its backup would be"
	}
	home := slices.IndexFunc(answers, func(answer Answer) bool { return answer.LocationID == trace.LocationID })
	if home < 0 {
		return Keep, fmt.Sprintf("there is no BackupLocation of the location %s where the manifest of its backup would be", trace.LocationID)
	}
	// The place where it was to be is said first.
	for _, at := range append([]int{home}, indexes(answers)...) {
		if answers[at].Finding == Unknown {
			return Keep, fmt.Sprintf("it is not known whether location %s has a manifest that names it: %s",
				answers[at].Location, cmp.Or(answers[at].Why, "it was not asked"))
		}
	}
	return Remove, "no location has a manifest that names it"
}

func indexes(answers []Answer) []int {
	all := make([]int, 0, len(answers))
	for at := range answers {
		all = append(all, at)
	}
	return all
}
