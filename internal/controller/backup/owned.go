package backup

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
)

// isOwned tells whether the data of a backup is this cluster's to delete: it is in its own part of the location, or in one
// that the location's spec has it take over. It asks the API server itself, as a wish to delete may follow that very closely.
// Where the location is not there, the answer is the one that is given.
func (c *Controller) isOwned(ctx context.Context, s *scope, otherwise bool) (bool, error) {
	id, written := c.id(s), s.status().ClusterID
	if written != "" && written != id.ClusterID {
		return false, nil
	}
	if id.ClusterID == c.ClusterID {
		return true, nil
	}
	location := &kahuv1.BackupLocation{}
	err := c.Direct.Get(ctx, client.ObjectKey{Name: s.backup.Spec.MetadataLocation}, location)
	if apierrors.IsNotFound(err) {
		return otherwise, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading BackupLocation %s: %w", s.backup.Spec.MetadataLocation, err)
	}
	return place.Inherits(location, id.ClusterID), nil
}

// part returns the part of the location in which the backup lies.
func (c *Controller) part(s *scope) *place.Part {
	return &place.Part{ClusterID: c.id(s).ClusterID, Self: c.ClusterID, Files: s.files, Clock: c.Clock}
}

// keepOwned makes a view of a backup whose data is this cluster's, and that a person has told to Delete, outlive its data:
// from then on it does not go with its location, whose deletion is nobody's wish to lose data. Any other one goes freely.
func (c *Controller) keepOwned(ctx context.Context, s *scope) error {
	owned, has := false, slices.Contains(s.backup.Finalizers, Finalizer)
	if s.backup.Spec.DeletionPolicy == kahuv1.DeletionPolicyDelete {
		var err error
		if owned, err = c.isOwned(ctx, s, has); err != nil {
			return err
		}
	}
	if owned == has {
		return nil
	}
	before := &kahuv1.Backup{ObjectMeta: *s.backup.ObjectMeta.DeepCopy()}
	after := before.DeepCopy()
	if owned {
		after.Finalizers = append(after.Finalizers, Finalizer)
		after.OwnerReferences = slices.DeleteFunc(after.OwnerReferences, func(of metav1.OwnerReference) bool {
			return of.Kind == "BackupLocation"
		})
	} else {
		after.Finalizers = slices.DeleteFunc(after.Finalizers, func(name string) bool { return name == Finalizer })
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Client.Patch(ctx, after, patch); err != nil {
		return client.IgnoreNotFound(err)
	}
	s.backup.Finalizers, s.backup.OwnerReferences, s.backup.ResourceVersion = after.Finalizers, after.OwnerReferences, after.ResourceVersion
	return nil
}
