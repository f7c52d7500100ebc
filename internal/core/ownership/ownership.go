// Package ownership decides whether a cluster may take over the part of a location that another cluster has written.
//
// Who owns a part is the one whose nonce is in its owner file, and only that one deletes and collects there. A person wishes
// for a takeover; what this package looks after is that the other cluster is gone, as far as that can be seen. A cluster that
// lives writes something at least with every collection, so that a part in which nothing was written for several times as
// long has nobody who looks after it. What speaks against a takeover otherwise, only the decision of a person overrules.
//
// Nothing is lost where the decision is wrong: the other cluster finds a nonce that it did not write and stops deleting, and
// goes on to back up and to restore, as two who collect in one part do no harm (see package collection).
package ownership

import "time"

// Reason says why a part is not taken over.
type Reason string

// The reasons, which are those of the API.
const (
	// OwnCluster: the part is the cluster's own, which it claims without being asked.
	OwnCluster Reason = "OwnCluster"
	// ClusterNotFound: nothing lies there. The id may be a wrong one, and no part is made of it.
	ClusterNotFound Reason = "ClusterNotFound"
	// NotOwner: somebody else has taken the part over, or it was this cluster's and is not any more.
	NotOwner Reason = "NotOwner"
	// AgeUnknown: the store does not say when something was last written.
	AgeUnknown Reason = "AgeUnknown"
	// WrittenRecently: the other cluster may live.
	WrittenRecently Reason = "WrittenRecently"
)

// File is what the owner file of a part says.
type File struct {
	// Exists tells whether there is one, Unreadable that nobody can say what is in it.
	Exists, Unreadable bool
	// Nonce is what the last owner wrote, and Heir the cluster that it is, where it is not the one whose part it is.
	Nonce, Heir string
}

// Memory is what a cluster remembers of the nonces that it wrote into an owner file.
type Memory struct {
	// Written is in the file, unless somebody else has written there since. Pending may be, and so may Former, which another
	// process of the cluster was about to write when it was stopped.
	Written, Pending, Former string
}

// Wrote tells whether the cluster wrote the file.
func (m Memory) Wrote(file File) bool {
	return file.Exists && !file.Unreadable && file.Nonce != "" &&
		(file.Nonce == m.Written || file.Nonce == m.Pending || file.Nonce == m.Former)
}

// Part is what is known of the part of a cluster that another one shall take over.
type Part struct {
	// ClusterID is the cluster whose part it is, Self the one that shall own it.
	ClusterID, Self string
	// File is its owner file, Memory what Self remembers of it.
	File   File
	Memory Memory
	// Decided tells that a person has decided about this very part, whatever speaks against it.
	Decided bool
	// Empty tells that nothing lies there.
	Empty bool
	// Newest is when something was last written there, Now the present, both by the store's own clock; the zero value where
	// it does not say.
	Newest, Now time.Time
	// Patience is for how long nothing must have been written.
	Patience time.Duration
}

// Verdict is what comes of a wish to take a part over.
type Verdict int

// The verdicts.
const (
	// Refused: not without a person, for the Reason.
	Refused Verdict = iota
	// Later: when some more time has passed in which nothing is written.
	Later
	// Take: the cluster writes a nonce of its own into the owner file.
	Take
	// Owner: it is the owner.
	Owner
)

// Decide says what comes of the wish: why not, and how long it is at least until the part can be taken over.
func Decide(part Part) (verdict Verdict, why Reason, left time.Duration) {
	switch {
	case part.ClusterID == part.Self:
		return Refused, OwnCluster, 0
	case part.Memory.Wrote(part.File):
		return Owner, "", 0
	case part.Empty:
		return Refused, ClusterNotFound, 0
	case part.Decided, !part.File.Exists:
		return Take, "", 0 // Nobody owns a part without an owner file: only copies lie there.
	case part.File.Unreadable, part.Memory.Written != "", part.File.Heir != "":
		return Refused, NotOwner, 0
	case part.Newest.IsZero(), part.Now.IsZero():
		return Refused, AgeUnknown, 0
	}
	if left := part.Patience - part.Now.Sub(part.Newest); left > 0 {
		return Later, WrittenRecently, left
	}
	return Take, "", 0
}
