package reconcile

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// changeTries is how often a status is written that somebody else writes, too.
const changeTries = 20

// ChangeStatus changes the status of the object that has the name of this empty one, over the very version that it has read: whoever
// writes meanwhile wins, and then it is asked again whether and what to change. It returns the object as the API server keeps it, and
// whether it was changed.
func ChangeStatus[T client.Object](
	ctx context.Context, from client.Reader, to client.StatusClient, empty T, change func(object T) (bool, error),
) (after T, changed bool, err error) {
	key := client.ObjectKeyFromObject(empty)
	for range changeTries {
		before, _ := empty.DeepCopyObject().(T)
		if err := from.Get(ctx, key, before); err != nil {
			return empty, false, err
		}
		after, _ = before.DeepCopyObject().(T)
		wanted, refused := change(after)
		if refused != nil || !wanted {
			return after, false, refused
		}
		err = to.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if !apierrors.IsConflict(err) {
			return after, err == nil, err
		}
	}
	return empty, false, err
}
