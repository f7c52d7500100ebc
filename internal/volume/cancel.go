package volume

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// Cancel has the orders of a restore end, and returns how many are not over yet. What an order has made for its volume goes
// with it; a volume that is whole stays. It can be called again.
func (c *Client) Cancel(ctx context.Context, run volumework.Run) (int, error) {
	return c.cancel(ctx, run, func(context.Context, *kahuv1.VolumeRestoreContent) (bool, error) { return true, nil })
}

// CancelUnclaimed has those orders of a restore end whose claims are gone: nobody is left to use what they make.
func (c *Client) CancelUnclaimed(ctx context.Context, run volumework.Run) error {
	_, err := c.cancel(ctx, run, c.unclaimed)
	return err
}

// Claimed has those orders of a restore end whose claims are gone, and returns the claims that still need theirs.
func (c *Client) Claimed(ctx context.Context, run volumework.Run) (claims []core.Key, err error) {
	_, err = c.cancel(ctx, run, func(ctx context.Context, order *kahuv1.VolumeRestoreContent) (bool, error) {
		gone, err := c.unclaimed(ctx, order)
		if err == nil && !gone && !order.Spec.Cancel {
			claims = append(claims, claimOf(order))
		}
		return gone, err
	})
	return claims, err
}

// unclaimed tells whether the claim of an order is not there, or is to go.
func (c *Client) unclaimed(ctx context.Context, order *kahuv1.VolumeRestoreContent) (bool, error) {
	claim, of := &corev1.PersistentVolumeClaim{}, order.Spec.Claim
	err := c.api.Get(ctx, client.ObjectKey{Namespace: of.Namespace, Name: of.Name}, claim)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading claim %s/%s: %w", of.Namespace, of.Name, err)
	}
	return !claim.DeletionTimestamp.IsZero(), nil
}

// Needed returns the Restores whose orders are not over and make volumes from the given ones: their names, at most as many as fit
// into a message. It has those orders end whose claims are gone.
func (c *Client) Needed(ctx context.Context, volumes []archive.Volume) ([]string, error) {
	const most = 5
	sources := map[[2]string]bool{}
	for i := range volumes {
		sources[[2]string{volumes[i].Provider, volumes[i].Handle}] = true
	}
	list := &kahuv1.VolumeRestoreContentList{}
	if err := c.api.List(ctx, list); err != nil {
		if meta.IsNoMatchError(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("listing the work orders of restores: %w", err)
	}
	names := map[string]bool{}
	for i := range list.Items {
		order := &list.Items[i]
		if isOver(order) || !sources[[2]string{order.Spec.ProviderName, order.Spec.Backup.Handle}] {
			continue
		}
		needs, err := c.needs(ctx, order)
		if err != nil {
			return nil, err
		}
		if needs {
			names[order.Spec.RestoreName] = true
		}
	}
	found := slices.Sorted(maps.Keys(names))
	if more := len(found) - most; more > 0 {
		found = append(found[:most], fmt.Sprintf("%d more", more))
	}
	return found, nil
}

// needs tells whether an order needs what its volume is made from. One that does not is ended, as what it keeps ready for a claim that
// is gone would be made from what goes now.
func (c *Client) needs(ctx context.Context, order *kahuv1.VolumeRestoreContent) (bool, error) {
	useless, err := c.isUseless(ctx, order)
	if err != nil || !useless {
		return err == nil, err
	}
	return false, c.end(ctx, order)
}

// isUseless tells whether there is no claim for an order, and will be none: a Restore that goes on creates it after its order.
func (c *Client) isUseless(ctx context.Context, order *kahuv1.VolumeRestoreContent) (bool, error) {
	gone, err := c.unclaimed(ctx, order)
	if err != nil || !gone {
		return false, err
	}
	restore := &kahuv1.Restore{}
	err = c.api.Get(ctx, client.ObjectKey{Name: order.Spec.RestoreName}, restore)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading restore %s: %w", order.Spec.RestoreName, err)
	}
	return string(restore.UID) != order.Spec.RestoreUID || restore.Status.Stage == kahuv1.StageFinished, nil
}

// isOver tells whether nothing of an order goes on.
func isOver(order *kahuv1.VolumeRestoreContent) bool {
	return order.Status.Phase == kahuv1.VolumePhaseCompleted || order.Status.Phase == kahuv1.VolumePhaseFailed
}

// cancel has those orders of a restore end that are chosen and not over.
func (c *Client) cancel(
	ctx context.Context, run volumework.Run, choose func(ctx context.Context, order *kahuv1.VolumeRestoreContent) (bool, error),
) (going int, err error) {
	list := &kahuv1.VolumeRestoreContentList{}
	if err := c.api.List(ctx, list, ofRestore(run)); err != nil {
		if meta.IsNoMatchError(err) {
			return 0, nil
		}
		return 0, fmt.Errorf("listing the work orders of restore %s: %w", run.Name, err)
	}
	for i := range list.Items {
		order := &list.Items[i]
		if isOver(order) {
			continue
		}
		chosen, err := choose(ctx, order)
		if err != nil {
			return going, err
		}
		if !chosen {
			continue
		}
		going++
		if err := c.end(ctx, order); err != nil {
			return going, err
		}
	}
	return going, nil
}

// end has an order end.
func (c *Client) end(ctx context.Context, order *kahuv1.VolumeRestoreContent) error {
	if order.Spec.Cancel {
		return nil
	}
	before := order.DeepCopy()
	order.Spec.Cancel = true
	if err := c.api.Patch(ctx, order, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cancelling work order %s: %w", order.Name, err)
	}
	return nil
}
