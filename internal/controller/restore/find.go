package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// findBackup sets the id of the backup and the files of its location. From then on there is patience anew.
func (c *Controller) findBackup(ctx context.Context, s *scope) error {
	err := c.look(ctx, s)
	if err == nil {
		c.endWait(s)
	}
	return err
}

func (c *Controller) look(ctx context.Context, s *scope) error {
	if s.restore.Spec.MetadataLocation != "" {
		if err := c.findAtLocation(ctx, s); err != nil {
			return err
		}
		return c.notDeleted(ctx, s.id)
	}
	backup := &kahuv1.Backup{}
	name := s.restore.Spec.BackupName
	err := c.Client.Get(ctx, client.ObjectKey{Name: name}, backup)
	if apierrors.IsNotFound(err) { // The cache may be behind.
		err = c.Direct.Get(ctx, client.ObjectKey{Name: name}, backup)
	}
	if apierrors.IsNotFound(err) {
		return &place.NotUsableError{
			Reason: kahuv1.ReasonBackupNotFound, Field: "spec.backupName",
			Message: fmt.Sprintf("no Backup %q exists: name one of those that `kubectl get backups.kahu.io` shows", name),
		}
	}
	if err != nil {
		return fmt.Errorf("reading Backup %s: %w", name, err)
	}
	if err := usable(backup); err != nil {
		return err
	}
	location, files, err := c.Finder.Ready(ctx, backup.Spec.MetadataLocation)
	if err != nil {
		return err
	}
	s.id, s.location, s.files = c.idOf(backup), location, files
	return nil
}

// findAtLocation finds a backup by looking into its location.
func (c *Controller) findAtLocation(ctx context.Context, s *scope) error {
	location, files, err := c.Finder.Ready(ctx, s.restore.Spec.MetadataLocation)
	if err != nil {
		return err
	}
	s.location, s.files = location, files
	// What one pass has chosen, every other one restores too, whatever has come to the location since.
	if id, ok := archive.ParseManifestName(s.status().ArchivePath + "manifest.json"); ok {
		s.id = id
		return nil
	}
	spec := &s.restore.Spec
	wish := archive.BackupID{ClusterID: spec.ClusterID, Name: spec.BackupName, UID: spec.BackupUID}
	leave, ok := c.Gate.Enter(location.Name)
	if !ok {
		// That others ask is no fault of the location: it is waited for without a limit.
		return reconcile.Waiting(kahuv1.ReasonPending,
			fmt.Sprintf("Location %s is slow to answer others that have asked before.", location.Name), waitTime)
	}
	defer leave()
	found, err := enginelocation.FindBackups(ctx, files, wish)
	if err != nil {
		return unfound(location.Name, err)
	}
	if len(found) == 0 {
		if err := place.Lost(ctx, files, location.Status.LocationID); err != nil {
			return away(location.Name, err)
		}
	}
	if s.id, err = theOne(location.Name, wish, found); err != nil {
		return err
	}
	s.status().ArchivePath = s.id.Folder() // While it waits for its turn, nothing is listed again.
	return nil
}

// unfound says why a location could not be looked into.
func unfound(location string, err error) error {
	if errors.Is(err, core.ErrUnsupported) {
		return &place.NotUsableError{
			Reason: kahuv1.ReasonListingUnsupported, Field: "spec.backupUID",
			Message: fmt.Sprintf("the provider of location %q cannot list: say clusterID and backupUID, which name the backup's folder", location),
		}
	}
	reason, stalled := place.Reason(err)
	return &place.NotUsableError{Reason: reason, Message: err.Error(), Passing: !stalled}
}

// away says that what is not found may be there all the same, as the place itself is not. Nobody has noticed yet: it may pass.
func away(location string, err error) error {
	reason, _ := place.Reason(err)
	return &place.NotUsableError{
		Reason: reason, Passing: true,
		Message: fmt.Sprintf("the place of location %q cannot be looked into, see whether its storage is there: %s", location, err),
	}
}

// theOne returns the only one of what was found.
func theOne(location string, wish archive.BackupID, found []archive.BackupID) (archive.BackupID, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	if len(found) == 0 {
		return archive.BackupID{}, &place.NotUsableError{
			Reason: kahuv1.ReasonBackupNotFound, Field: "spec.backupName",
			Message: fmt.Sprintf("location %q has no backup %s: `kubectl kahu backup get` shows what lies there", location, described(wish)),
		}
	}
	var all []string
	for _, id := range found {
		all = append(all, fmt.Sprintf("clusterID %s with backupUID %s", id.ClusterID, id.UID))
	}
	return archive.BackupID{}, &place.NotUsableError{
		Reason: kahuv1.ReasonBackupAmbiguous, Field: "spec.backupName",
		Message: fmt.Sprintf("location %q has several backups %s: choose one of %s", location, described(wish), strings.Join(all, ", ")),
	}
}

// described is a wish for people.
func described(wish archive.BackupID) string {
	text := fmt.Sprintf("%q", wish.Name)
	if wish.ClusterID != "" {
		text += " of cluster " + wish.ClusterID
	}
	if wish.UID != "" {
		text += " with UID " + wish.UID
	}
	return text
}

// usable tells whether a backup can be restored from, or why not.
func usable(backup *kahuv1.Backup) error {
	status := &backup.Status
	switch {
	case !backup.DeletionTimestamp.IsZero():
		return beingDeleted(backup.Name)
	case status.Stage != kahuv1.StageFinished:
		return &place.NotUsableError{
			Reason: kahuv1.ReasonBackupNotFinished, Field: "spec.backupName", Passing: true,
			Message: fmt.Sprintf("Backup %q has not finished yet", backup.Name),
		}
	case status.State == kahuv1.StateFailed && status.LastBackup == nil:
		return &place.NotUsableError{
			Reason: failedReason(backup), Field: "spec.backupName",
			Message: fmt.Sprintf("Backup %q failed and has nothing to restore: %s", backup.Name, status.FailureReason),
		}
	}
	return nil
}

// failedReason is the backup's own reason where that one is about its manifest.
func failedReason(backup *kahuv1.Backup) string {
	ready := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionReady)
	if ready != nil && (ready.Reason == kahuv1.ReasonManifestTooNew || ready.Reason == kahuv1.ReasonManifestInvalid) {
		return ready.Reason
	}
	return kahuv1.ReasonBackupFailed
}
