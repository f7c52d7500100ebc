package restoreplan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Plan is what a restore does.
type Plan struct {
	// Waves are the objects to create. A wave begins when the one before it has ended; its objects can be created at
	// the same time.
	Waves []Wave
	// Skipped are the objects that are not created, in the order of their keys.
	Skipped []*Item
	// Namespaces are the namespaces (by their names in the backup, sorted) that are created or in which something is
	// created.
	Namespaces []string
	// Awaited are those of Namespaces whose Namespace objects are not created: they must be there already.
	Awaited []string
}

// Wave is a set of objects that can be created at the same time.
type Wave struct {
	// Name is the row of the order of kinds that the wave belongs to; several waves can have the same.
	Name string
	// Why says why the row has its place.
	Why string
	// Definitions tells whether the wave consists of definitions: it ends when they are established.
	Definitions bool
	// Items are in the order in which segments are read with the least effort. There is at least one.
	Items []*Item
}

// Left returns the wave without the objects that are settled.
func (w Wave) Left() Wave {
	if slices.ContainsFunc(w.Items, (*Item).settled) {
		w.Items = slices.DeleteFunc(slices.Clone(w.Items), (*Item).settled)
	}
	return w
}

func (i *Item) settled() bool { return i.Settled }

// Action says what happens to an object.
type Action uint8

const (
	// Create means that the object is created, unless one of its name is there already.
	Create Action = iota + 1
	// SkipControlled means that a controller makes the object again.
	SkipControlled
)

// String returns the action as it stands in reports.
func (a Action) String() string {
	if a == SkipControlled {
		return "SkipControlled"
	}
	return "Create"
}

// kindInfo is what the planner knows of a kind.
type kindInfo struct {
	core.Kind
	name string // plural.group
	row  int32
}

// ID stands for the UID of an object in the cluster that was backed up. It is comparable.
type ID [16]byte

// IDOf returns the ID for a UID, whatever its form.
func IDOf(uid types.UID) ID {
	sum := sha256.Sum256([]byte(uid))
	return ID(sum[:len(ID{})])
}

// Item is one object of a plan. It takes 160 bytes besides its namespace and name.
type Item struct {
	// Kind is the kind as the server served it when the object was read.
	Kind *core.Kind
	// Namespace is the object's namespace in the backup, empty at cluster scope.
	Namespace string
	// Name is the object's name.
	Name string
	// ID stands for the object's UID in the backup.
	ID ID
	// Reason says why the object is skipped; empty for objects to create.
	Reason string
	// Action says what happens to the object.
	Action Action
	// Owns tells whether an object to create has this one as an owner: whoever creates it remembers its new UID.
	Owns bool
	// ClusterMade tells whether Kubernetes makes an object of this name by itself in every new namespace. Where it was
	// faster in a namespace that this restore created, its object is to be written over with the one of the backup.
	ClusterMade bool
	// ForeignOwner tells whether the object names an owner that is not created before it by the plan: what becomes of
	// that reference is found out when it is created.
	ForeignOwner bool
	// Made says what an earlier attempt of the same restore is known to have done about the object, and Settled that
	// nothing is left to do for it. Both are set after the plan is made.
	Made    Made
	Settled bool

	// state and free matter only while the plan is made, and so does by which number the edges are known that the item
	// waits for.
	state    visit
	free     bool // a definition that does not wait for its owners
	waitFrom int32
	waitTo   int32
	place    place

	info   *kindInfo
	frame  *archive.FrameRef
	offset int64
	length int64
	digest [sha256.Size]byte
}

// Key returns the object's name in the backup.
func (i *Item) Key() core.Key {
	return core.Key{Group: i.Kind.Group, Resource: i.Kind.Resource, Namespace: i.Namespace, Name: i.Name}
}

// PlannedOwners returns how many of those come before the object in the plan that it names as its owners, or that it is the
// endpoints of.
func (i *Item) PlannedOwners() int { return int(i.waitTo - i.waitFrom) }

// Record returns what is needed to read the object from the archive. It has neither UID nor labels nor owners.
func (i *Item) Record() archive.Record {
	return archive.Record{
		Kind: *i.Kind, Namespace: i.Namespace, Name: i.Name, Frame: *i.frame, Offset: i.offset, Length: i.length,
		Digest: archive.Digest(digestPrefix + hex.EncodeToString(i.digest[:])),
	}
}

// Segment returns the name of the segment that the object is in.
func (i *Item) Segment() string { return i.frame.Segment }

// SameFrame tells whether both objects are in the same frame, so that it is read once.
func (i *Item) SameFrame(other *Item) bool { return i.frame == other.frame }

const digestPrefix = "sha256:"

// compareReading orders items by where their bytes are.
func compareReading(x, y *Item) int {
	return cmp.Or(
		strings.Compare(x.frame.Segment, y.frame.Segment),
		cmp.Compare(x.frame.Offset, y.frame.Offset),
		cmp.Compare(x.frame.Length, y.frame.Length),
		cmp.Compare(x.offset, y.offset),
		compareKeys(x, y),
	)
}

// compareKeys orders items as core.Key does, without making keys.
func compareKeys(x, y *Item) int {
	return cmp.Or(
		strings.Compare(x.Kind.Group, y.Kind.Group),
		strings.Compare(x.Kind.Resource, y.Kind.Resource),
		compareNamespaces(x.Namespace, y.Namespace),
		strings.Compare(x.Name, y.Name),
	)
}

// compareNamespaces orders two namespaces as if each had a slash behind it.
func compareNamespaces(x, y string) int {
	common := min(len(x), len(y))
	if order := strings.Compare(x[:common], y[:common]); order != 0 || len(x) == len(y) {
		return order
	}
	return strings.Compare((x + "/")[common:], (y + "/")[common:])
}
