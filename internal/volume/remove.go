package volume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// removeTime bounds one try at having providers remove data.
const removeTime = time.Minute

// Remove has providers remove the data of a backup's volumes: of those that its orders are for, and of the given ones, for
// which there may be no order any more. It can be called again. What it could not wait for gives core.ErrUnavailable.
func (c *Client) Remove(ctx context.Context, run volumework.Run, volumes []archive.Volume) error {
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return err
	}
	var problems []error
	known := backupsOf(ordered)
	for i := range volumes {
		row := &volumes[i]
		order := existingOrder(run, row)
		if known[identityOf(row.Provider, row.Handle, row.Attributes)] {
			continue
		}
		if err := c.api.Create(ctx, order); err != nil && !apierrors.IsAlreadyExists(err) {
			problems = append(problems, fmt.Errorf("having provider %s remove a volume: %w", row.Provider, err))
			continue
		}
		ordered[order.Name] = order
	}
	for _, order := range ordered {
		problems = append(problems, c.removeOrder(ctx, order))
	}
	if err := errors.Join(problems...); err != nil {
		return err // All were tried. What could be removed meanwhile is not waited for.
	}
	if err := c.awaitGone(ctx, run, len(ordered)); err != nil {
		return err
	}
	return c.sweep(ctx, run, endOfData)
}

// identityOf tells the backups of volumes apart. One handle may be that of several, where their provider stands before several
// storage systems: it says in the attributes which one it is.
func identityOf(provider, handle string, attributes map[string]string) string {
	parts := []string{provider, handle}
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		parts = append(parts, key, attributes[key])
	}
	const all = 64
	return digest(all, parts...)
}

// backupsOf returns which backups of volumes the orders stand for.
func backupsOf(ordered map[string]*kahuv1.VolumeBackupContent) map[string]bool {
	known := map[string]bool{}
	for _, order := range ordered {
		for _, backup := range []*kahuv1.VolumeBackupIdentity{order.Status.Backup, order.Spec.Existing} {
			if backup != nil {
				known[identityOf(order.Spec.ProviderName, backup.Handle, backup.Attributes)] = true
			}
		}
	}
	return known
}

// existingOrder stands for the backup of a volume of which there is no order any more. The claim of one whose names are
// encrypted is not known, and nobody needs it for that.
func existingOrder(run volumework.Run, row *archive.Volume) *kahuv1.VolumeBackupContent {
	const unknown = "unknown"
	or := func(name string) string {
		if name == "" {
			return unknown
		}
		return name
	}
	return &kahuv1.VolumeBackupContent{
		ObjectMeta: metav1.ObjectMeta{
			Name: OrderName(run, "existing", identityOf(row.Provider, row.Handle, row.Attributes)), Labels: map[string]string{kahuv1.BackupUIDLabel: run.UID},
			Finalizers: []string{kahuv1.VolumeFinalizer},
		},
		Spec: kahuv1.VolumeBackupContentSpec{
			BackupName: run.Name, BackupUID: run.UID, ProviderName: row.Provider, Location: row.Location, Way: kahuv1.VolumeWay(row.Way),
			Claim: kahuv1.VolumeClaim{Namespace: or(row.Namespace), Name: or(row.Name)}, PersistentVolume: or(row.PersistentVolume),
			Existing:       &kahuv1.VolumeBackupIdentity{Handle: row.Handle, Attributes: row.Attributes},
			DeletionPolicy: kahuv1.DeletionPolicyDelete,
		},
	}
}

// removeOrder has the data of an order removed, and then the order.
func (c *Client) removeOrder(ctx context.Context, order *kahuv1.VolumeBackupContent) error {
	if order.Spec.DeletionPolicy != kahuv1.DeletionPolicyDelete {
		after := order.DeepCopy()
		after.Spec.DeletionPolicy = kahuv1.DeletionPolicyDelete
		after.Spec.Cancel = after.Spec.Cancel || order.Status.Phase != kahuv1.VolumePhaseCompleted
		if err := c.api.Patch(ctx, after, client.MergeFrom(order)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("changing work order %s: %w", order.Name, err)
		}
	}
	if err := c.api.Delete(ctx, order); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing work order %s: %w", order.Name, err)
	}
	return nil
}

// awaitGone waits until the orders of a run are gone.
func (c *Client) awaitGone(ctx context.Context, run volumework.Run, number int) error {
	if number == 0 {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, removeTime)
	defer cancel()
	left := map[string]string{}
	err := c.follow(waiting, follower{
		list: func() client.ObjectList { return &kahuv1.VolumeBackupContentList{} }, options: []client.ListOption{ofRun(run)},
		over: func() bool { return len(left) == 0 },
		look: func(_ context.Context, object client.Object, gone bool) error {
			if order, is := object.(*kahuv1.VolumeBackupContent); is && !gone {
				left[order.Name] = "provider " + order.Spec.ProviderName
				if order.Status.FailureReason != "" {
					left[order.Name] += " (" + order.Status.FailureReason + ")"
				}
				return nil
			}
			delete(left, object.GetName())
			return nil
		},
	})
	if err == nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var whom []string
	for _, who := range left {
		if !slices.Contains(whom, who) {
			whom = append(whom, who)
		}
	}
	slices.Sort(whom)
	const named = 3
	return fmt.Errorf("the data of %s is still to be removed by %s: %w", core.Count(int64(len(left)), "volume"),
		strings.Join(whom[:min(len(whom), named)], ", "), core.ErrUnavailable)
}

// Forget removes the orders of a backup, and leaves its data where it is.
func (c *Client) Forget(ctx context.Context, run volumework.Run) error {
	if err := c.sweep(ctx, run, endOfRecord); err != nil { // As long as the orders say which snapshots stay.
		return err
	}
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return err
	}
	for _, order := range ordered {
		if err := c.api.Delete(ctx, order); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing work order %s: %w", order.Name, err)
		}
	}
	return nil
}
