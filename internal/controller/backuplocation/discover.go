package backuplocation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// identity is what makes a backup the same in a store and in a cluster.
type identity struct{ clusterID, uid string }

// discover makes the Backup objects show what lies at the location: a backup without an object gets a view, a view
// without a backup goes. The store is listed first and the objects after it, from the API server itself, so that a
// backup of this cluster is never taken for one without an object.
func (c *Controller) discover(ctx context.Context, s *scope) error {
	lies, err := location.Survey(ctx, s.files)
	found := lies.Backups
	if errors.Is(err, core.ErrUnsupported) {
		c.setDiscoverable(s, metav1.ConditionFalse, kahuv1.ReasonListingUnsupported,
			"the provider cannot list: backups of other clusters, and those whose Backup object is lost, are not shown")
		return c.ready(s)
	}
	if err != nil {
		return ofListing(err)
	}
	hidden, err := c.sync(ctx, s, found)
	if err != nil {
		return err
	}
	if err := c.sweep(ctx, s); err != nil {
		return ofListing(err)
	}
	number := int32(min(len(found), 1<<30))
	s.location.Status.Backups, s.location.Status.Clusters = &number, clustersOf(lies.Parts)
	message := "The backups at the location are shown as Backup objects."
	if len(hidden) > 0 {
		message += fmt.Sprintf(" %d of them are not: %s", len(hidden), hidden[0])
	}
	c.setDiscoverable(s, metav1.ConditionTrue, kahuv1.ReasonListed, message)
	return c.ready(s)
}

// ofListing is outcome for an error that came from a list. One that contradicts itself says nothing of the marker, which
// was just read, and the next one may be right.
func ofListing(err error) error {
	if errors.Is(err, core.ErrCorrupt) {
		return reconcile.Waiting(kahuv1.ReasonStoreFailed, err.Error()+"; the provider lists its files wrongly, and is asked again", retryTime)
	}
	return outcome(err)
}

// ready ends a pass in which nothing was wrong.
func (c *Controller) ready(s *scope) error {
	reconcile.SetReady(&s.location.Status.Conditions, kahuv1.ReasonAvailable, "The location can be used.", s.location.Generation)
	if s.again > 0 && s.again < c.Every {
		return reconcile.After(s.again)
	}
	return nil
}

// maxClusters is how many clusters the status has.
const maxClusters = 100

// clustersOf returns what the status says of the parts of clusters: of those that wrote last, in the order of their ids.
func clustersOf(parts []location.Part) []kahuv1.LocationCluster {
	timeOf := func(at time.Time) *metav1.Time {
		if at.IsZero() {
			return nil
		}
		return &metav1.Time{Time: at.Truncate(time.Second)}
	}
	newest := slices.SortedStableFunc(slices.Values(parts), func(a, b location.Part) int { return b.Newest.Compare(a.Newest) })
	var rows []kahuv1.LocationCluster
	for _, part := range newest[:min(len(newest), maxClusters)] {
		rows = append(rows, kahuv1.LocationCluster{
			ID: part.ClusterID, Backups: int32(min(part.Backups, 1<<30)), //nolint:gosec // It is bounded.
			LastBackupTime: timeOf(part.NewestBackup), LastWriteTime: timeOf(part.Newest), OwnerWriteTime: timeOf(part.Owner),
		})
	}
	slices.SortFunc(rows, func(a, b kahuv1.LocationCluster) int { return cmp.Compare(a.ID, b.ID) })
	return rows
}

func (c *Controller) setDiscoverable(s *scope, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.location.Status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionDiscoverable, Status: status, Reason: reason, Message: message,
		ObservedGeneration: s.location.Generation,
	})
}

// sync makes and removes views. It returns why backups could not be shown: one with an impossible name hides no other.
func (c *Controller) sync(ctx context.Context, s *scope, found []archive.BackupID) (hidden []string, err error) {
	objects := &kahuv1.BackupList{}
	if err := c.Direct.List(ctx, objects); err != nil {
		return nil, fmt.Errorf("listing backups: %w", err)
	}
	shown, known := map[identity]*kahuv1.Backup{}, knownNames{taken: map[string]bool{}, wished: map[identity]string{}}
	for i := range objects.Items {
		backup := &objects.Items[i]
		known.add(backup, c.identityOf(backup), s.location.Name)
		if backup.Spec.MetadataLocation == s.location.Name {
			shown[c.identityOf(backup)] = backup
		}
	}
	for _, id := range found {
		key := identity{id.ClusterID, id.UID}
		err := c.show(ctx, s, id, shown[key], known)
		if impossible, is := errors.AsType[*impossibleError](err); is {
			hidden = append(hidden, impossible.Error())
		} else if err != nil {
			return nil, err
		}
		delete(shown, key)
	}
	if err := c.tellOfCopies(ctx, s, found, objects.Items); err != nil {
		return nil, err
	}
	return hidden, c.settle(ctx, s, shown)
}

// knownNames are the names of Backup objects.
type knownNames struct {
	taken  map[string]bool
	wished map[identity]string // those that copies at the location shall have, by the backup
}

// add notes the name of an object, and the one that it wishes for its copy at a location.
func (k knownNames) add(backup *kahuv1.Backup, of identity, at string) {
	k.taken[backup.Name] = true
	for _, wish := range backup.Spec.Copies {
		if wish.Location == at && wish.Name != "" {
			k.wished[of] = wish.Name
		}
	}
}

// of returns the names that the view of a backup may have, the best one first.
func (k knownNames) of(id archive.BackupID, manifest archive.Manifest, at *kahuv1.BackupLocation) []string {
	if !view.IsCopy(manifest, at.Status.LocationID) {
		return view.Names(id)
	}
	wished := k.wished[identity{id.ClusterID, id.UID}]
	return append(view.NamesOfCopy(id, at.Name, wished), view.Names(id)...)
}

// impossibleError says why a backup cannot be shown, whatever the store and the cluster do.
type impossibleError struct{ error }

func (c *Controller) identityOf(backup *kahuv1.Backup) identity {
	if origin := backup.Spec.Origin; origin != nil {
		return identity{origin.ClusterID, origin.UID}
	}
	return identity{c.ClusterID, string(backup.UID)}
}

// show makes a view of a backup that has no object, and completes one that has no status yet, or whose manifest could
// not be used when it was read before: it may have been mended since, or Kahu upgraded.
func (c *Controller) show(
	ctx context.Context, s *scope, id archive.BackupID, shown *kahuv1.Backup, known knownNames,
) error {
	if shown != nil && isShown(shown) {
		return nil
	}
	manifest, err := engine.ReadManifest(ctx, s.files, id)
	if errors.Is(err, core.ErrNotFound) {
		return nil // It was deleted since the listing.
	}
	if err != nil && !view.Lasting(err) {
		return outcome(err)
	}
	if shown == nil {
		made, createErr := c.create(ctx, s, view.Found{ID: id, Manifest: manifest}, known)
		if createErr != nil {
			return createErr
		}
		shown = made
	}
	before := shown.DeepCopy()
	view.Show(shown, s.location.Status.LocationID, view.Found{ID: id, Manifest: manifest, Err: err})
	// With the lock: conditions are one list, and another loop may have written one of them since this object was read.
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Client.Status().Patch(ctx, shown, patch); err != nil {
		return fmt.Errorf("showing backup %s: %w", id, err)
	}
	return nil
}

// isShown tells that an object shows its backup as it is. A view shows what its manifest said once it could be used, and
// a run of this cluster what came of it, unless its backup was lost and is there again.
func isShown(backup *kahuv1.Backup) bool {
	ready := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionReady)
	if ready != nil && ready.Reason == kahuv1.ReasonManifestNotFound {
		return false
	}
	return backup.Spec.Origin == nil || backup.Status.LastBackup != nil
}

// create makes the view, under the backup's own name or, where that one is taken, with a part of its UID. That of a copy says
// where it lies.
func (c *Controller) create(ctx context.Context, s *scope, found view.Found, known knownNames) (*kahuv1.Backup, error) {
	id := found.ID
	for _, name := range known.of(id, found.Manifest, s.location) {
		if known.taken[name] {
			continue
		}
		known.taken[name] = true
		made := view.New(name, id, s.location)
		err := c.Client.Create(ctx, made)
		if err == nil {
			return made, nil
		}
		if apierrors.IsInvalid(err) {
			return nil, &impossibleError{fmt.Errorf("backup %s: %w", id, err)}
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("creating a view of backup %s: %w", id, err)
		}
	}
	return nil, &impossibleError{fmt.Errorf("backup %s: its names are taken by other objects", id)}
}

// settle deals with the objects whose backups are not at the location: views go, and runs of this cluster say that their
// backup is lost. The marker is looked at once more before, as an empty listing may be that of an unmounted store.
func (c *Controller) settle(ctx context.Context, s *scope, gone map[identity]*kahuv1.Backup) error {
	if len(gone) == 0 {
		return nil
	}
	if _, err := c.place(s).Open(ctx, s.location.Status.LocationID); err != nil {
		return outcome(err)
	}
	for _, backup := range gone {
		if backup.Spec.Origin == nil {
			if err := c.showLost(ctx, s, backup); err != nil {
				return err
			}
			continue
		}
		if !backup.DeletionTimestamp.IsZero() {
			continue // Somebody has deleted it, and its data is being removed.
		}
		if err := c.retain(ctx, backup); err != nil {
			return err
		}
		only := client.Preconditions{UID: &backup.UID}
		if err := c.Client.Delete(ctx, backup, only); client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return fmt.Errorf("removing view %s: %w", backup.Name, err)
		}
	}
	return nil
}

// retain makes the deletion of a view one that removes nothing: that its manifest is gone is nobody's wish to lose the rest.
func (c *Controller) retain(ctx context.Context, backup *kahuv1.Backup) error {
	if backup.Spec.DeletionPolicy != kahuv1.DeletionPolicyDelete {
		return nil
	}
	before := backup.DeepCopy()
	backup.Spec.DeletionPolicy = kahuv1.DeletionPolicyRetain
	if err := c.Client.Patch(ctx, backup, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("keeping what is left of the backup of view %s: %w", backup.Name, err)
	}
	return nil
}

// showLost says of a run of this cluster that had made a backup that it is not in the store any more.
func (c *Controller) showLost(ctx context.Context, s *scope, backup *kahuv1.Backup) error {
	if backup.Status.LastBackup == nil || !backup.DeletionTimestamp.IsZero() {
		return nil
	}
	id := archive.BackupID{ClusterID: c.ClusterID, Name: backup.Name, UID: string(backup.UID)}
	// The run may have ended since the store was listed.
	if _, err := engine.ReadManifest(ctx, s.files, id); !errors.Is(err, core.ErrNotFound) {
		return nil
	}
	before := backup.DeepCopy()
	message := "the manifest is not at the location any more: the backup is lost, unless its files come back from a copy of the store"
	backup.Status.State, backup.Status.FailureReason = kahuv1.StateFailed, message
	reconcile.SetStalled(&backup.Status.Conditions, kahuv1.ReasonManifestNotFound, message, backup.Generation)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := c.Client.Status().Patch(ctx, backup, patch)
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("showing that backup %s is lost: %w", backup.Name, err)
	}
	if err == nil && c.BackupChanged != nil {
		c.BackupChanged(before, backup)
	}
	return nil
}
