package inspection

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/inspect"
)

// Answer makes the page of an answer that the token names. It may take its time, and ends with its context. What it
// returns holds no value of a Secret.
type Answer func(ctx context.Context, token string) (inspection.Page, error)

// Subject is something that can be asked about.
type Subject interface {
	// Ask finds out what the question is about, from Kahu's own kinds and without asking a store: that is for the
	// Answer, which runs beside the loop, one of a few at its location. Errors are place.NotUsableErrors or those of the API server.
	Ask(ctx context.Context, question *kahuv1.Inspection) (location string, answer Answer, err error)
}

// SubjectFunc is a Subject that is a function.
type SubjectFunc func(ctx context.Context, question *kahuv1.Inspection) (location string, answer Answer, err error)

// Ask calls the function.
func (f SubjectFunc) Ask(ctx context.Context, question *kahuv1.Inspection) (location string, answer Answer, err error) {
	return f(ctx, question)
}

// Library knows the subjects that are answered out of the files of a location.
type Library struct {
	// Direct reads Kahu's own kinds from the API server itself: somebody who saw a run end asks about it at once, when a
	// cache may still show it as going on. Finder finds the files of locations.
	Direct client.Reader
	Finder *place.Finder
	// ClusterID is the identity of this cluster, and Cluster what backups are compared with.
	ClusterID string
	Cluster   inspect.Cluster
}

// Subjects returns everything that can be asked about. A further subject is a further line.
func (l *Library) Subjects() map[kahuv1.InspectionSubject]Subject {
	return map[kahuv1.InspectionSubject]Subject{
		kahuv1.InspectionSubjectReport:  SubjectFunc(l.report),
		kahuv1.InspectionSubjectObjects: SubjectFunc(l.objects),
		kahuv1.InspectionSubjectPlan:    SubjectFunc(l.plan),
		kahuv1.InspectionSubjectDiff:    SubjectFunc(l.diff),
	}
}

func (l *Library) report(ctx context.Context, question *kahuv1.Inspection) (location string, answer Answer, err error) {
	if name := question.Spec.RestoreName; name != "" {
		return l.ofRestore(ctx, name, "report", func(status *kahuv1.RestoreStatus) string { return status.ReportPath })
	}
	found, err := l.Backup(ctx, question.Spec.BackupName)
	if err != nil {
		return "", nil, err
	}
	return found.Location, func(ctx context.Context, token string) (inspection.Page, error) {
		return inspect.Report(ctx, found.stored(), token)
	}, nil
}

func (l *Library) objects(ctx context.Context, question *kahuv1.Inspection) (location string, answer Answer, err error) {
	found, err := l.Backup(ctx, question.Spec.BackupName)
	if err != nil {
		return "", nil, err
	}
	wish := filters.OfInspection(&question.Spec)
	return found.Location, func(ctx context.Context, token string) (inspection.Page, error) {
		return inspect.Objects(ctx, found.stored(), wish, token)
	}, nil
}

// Found is a backup that has something to show.
type Found struct {
	// ID is its name in the store.
	ID archive.BackupID
	// Location is where it is, and Files are the files there.
	Location string
	Files    place.Files
	// Keys opens it where it is encrypted.
	Keys engine.Keys
}

func (f Found) stored() inspect.Stored {
	return inspect.Stored{Backup: f.ID, Files: f.Files, Keys: f.Keys}
}

// Backup finds a backup that has something to show.
func (l *Library) Backup(ctx context.Context, name string) (Found, error) {
	backup := &kahuv1.Backup{}
	err := l.Direct.Get(ctx, client.ObjectKey{Name: name}, backup)
	if apierrors.IsNotFound(err) {
		return Found{}, &place.NotUsableError{
			Reason: kahuv1.ReasonBackupNotFound, Field: "spec.backupName",
			Message: fmt.Sprintf("no Backup %q exists: name one of those that `kubectl get backups.kahu.io` shows", name),
		}
	}
	if err != nil {
		return Found{}, fmt.Errorf("reading Backup %s: %w", name, err)
	}
	if err := readable(backup); err != nil {
		return Found{}, err
	}
	location, files, err := l.Finder.Ready(ctx, backup.Spec.MetadataLocation)
	if err != nil {
		return Found{}, err
	}
	return Found{ID: l.idOf(backup), Location: location.Name, Files: files, Keys: l.Finder.Keys(location, files)}, nil
}

// readable tells whether a backup has files that can be shown, or why not.
func readable(backup *kahuv1.Backup) error {
	status := &backup.Status
	switch {
	case status.Stage != kahuv1.StageFinished:
		return &place.NotUsableError{
			Reason: kahuv1.ReasonBackupNotFinished, Field: "spec.backupName",
			Message: fmt.Sprintf("Backup %q has not finished yet: its report is written at the end, "+
				"and until then its status says what is known", backup.Name),
		}
	case status.State == kahuv1.StateFailed && status.LastBackup == nil:
		return &place.NotUsableError{
			Reason: kahuv1.ReasonBackupFailed, Field: "spec.backupName",
			Message: fmt.Sprintf("Backup %q failed and has nothing to show: %s", backup.Name, status.FailureReason),
		}
	}
	return nil
}

// idOf returns the name that a backup has in its store.
func (l *Library) idOf(backup *kahuv1.Backup) archive.BackupID {
	if origin := backup.Spec.Origin; origin != nil {
		return archive.BackupID{ClusterID: origin.ClusterID, Name: origin.Name, UID: origin.UID}
	}
	return archive.BackupID{ClusterID: l.ClusterID, Name: backup.Name, UID: string(backup.UID)}
}
