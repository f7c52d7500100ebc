package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// maxEvents is of how many claims it is looked up at a time what the cluster says of them.
const maxEvents = 20

// Await waits until every claim that a restore has created has its volume, or it is known that it will not have it, or that it
// waits for a pod. Orders for other claims end: nobody is there to use what they make. show is told of those that are awaited,
// now and again.
func (c *Client) Await(
	ctx context.Context, run volumework.Run, wish volumework.Awaited, show func(going []volumework.Restored),
) ([]volumework.Restored, error) {
	work := &awaiting{Client: c, run: run, wish: wish, began: c.clock.Now(), rows: map[core.Key]*awaited{}, away: newAbsences(c.clock), known: map[string]bool{}}
	for _, claim := range wish.Claims {
		work.rows[claim] = &awaited{Restored: volumework.Restored{Claim: claim, State: volumework.Going}, moved: work.began}
	}
	if _, err := c.cancel(ctx, run, func(_ context.Context, order *kahuv1.VolumeRestoreContent) (bool, error) {
		return work.rows[claimOf(order)] == nil, nil
	}); err != nil {
		return nil, err
	}
	for !work.over() {
		if err := work.round(ctx); err != nil {
			return nil, err
		}
		if !work.over() {
			work.assess(ctx)
			show(work.sorted(func(row *awaited) bool { return row.State == volumework.Going }))
		}
	}
	return work.sorted(func(*awaited) bool { return true }), nil
}

// Watch tells how far the orders of a restore are until the context ends.
func (c *Client) Watch(ctx context.Context, run volumework.Run, show func(now volumework.Progress)) {
	orders := map[string]*kahuv1.VolumeRestoreContent{}
	_ = c.follow(ctx, follower{ // Whoever waits for the orders learns what goes wrong.
		list: func() client.ObjectList { return &kahuv1.VolumeRestoreContentList{} }, options: []client.ListOption{ofRestore(run)},
		over: func() bool { return false },
		look: func(_ context.Context, object client.Object, gone bool) error {
			order, is := object.(*kahuv1.VolumeRestoreContent)
			if !is || gone {
				return nil
			}
			orders[order.Name] = order
			now := volumework.Progress{}
			for _, each := range orders {
				progress := &each.Status.Progress
				now.BytesDone += ptr.Deref(progress.BytesDone, 0)
				now.BytesTotal += ptr.Deref(progress.BytesTotal, 0)
				switch each.Status.Phase {
				case kahuv1.VolumePhaseCompleted:
					now.Done++
				case kahuv1.VolumePhaseFailed:
					now.Failed++
				case kahuv1.VolumePhaseNew, kahuv1.VolumePhaseInProgress, kahuv1.VolumePhaseDeleting:
				}
			}
			show(now)
			return nil
		},
	})
}

// awaiting is one run of Await.
type awaiting struct {
	*Client

	run    volumework.Run
	wish   volumework.Awaited
	began  time.Time
	rows   map[core.Key]*awaited
	away   *absences
	known  map[string]bool // the providers of which away knows
	listed bool            // in this round
}

// awaited is a claim that is waited for.
type awaited struct {
	volumework.Restored

	order          *kahuv1.VolumeRestoreContent // as it was last; nil where there is none
	seen           bool                         // in this round
	version, claim string                       // of the order and the claim, when they moved last
	moved          time.Time
}

func claimOf(order *kahuv1.VolumeRestoreContent) core.Key {
	return core.Key{Resource: "persistentvolumeclaims", Namespace: order.Spec.Claim.Namespace, Name: order.Spec.Claim.Name}
}

func (w *awaiting) over() bool {
	for _, row := range w.rows {
		if row.State == volumework.Going {
			return false
		}
	}
	return true
}

// round follows the orders until all are over, or it is time to look at the claims.
func (w *awaiting) round(ctx context.Context) error {
	w.listed = false
	for _, row := range w.rows {
		row.seen = false
	}
	round, stop := context.WithTimeout(ctx, w.options.LookTime)
	defer stop()
	err := w.follow(round, follower{
		list: func() client.ObjectList { return &kahuv1.VolumeRestoreContentList{} }, options: []client.ListOption{ofRestore(w.run)},
		look: w.look,
		over: func() bool {
			w.listed = true
			return w.over()
		},
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// look takes notice of how an order is.
func (w *awaiting) look(_ context.Context, object client.Object, gone bool) error {
	order, is := object.(*kahuv1.VolumeRestoreContent)
	if !is {
		return nil
	}
	row := w.rows[claimOf(order)]
	if row == nil || row.State != volumework.Going {
		return nil
	}
	status := &order.Status
	if row.Provider = order.Spec.ProviderName; !w.known[row.Provider] {
		w.known[row.Provider], w.away.away[row.Provider] = true, w.clock.Now() // Until it is seen.
	}
	row.order, row.seen = order, !gone
	row.BytesDone, row.BytesTotal = ptr.Deref(status.Progress.BytesDone, row.BytesDone), ptr.Deref(status.Progress.BytesTotal, row.BytesTotal)
	switch status.Phase {
	case kahuv1.VolumePhaseCompleted:
		row.State, row.Message = volumework.Done, ""
	case kahuv1.VolumePhaseFailed:
		row.State, row.Message = volumework.Lost, fmt.Sprintf("provider %s could not make its volume: %s", row.Provider, status.FailureReason)
	case kahuv1.VolumePhaseNew, kahuv1.VolumePhaseInProgress, kahuv1.VolumePhaseDeleting:
	}
	return nil
}

// assess looks at the claims whose orders are not over. What cannot be read now is looked at in the next round.
func (w *awaiting) assess(ctx context.Context) {
	claims, err := w.claims(ctx)
	if err != nil || !w.listed {
		return
	}
	looking, cancel := context.WithTimeout(ctx, w.options.LookTime)
	defer cancel()
	round := follower{
		list: func() client.ObjectList { return &kahuv1.ProviderList{} }, look: w.away.look, over: func() bool { return true },
	}
	if w.follow(looking, round) != nil {
		return
	}
	events := 0
	for _, row := range w.rows {
		if row.State != volumework.Going {
			continue
		}
		sight := w.sight(row, claims)
		row.State, row.Message = sight.Judge(volumework.Limits{Pods: w.wish.Pods, Still: w.options.StillTime, Away: w.options.Patience})
		if (row.State == volumework.Lost || row.Message == "") && sight.There && events < maxEvents {
			events++
			row.Message = withWords(row.Message, w.complaint(ctx, row.Claim))
		}
	}
}

func withWords(message, words string) string {
	if message == "" || words == "" {
		return message + words
	}
	return message + "; the cluster says: " + words
}

// sight is what is to be seen of a claim.
func (w *awaiting) sight(row *awaited, claims map[core.Key]sighted) volumework.Sight {
	now := w.clock.Now()
	if !row.seen {
		row.order = nil
	}
	seen := claims[row.Claim]
	order := ""
	if row.order != nil {
		order = row.order.ResourceVersion
	}
	if row.version != order || row.claim != seen.version {
		row.version, row.claim, row.moved = order, seen.version, now
	}
	seen.Ordered, seen.Waited, seen.Still = row.order != nil, now.Sub(w.began), now.Sub(row.moved)
	if since := w.away.away[row.Provider]; !since.IsZero() {
		seen.Away = now.Sub(since)
	}
	return seen.Sight
}

// sighted is a claim, and the version in which it was seen.
type sighted struct {
	volumework.Sight

	version string
}

// claims reads those that are waited for, namespace by namespace.
func (w *awaiting) claims(ctx context.Context) (map[core.Key]sighted, error) {
	namespaces := map[string]bool{}
	for key, row := range w.rows {
		if row.State == volumework.Going {
			namespaces[key.Namespace] = true
		}
	}
	delayed, err := w.delayedClasses(ctx)
	if err != nil {
		return nil, err
	}
	found := map[core.Key]sighted{}
	for namespace := range namespaces {
		list := &corev1.PersistentVolumeClaimList{}
		if err := w.api.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, fmt.Errorf("listing claims in %s: %w", namespace, err)
		}
		for i := range list.Items {
			claim := &list.Items[i]
			found[core.Key{Resource: "persistentvolumeclaims", Namespace: claim.Namespace, Name: claim.Name}] = sighted{
				version: claim.ResourceVersion,
				Sight: volumework.Sight{
					There: claim.DeletionTimestamp.IsZero(), Bound: claim.Status.Phase == corev1.ClaimBound,
					Whole:   claim.Spec.VolumeName != "" && claim.Spec.DataSourceRef == nil,
					Delayed: delayed[ptr.Deref(claim.Spec.StorageClassName, "")] && claim.Spec.VolumeName == "",
					Chosen:  claim.Annotations[selectedNode] != "",
				},
			}
		}
	}
	return found, nil
}

// delayedClasses returns the classes whose volumes are made with the first pod that uses them.
func (w *awaiting) delayedClasses(ctx context.Context) (map[string]bool, error) {
	classes := &storagev1.StorageClassList{}
	if err := w.api.List(ctx, classes); err != nil {
		return nil, fmt.Errorf("listing classes: %w", err)
	}
	delayed := map[string]bool{}
	for i := range classes.Items {
		mode := classes.Items[i].VolumeBindingMode
		delayed[classes.Items[i].Name] = mode != nil && *mode == storagev1.VolumeBindingWaitForFirstConsumer
	}
	return delayed, nil
}

// selectedNode is on a claim of a class that waits for the first pod, when there is one.
const selectedNode = "volume.kubernetes.io/selected-node"

// complaint returns what the cluster said last about a claim that it has trouble with.
func (w *awaiting) complaint(ctx context.Context, claim core.Key) string {
	const most = 50
	list := &corev1.EventList{}
	err := w.api.List(ctx, list, client.InNamespace(claim.Namespace), client.Limit(most), client.MatchingFieldsSelector{
		Selector: fields.SelectorFromSet(fields.Set{
			"involvedObject.kind": "PersistentVolumeClaim", "involvedObject.name": claim.Name, "type": corev1.EventTypeWarning,
		}),
	})
	if err != nil || len(list.Items) == 0 {
		return ""
	}
	last := slices.MaxFunc(list.Items, func(a, b corev1.Event) int { return when(&a).Compare(when(&b)) })
	return last.Message
}

// when is the last time of an event.
func when(event *corev1.Event) time.Time {
	times := []time.Time{event.LastTimestamp.Time, event.EventTime.Time, event.CreationTimestamp.Time}
	return slices.MaxFunc(times, time.Time.Compare)
}

// sorted returns the rows that are chosen.
func (w *awaiting) sorted(choose func(row *awaited) bool) []volumework.Restored {
	var rows []volumework.Restored
	for _, row := range w.rows {
		if choose(row) {
			rows = append(rows, row.Restored)
		}
	}
	slices.SortFunc(rows, func(a, b volumework.Restored) int { return a.Claim.Compare(b.Claim) })
	return rows
}
