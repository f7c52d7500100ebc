// Package view makes Backup objects that only show what lies at a location.
//
// A view has spec.origin, which says whose backup it is. No controller runs it, it has no finalizer, and removing it
// removes nothing from the store.
package view

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// uidPart is how much of a UID tells two backups of one name apart, in characters.
	uidPart = 8
	// maxName is the greatest length of a Backup's name, and maxViewName that of a view's.
	maxName     = 63
	maxViewName = 72
)

// Names returns the names that a view may have, the best one first.
func Names(id archive.BackupID) []string {
	part := id.UID[:min(uidPart, len(id.UID))]
	stem := id.Name[:min(len(id.Name), maxName-uidPart-1)]
	return []string{id.Name, stem + "-" + part, "backup-" + id.UID[:min(len(id.UID), maxName-len("backup-"))]}
}

// NamesOfCopy returns the names that the view of a copy at a location may have, the best one first: the one that was wished,
// if any, and those that say where it lies.
func NamesOfCopy(id archive.BackupID, location, wished string) []string {
	own := id.Name + "-" + location
	part := id.UID[:min(uidPart, len(id.UID))]
	sum := sha256.Sum256([]byte(location))
	marked := "-" + part + "-" + hex.EncodeToString(sum[:])[:uidPart]
	all := []string{wished, own, id.Name[:min(len(id.Name), maxViewName-len(marked))] + marked}
	return slices.DeleteFunc(all, func(name string) bool { return name == "" || len(name) > maxViewName })
}

// New returns the view of a backup, which goes when its location's object does.
func New(name string, id archive.BackupID, location *kahuv1.BackupLocation) *kahuv1.Backup {
	return &kahuv1.Backup{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: kahuv1.GroupVersion.String(), Kind: "BackupLocation", Name: location.Name, UID: location.UID,
			}},
		},
		Spec: kahuv1.BackupSpec{
			MetadataLocation: location.Name,
			DeletionPolicy:   kahuv1.DeletionPolicyRetain,
			Origin:           &kahuv1.BackupOrigin{ClusterID: id.ClusterID, UID: id.UID, Name: id.Name},
		},
	}
}

// Lasting tells whether reading a manifest failed for a cause that lies in the manifest itself.
func Lasting(err error) bool {
	return errors.Is(err, core.ErrUnsupported) || errors.Is(err, core.ErrCorrupt)
}

// Show writes what the manifest says into the status, or why it cannot be used. The location is the one at which it lies.
func Show(backup *kahuv1.Backup, location string, found Found) {
	status, id, manifest, failure := &backup.Status, found.ID, found.Manifest, found.Err
	status.Stage, status.ObservedGeneration = kahuv1.StageFinished, backup.Generation
	status.ClusterID, status.ArchivePath = id.ClusterID, id.Folder()
	if failure != nil {
		fail(backup, failure)
		return
	}
	Fill(status, manifest)
	status.Volumes = volumesOf(manifest, location)
	if IsCopy(manifest, location) {
		status.LocationID, status.OriginLocationID = location, manifest.LocationID
	}
	Conclude(backup, manifest)
}

// Found is what was found of a backup at a location: its manifest, or why that cannot be used.
type Found struct {
	ID       archive.BackupID
	Manifest archive.Manifest
	Err      error
}

// IsCopy tells whether a backup at a location was written to another one.
func IsCopy(manifest archive.Manifest, location string) bool {
	return manifest.LocationID != "" && location != "" && manifest.LocationID != location
}

func fail(backup *kahuv1.Backup, failure error) {
	reason := kahuv1.ReasonManifestInvalid
	if errors.Is(failure, core.ErrUnsupported) {
		reason = kahuv1.ReasonManifestTooNew
	}
	backup.Status.State, backup.Status.FailureReason = kahuv1.StateFailed, reconcile.Bounded(failure.Error(), maxText)
	reconcile.SetStalled(&backup.Status.Conditions, reason, failure.Error(), backup.Generation)
}

// The limits of texts in the status, in bytes.
const (
	maxText    = 2048
	maxRowText = 1024
	maxRows    = 100
)

// Fill writes what the manifest says of times, counts, sizes and rows into the status.
func Fill(status *kahuv1.BackupStatus, manifest archive.Manifest) {
	status.LocationID, status.Attempt = manifest.LocationID, manifest.Attempt
	status.StartTimestamp = &metav1.Time{Time: manifest.Started}
	status.CompletionTimestamp = &metav1.Time{Time: manifest.Completed}
	status.LastBackup = &metav1.Time{Time: manifest.Completed}
	status.Counts = kahuv1.BackupCounts{
		Objects: manifest.Counts.Objects, NeededObjects: manifest.Counts.Objects - manifest.Counts.Selected,
		Kinds: kindsWithObjects(manifest), Namespaces: namespaces(manifest), Segments: int64(len(manifest.Segments)),
		SkippedObjects: manifest.Counts.Excluded, VanishedObjects: manifest.Counts.Vanished,
		Missing: manifest.MissingCount, Warnings: manifest.Warnings,
	}
	status.Sizes = kahuv1.BackupSizes{
		ObjectBytes: manifest.Sizes.Objects, SegmentBytes: manifest.Sizes.Segments,
		IndexBytes: manifest.Index.Size, ReportBytes: manifest.Report.Size,
		ComparisonBytes: manifest.Encryption.Comparison.File.Size,
	}
	status.Mode, status.Incremental = incrementOf(manifest)
	status.Kinds = kindsOf(manifest)
	status.Missing = nil
	for _, row := range manifest.Missing {
		status.Missing = append(status.Missing, kahuv1.ItemProblem{
			APIVersion: row.APIVersion, Kind: row.Kind, Namespace: row.Namespace, Name: row.Name, Reason: row.Reason,
			Message: reconcile.Bounded(row.Message, maxRowText),
		})
	}
}

// incrementOf returns what a backup is, and what it took over from another one.
func incrementOf(manifest archive.Manifest) (kahuv1.BackupMode, *kahuv1.BackupIncrement) {
	of := manifest.Increment
	if of.IsZero() {
		return kahuv1.BackupModeFull, nil
	}
	return kahuv1.BackupMode(of.Mode), &kahuv1.BackupIncrement{
		BaseName: of.Base.Name, BaseUID: of.Base.UID,
		UnchangedObjects: of.Unchanged, ReadObjects: of.Read, WrittenObjects: of.Written,
		WrittenBytes: of.WrittenBytes, ReferredBytes: manifest.Sizes.Segments - of.WrittenBytes,
	}
}

// Written returns the number of bytes of segments that a backup wrote itself.
func Written(status *kahuv1.BackupStatus) int64 {
	if status.Incremental != nil {
		return status.Incremental.WrittenBytes
	}
	return status.Sizes.SegmentBytes
}

// kindsOf returns the most frequent kinds.
func kindsOf(manifest archive.Manifest) []kahuv1.BackupKind {
	var rows []kahuv1.BackupKind
	for i := range manifest.Kinds {
		if kind := &manifest.Kinds[i]; kind.Count > 0 {
			rows = append(rows, kahuv1.BackupKind{APIVersion: kind.Kind.APIVersion(), Kind: kind.Kind.Name, Objects: kind.Count})
		}
	}
	slices.SortStableFunc(rows, func(a, b kahuv1.BackupKind) int { return cmp.Compare(b.Objects, a.Objects) })
	return rows[:min(len(rows), maxRows)]
}

func kindsWithObjects(manifest archive.Manifest) int64 {
	var number int64
	for i := range manifest.Kinds {
		if manifest.Kinds[i].Count > 0 {
			number++
		}
	}
	return number
}

// namespaces returns the number of Namespace objects in the backup: those of all objects in it come with them.
func namespaces(manifest archive.Manifest) int64 {
	for i := range manifest.Kinds {
		if kind := manifest.Kinds[i]; kind.Kind.Group == "" && kind.Kind.Resource == "namespaces" {
			return kind.Count
		}
	}
	return 0
}

// Completeness returns what a run that did all that it was asked for has to say of it.
func Completeness(objects, warnings int64) (reason, message string) {
	switch {
	case objects == 0:
		return kahuv1.ReasonNothingSelected, "The filters select nothing: if that is not what was meant, correct them in another run."
	case warnings > 0:
		return kahuv1.ReasonHasWarnings, "Everything that was asked for is done; read the warnings: they are in status.warnings of the run, and those of a backup in its report at the location."
	}
	return kahuv1.ReasonCompleted, "Everything that was asked for is done."
}

// Conclude writes state and conditions of a backup that has a manifest.
func Conclude(backup *kahuv1.Backup, manifest archive.Manifest) {
	status := &backup.Status
	status.Stage = kahuv1.StageFinished
	complete := metav1.Condition{
		Type: kahuv1.ConditionComplete, Status: metav1.ConditionTrue, ObservedGeneration: backup.Generation,
	}
	if manifest.Complete {
		status.State = kahuv1.StateCompleted
		complete.Reason, complete.Message = Completeness(manifest.Counts.Objects, status.Counts.Warnings)
		meta.SetStatusCondition(&status.Conditions, complete)
		reconcile.SetReady(&status.Conditions, complete.Reason, complete.Message, backup.Generation)
		return
	}
	status.State = kahuv1.StateFailed
	complete.Status, complete.Reason = metav1.ConditionFalse, kahuv1.ReasonPartiallyFailed
	complete.Message = "Something that was asked for is missing: see status.missing, and the report at the location. " +
		"A restore from this backup needs allowIncomplete."
	status.FailureReason = complete.Message
	meta.SetStatusCondition(&status.Conditions, complete)
	reconcile.SetStalled(&status.Conditions, kahuv1.ReasonPartiallyFailed, complete.Message, backup.Generation)
}
