// Package volumeplan decides how the data of each volume is backed up: by which provider, in which way, or why not at all.
//
// It is given facts: the claims of a backup as they are in the cluster, the volume providers with what they can do, the
// classes with which snapshots can be cut, and what the Backup says. It gives one decision for each claim, each with a word
// for programs and a sentence for people. The same facts give the same decisions, whatever their order.
package volumeplan

import (
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core"
)

// Way says how the data of a volume reaches its provider.
type Way string

// The ways, the best one first.
const (
	// Offload gives the provider the volume itself: it does all the rest.
	Offload Way = "Offload"
	// Snapshot gives the provider a snapshot of the volume.
	Snapshot Way = "Snapshot"
	// Volume gives the provider a claim that it can mount: of a volume that is made from a snapshot, or where none can be
	// cut, of the volume in use.
	Volume Way = "Volume"
)

// Claim is what is known of a claim and its volume.
type Claim struct {
	Namespace, Name, UID string
	Labels, Annotations  map[string]string
	// StorageClass is the class of the claim, which may be empty.
	StorageClass string
	// Volume is the name of the PersistentVolume that the claim is bound to; empty where it is not bound.
	Volume string
	// Source is the kind of the volume, as the PersistentVolume says it: csi, nfs, hostPath. Driver is the CSI driver, Handle what
	// that knows the volume by.
	Source, Driver, Handle string
	// Size is the capacity in bytes, Mode Filesystem or Block.
	Size        int64
	Mode        string
	AccessModes []string
	// Gone tells that the claim was deleted since its object was copied, Unreadable why it or its volume could not be read.
	Gone       bool
	Unreadable string
}

// Key names the claim.
func (c *Claim) Key() core.Key {
	return core.Key{Resource: "persistentvolumeclaims", Namespace: c.Namespace, Name: c.Name}
}

// Provider is a volume provider.
type Provider struct {
	Name string
	// Unavailable says why it cannot be used now; empty where it can.
	Unavailable string
	// Offloads, NeedsSnapshot and NeedsVolume are the ways that it works in; KeepsSnapshot tells that the snapshot is the backup.
	Offloads, NeedsSnapshot, NeedsVolume, KeepsSnapshot bool
	// Drivers are the CSI drivers whose volumes it can back up; empty means all.
	Drivers []string
}

// Location is a BackupLocation whose provider is a volume provider.
type Location struct {
	Name, Provider string
}

// Class is a VolumeSnapshotClass or a VolumeGroupSnapshotClass.
type Class struct {
	Name, Driver string
	// Default tells that it is annotated as the default one of its driver.
	Default bool
}

// Action is what a rule does with a claim.
type Action string

// The actions.
const (
	// BackUp backs the volume up, in the way and by the provider that the rule names, if it does.
	BackUp Action = "Backup"
	// Skip leaves the data of the volume out.
	Skip Action = "Skip"
)

// Rule says what is done with the claims that it matches. A claim must match everything that the rule names.
type Rule struct {
	Namespaces, Claims, StorageClasses, Drivers []string
	// Mode is Filesystem, Block, or empty for both.
	Mode string
	// Labels selects by the labels of the claim; nil means all.
	Labels labels.Selector
	// Annotations are those that the claim must have.
	Annotations map[string]string
	// MinSize and MaxSize bound the capacity, in bytes, both included; 0 means no bound.
	MinSize, MaxSize int64

	Action        Action
	Way           Way
	Provider      string
	SnapshotClass string
	// Together says whether the snapshot is cut with others, with the VolumeGroupSnapshotClass GroupClass if that is named.
	Together   Together
	GroupClass string
}

// Settings are what the Backup says.
type Settings struct {
	// Rules are asked in their order; the first that matches counts.
	Rules []Rule
	// Locations are the names in spec.volumeBackupLocations.
	Locations []string
}

// Facts are what the decisions are made from.
type Facts struct {
	Claims    []Claim
	Providers []Provider
	Locations []Location
	Classes   []Class
	// NoSnapshots says why snapshots cannot be cut in this cluster; empty where they can.
	NoSnapshots string
	// GroupClasses are those with which snapshots can be cut together. NoGroups says why they cannot; empty where they can.
	GroupClasses []Class
	NoGroups     string
	// Begun are the decisions of earlier attempts at the same run for which snapshots were asked for, or orders given.
	Begun []Decision
}

// Verdict is what becomes of a claim.
type Verdict string

// The verdicts.
const (
	// Chosen claims are backed up.
	Chosen Verdict = "Chosen"
	// Skipped claims are left out, as somebody wanted or as there is nothing to back up.
	Skipped Verdict = "Skipped"
	// Impossible claims should be backed up and cannot: they are missing from the backup.
	Impossible Verdict = "Impossible"
)

// Decision is what is done about one claim.
type Decision struct {
	Claim   Claim
	Verdict Verdict
	// Reason is a word for programs, Message says it to people.
	Reason, Message string
	// Advice is what a person should know of a rule that does not do here what it says; empty where there is nothing.
	Advice string

	// Of those that are chosen:
	Way           Way
	Provider      string
	Location      string // empty where the provider needs none
	SnapshotClass string // empty where no snapshot is cut
	KeepsSnapshot bool   // the snapshot is the backup
	Group         Group  // with which others the snapshot is cut
}

// The reasons of decisions.
const (
	ReasonNotBound            = "NotBound"
	ReasonGone                = "Gone"
	ReasonSkippedByRule       = "SkippedByRule"
	ReasonSkippedByAnnotation = "SkippedByAnnotation"
	ReasonUnreadable          = "VolumeUnreadable"
	ReasonWithoutProvider     = "VolumeWithoutProvider"
	ReasonProviderUnavailable = "ProviderUnavailable"
	ReasonNoSnapshotClass     = "NoSnapshotClass"
	ReasonNoGroup             = "NoGroupSnapshot"
	ReasonUnknownWay          = "UnknownWay"
	ReasonNoLocation          = "NoLocation"
	ReasonOffload             = "Offloaded"
	ReasonSnapshot            = "SnapshotTaken"
	ReasonExposed             = "SnapshotExposed"
	ReasonLive                = "LiveVolume"
)
