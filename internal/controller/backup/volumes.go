package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// volumeLocations finds what is wrong with the locations that are named for the data of volumes: were one passed over, no
// volume would be backed up where a person wants it. Errors are place.NotUsableErrors or those of the API server.
func (c *Controller) volumeLocations(ctx context.Context, spec *kahuv1.BackupSpec) error {
	if enabled := spec.EnableVolumeBackup; enabled != nil && !*enabled {
		return nil
	}
	for at, name := range spec.VolumeBackupLocations {
		if err := c.volumeLocation(ctx, fmt.Sprintf("spec.volumeBackupLocations[%d]", at), name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) volumeLocation(ctx context.Context, field, name string) error {
	location := &kahuv1.BackupLocation{}
	err := c.Direct.Get(ctx, client.ObjectKey{Name: name}, location)
	if apierrors.IsNotFound(err) {
		return &place.NotUsableError{
			Reason: kahuv1.ReasonLocationNotFound, Field: field,
			Message: fmt.Sprintf("no BackupLocation %q exists: create it, or name another one", name),
		}
	}
	if err != nil {
		return fmt.Errorf("reading BackupLocation %s: %w", name, err)
	}
	provider := &kahuv1.Provider{}
	err = c.Direct.Get(ctx, client.ObjectKey{Name: location.Spec.ProviderName}, provider)
	if err == nil && provider.Spec.Type != kahuv1.ProviderTypeVolume {
		return &place.NotUsableError{
			Reason: kahuv1.ReasonProviderWrongType, Field: field,
			Message: fmt.Sprintf("provider %q of BackupLocation %q is a %s: name a location of a VolumeProvider",
				provider.Name, name, provider.Spec.Type),
		}
	}
	return client.IgnoreNotFound(err) // The claims that wait for one that is away say so.
}

// refuseVolumes fails a run for what is wrong with the locations of volumes.
func (c *Controller) refuseVolumes(s *scope, err error) error {
	unusable, is := errors.AsType[*place.NotUsableError](err)
	if !is {
		return err
	}
	return c.fail(s, failure.InField(unusable.Reason, unusable.Field+": "+unusable.Message))
}

// removeVolumes has the data of volumes removed, before the manifest goes that names it. A copy at another location only names
// what the original has: whoever deletes the original removes it.
func (c *Controller) removeVolumes(ctx context.Context, s *scope) error {
	if c.Volumes == nil {
		return nil
	}
	manifest, err := engine.ReadManifest(ctx, s.files, c.id(s))
	switch {
	case errors.Is(err, core.ErrNotFound), errors.Is(err, core.ErrCorrupt):
		if s.backup.Spec.Origin != nil {
			return nil // Nobody knows whether it is a copy.
		}
	case err != nil:
		return err
	case view.IsCopy(manifest, s.location.Status.LocationID):
		return nil
	}
	if err := c.heldByRestores(ctx, manifest.Volumes); err != nil {
		return err
	}
	return c.Volumes.Remove(ctx, c.volumeRun(s), manifest.Volumes)
}

// heldByRestores keeps what volumes are made from while Restores make some: of a claim that waits for its first pod, for long.
func (c *Controller) heldByRestores(ctx context.Context, volumes []archive.Volume) error {
	if len(volumes) == 0 {
		return nil
	}
	restores, err := c.Volumes.Needed(ctx, volumes)
	if err != nil || len(restores) == 0 {
		return err
	}
	return reconcile.Waiting(kahuv1.ReasonBackupNeeded, "Volumes are being made from it by the Restores "+strings.Join(restores, ", ")+
		": start pods that use their claims, or delete the claims, or delete these Restores, with spec.cancel where claims wait.", heldTime)
}

// forgetVolumes removes what stands for the volumes of a backup in the cluster, whose data stays. Of a run that is not known to
// have a manifest it must stay: with it nobody would know of the data any more, and Retain is about backups. It is dealt with as
// whatever is left whose Backup is gone (package leftovers), when it is known whether there is a manifest.
func (c *Controller) forgetVolumes(ctx context.Context, s *scope) error {
	if c.Volumes == nil || s.backup.Spec.Origin != nil {
		return nil
	}
	if s.backup.Spec.DeletionPolicy == kahuv1.DeletionPolicyRetain && !isReal(s.status().Conditions) {
		return nil
	}
	return c.Volumes.Forget(ctx, c.volumeRun(s))
}

// isReal tells whether a run has made a backup, whole or not, as its conditions say.
func isReal(conditions []metav1.Condition) bool {
	complete := meta.FindStatusCondition(conditions, kahuv1.ConditionComplete)
	return complete != nil && (complete.Status == metav1.ConditionTrue || complete.Reason == kahuv1.ReasonPartiallyFailed)
}

func (c *Controller) volumeRun(s *scope) volumework.Run {
	id := c.id(s)
	return volumework.Run{Name: id.Name, UID: id.UID, LocationID: s.status().LocationID}
}

// movingVolumes is how far the data of volumes is.
func movingVolumes(now *volumework.Progress) *kahuv1.BackupVolumes {
	return &kahuv1.BackupVolumes{
		Total: now.Total, Completed: now.Done, Failed: now.Failed, BytesDone: now.BytesDone, BytesTotal: max(now.BytesDone, now.BytesTotal),
	}
}

// volumesOf is what came of the data of volumes; nil where there were none.
func volumesOf(outcomes []volumework.Outcome) *kahuv1.BackupVolumes {
	if len(outcomes) == 0 {
		return nil
	}
	made := &kahuv1.BackupVolumes{Total: int64(len(outcomes))}
	rows := map[kahuv1.BackupVolumePhase][]kahuv1.BackupVolume{}
	for i := range outcomes {
		row := volumeOf(&outcomes[i])
		made.BytesDone += row.Bytes
		if rows[row.Phase] = append(rows[row.Phase], row); len(rows[row.Phase]) > failure.MaxRows {
			rows[row.Phase] = rows[row.Phase][:failure.MaxRows]
		}
		switch row.Phase {
		case kahuv1.BackupVolumeFailed:
			made.Failed++
		case kahuv1.BackupVolumeSkipped:
			made.Skipped++
		case kahuv1.BackupVolumeCompleted:
			made.Completed++
		}
	}
	made.BytesTotal = made.BytesDone
	all := slices.Concat(rows[kahuv1.BackupVolumeFailed], rows[kahuv1.BackupVolumeSkipped], rows[kahuv1.BackupVolumeCompleted])
	made.Claims = all[:min(len(all), failure.MaxRows)]
	return made
}

// volumeOf is what came of the data of one claim.
func volumeOf(outcome *volumework.Outcome) kahuv1.BackupVolume {
	decision := &outcome.Decision
	row := kahuv1.BackupVolume{
		Namespace: decision.Claim.Namespace, Name: decision.Claim.Name, Phase: kahuv1.BackupVolumeCompleted,
		Way: kahuv1.VolumeWay(decision.Way), ProviderName: decision.Provider, Bytes: max(0, ptr.Deref(outcome.Bytes, 0)),
		Group: decision.Group.Name, Reason: decision.Reason, Message: reconcile.Bounded(decision.Message, failure.MaxRowText),
	}
	switch decision.Verdict {
	case volumeplan.Chosen:
	case volumeplan.Skipped:
		row.Phase = kahuv1.BackupVolumeSkipped
	case volumeplan.Impossible:
		row.Phase = kahuv1.BackupVolumeFailed
	}
	return row
}
