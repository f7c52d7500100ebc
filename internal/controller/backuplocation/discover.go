package backuplocation

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// identity is what makes a backup the same in a store and in a cluster.
type identity struct{ clusterID, uid string }

// discover makes the Backup objects show what lies at the location: a backup without an object gets a view, a view
// without a backup goes. The store is listed first and the objects after it, from the API server itself, so that a
// backup of this cluster is never taken for one without an object.
func (c *Controller) discover(ctx context.Context, s *scope) error {
	var found []archive.BackupID
	err := engine.Discover(ctx, s.files, func(id archive.BackupID) error {
		found = append(found, id)
		return nil
	})
	if errors.Is(err, core.ErrUnsupported) {
		c.setDiscoverable(s, metav1.ConditionFalse, kahuv1.ReasonListingUnsupported,
			"the provider cannot list: backups of other clusters, and those whose Backup object is lost, are not shown")
		return c.ready(s)
	}
	if err != nil {
		return outcome(err)
	}
	if err := c.sync(ctx, s, found); err != nil {
		return err
	}
	number := int32(min(len(found), 1<<30))
	s.location.Status.Backups = &number
	c.setDiscoverable(s, metav1.ConditionTrue, kahuv1.ReasonListed, "The backups at the location are shown as Backup objects.")
	return c.ready(s)
}

// ready ends a pass in which nothing was wrong.
func (c *Controller) ready(s *scope) error {
	reconcile.SetReady(&s.location.Status.Conditions, kahuv1.ReasonAvailable, "The location can be used.", s.location.Generation)
	return nil
}

func (c *Controller) setDiscoverable(s *scope, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.location.Status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionDiscoverable, Status: status, Reason: reason, Message: message,
		ObservedGeneration: s.location.Generation,
	})
}

// sync makes and removes views.
func (c *Controller) sync(ctx context.Context, s *scope, found []archive.BackupID) error {
	objects := &kahuv1.BackupList{}
	if err := c.Direct.List(ctx, objects); err != nil {
		return fmt.Errorf("listing backups: %w", err)
	}
	shown, names := map[identity]*kahuv1.Backup{}, map[string]bool{}
	for i := range objects.Items {
		backup := &objects.Items[i]
		names[backup.Name] = true
		if backup.Spec.MetadataLocation == s.location.Name {
			shown[c.identityOf(backup)] = backup
		}
	}
	for _, id := range found {
		key := identity{id.ClusterID, id.UID}
		if err := c.show(ctx, s, id, shown[key], names); err != nil {
			return err
		}
		delete(shown, key)
	}
	return c.remove(ctx, shown)
}

func (c *Controller) identityOf(backup *kahuv1.Backup) identity {
	if origin := backup.Spec.Origin; origin != nil {
		return identity{origin.ClusterID, origin.UID}
	}
	return identity{c.ClusterID, string(backup.UID)}
}

// show makes a view of a backup that has no object, and completes one that has no status yet.
func (c *Controller) show(
	ctx context.Context, s *scope, id archive.BackupID, shown *kahuv1.Backup, names map[string]bool,
) error {
	if shown != nil && (shown.Spec.Origin == nil || shown.Status.State != "") {
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
		made, createErr := c.create(ctx, s, id, names)
		if createErr != nil {
			return createErr
		}
		shown = made
	}
	before := shown.DeepCopy()
	view.Show(shown, id, manifest, err)
	if err := c.Client.Status().Patch(ctx, shown, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("showing backup %s: %w", id, err)
	}
	return nil
}

// create makes the view, under the backup's own name or, where that one is taken, with a part of its UID.
func (c *Controller) create(
	ctx context.Context, s *scope, id archive.BackupID, names map[string]bool,
) (*kahuv1.Backup, error) {
	for _, name := range view.Names(id) {
		if names[name] {
			continue
		}
		names[name] = true
		made := view.New(name, id, s.location)
		err := c.Client.Create(ctx, made)
		if err == nil {
			return made, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("creating a view of backup %s: %w", id, err)
		}
	}
	return nil, fmt.Errorf("creating a view of backup %s: its names are taken by other objects", id)
}

// remove removes the views whose backups are gone from the location. The objects of runs of this cluster stay.
func (c *Controller) remove(ctx context.Context, gone map[identity]*kahuv1.Backup) error {
	for _, backup := range gone {
		if backup.Spec.Origin == nil {
			continue
		}
		if err := c.Client.Delete(ctx, backup); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing view %s: %w", backup.Name, err)
		}
	}
	return nil
}
