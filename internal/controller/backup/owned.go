package backup

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// keepOwned makes a view of a backup that this cluster made, and that a person has told to Delete, outlive its data: from
// then on it does not go with its location, whose deletion is nobody's wish to lose data. One that says Retain goes freely.
func (c *Controller) keepOwned(ctx context.Context, s *scope) error {
	owned := c.id(s).ClusterID == c.ClusterID && s.backup.Spec.DeletionPolicy == kahuv1.DeletionPolicyDelete
	has := slices.Contains(s.backup.Finalizers, Finalizer)
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
