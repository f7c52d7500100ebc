package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// cutEach cuts snapshots one by one, all of them at once, as Cut does.
func (c *Client) cutEach(
	ctx context.Context, run volumework.Run, at volumework.Moment, decisions []volumeplan.Decision,
) (map[core.Key]error, error) {
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return nil, err
	}
	waiting := &cutting{moment: at, wanted: map[client.ObjectKey]*volumeplan.Decision{}, failed: map[core.Key]error{}, last: map[core.Key]string{}}
	for i := range decisions {
		each := &decisions[i]
		switch {
		case each.SnapshotClass == "":
		case ordered[OrderName(run, each.Claim.Namespace, each.Claim.Name)] == nil:
			waiting.wanted[client.ObjectKey{Namespace: each.Claim.Namespace, Name: snapshotName(run, each.Claim.Key())}] = each
		case at.Held:
			waiting.failed[each.Claim.Key()] = errOtherMoment
		}
	}
	if at.Over {
		return waiting.failed, c.cutBefore(ctx, run, waiting)
	}
	bounded, cancel := context.WithTimeoutCause(ctx, c.options.CutTime, errSlow)
	defer cancel()
	c.createAll(bounded, run, waiting)
	if !waiting.over() {
		err = c.follow(bounded, follower{
			list: func() client.ObjectList { return listOf(snapshotKind) }, options: []client.ListOption{ofRun(run)},
			look: waiting.look, over: waiting.over, before: waiting.asked(),
		})
	}
	waiting.giveUp(ended(bounded, err))
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err()
	}
	return waiting.failed, nil // That the applications have held still for long enough is told with each volume.
}

// cutBefore looks at the snapshots that were cut in a moment that is over.
func (c *Client) cutBefore(ctx context.Context, run volumework.Run, waiting *cutting) error {
	list := listOf(snapshotKind)
	err := patiently(ctx, func() error { return c.api.List(ctx, list, ofRun(run)) })
	if err != nil && !meta.IsNoMatchError(err) {
		return fmt.Errorf("listing the snapshots of backup %s: %w", run.Name, err)
	}
	for i := range list.Items {
		if err := waiting.look(ctx, &list.Items[i], false); err != nil {
			return err
		}
	}
	for _, decision := range waiting.wanted {
		waiting.failed[decision.Claim.Key()] = errTooLate
	}
	return nil
}

// Drop removes what is there of snapshots that were to be cut of these claims, and that nobody waits for any more.
func (c *Client) Drop(ctx context.Context, run volumework.Run, claims []core.Key) error {
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return err
	}
	sweep := newSweep(c, run, endOfRun, ordered)
	for _, claim := range claims {
		object := objectOf(snapshotKind, claim.Namespace, snapshotName(run, claim))
		err := c.api.Get(ctx, client.ObjectKeyFromObject(object), object)
		if err == nil {
			err = sweep.snapshot(ctx, object)
		}
		if !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
			sweep.add(err)
		}
	}
	return errors.Join(sweep.problems...)
}

var (
	// errSlow: the storage system took too long.
	errSlow = errors.New("the storage system took too long")
	// errOtherMoment: a snapshot is of a time at which nobody held still.
	errOtherMoment = errors.New("it was cut when the applications did not hold still")
	// errTooLate: there is no snapshot of the time at which applications held still.
	errTooLate = errors.New("it was not cut while the applications held still, and they have gone on: no hook before runs twice")
)

// createAll asks for all snapshots at once. Those that are refused are not wanted any more.
func (c *Client) createAll(ctx context.Context, run volumework.Run, waiting *cutting) {
	type answer struct {
		key client.ObjectKey
		err error
	}
	answers := make(chan answer, len(waiting.wanted))
	var creating errgroup.Group
	for key, decision := range waiting.wanted {
		creating.Go(func() error {
			err := patiently(ctx, func() error { return c.api.Create(ctx, newSnapshot(run, waiting.moment, decision)) })
			if apierrors.IsAlreadyExists(err) {
				err = nil // Of an earlier attempt, or of this one, to which the answer was lost.
			}
			answers <- answer{key, err}
			return nil
		})
	}
	_ = creating.Wait()
	close(answers)
	for answer := range answers {
		if answer.err != nil {
			waiting.failed[waiting.wanted[answer.key].Claim.Key()] = fmt.Errorf("asking for a snapshot: %w", ended(ctx, answer.err))
			delete(waiting.wanted, answer.key)
		}
	}
}

// cutting waits for snapshots to be cut.
type cutting struct {
	moment volumework.Moment
	wanted map[client.ObjectKey]*volumeplan.Decision // that are not cut yet
	failed map[core.Key]error
	last   map[core.Key]string // what went wrong last
}

// asked returns the snapshots that were asked for: one that is gone before it is looked at is cut no more.
func (w *cutting) asked() (all []client.Object) {
	for key := range w.wanted {
		all = append(all, objectOf(snapshotKind, key.Namespace, key.Name))
	}
	return all
}

func (w *cutting) over() bool { return len(w.wanted) == 0 }

func (w *cutting) look(_ context.Context, object client.Object, gone bool) error {
	key := client.ObjectKeyFromObject(object)
	decision, wanted := w.wanted[key]
	made, is := object.(*unstructured.Unstructured)
	if !wanted || !is {
		return nil
	}
	claim, state := decision.Claim.Key(), snapshotOf(made)
	w.last[claim] = state.failure
	switch {
	case gone:
		w.failed[claim] = fmt.Errorf("its VolumeSnapshot %s was deleted before it was cut: %w", key, core.ErrNotFound)
		delete(w.wanted, key)
	case state.cut.IsZero():
	default:
		if err := ofMoment(w.moment, state.attempt, made.GetCreationTimestamp().Time); err != nil {
			w.failed[claim] = err
		}
		delete(w.wanted, key)
	}
	return nil
}

// serverDrift is by how much the clock of the API server may differ from that of the manager.
const serverDrift = time.Minute

// ofMoment returns why what was cut is not of the moment that counts. One that the attempt has asked for, for which applications
// held still, is, whatever the storage system's clock says: as long as they did, it was seen to be cut, and what was not is on
// record. Something that bears its name and was made at another time is not what was seen.
func ofMoment(at volumework.Moment, attempt string, made time.Time) error {
	switch {
	case !at.Held && !at.Over:
		return nil
	case attempt != at.Attempt:
		return errOtherMoment
	case at.Over && (made.Before(at.From.Add(-serverDrift)) || made.After(at.To.Add(serverDrift))):
		return fmt.Errorf("%w: it was made at %s by the clock of the API server, and they held still from %s to %s by that of the manager. Somebody "+
			"has made it again, or these clocks differ by more than %s", errOtherMoment, made.UTC().Format(time.RFC3339),
			at.From.UTC().Format(time.RFC3339), at.To.UTC().Format(time.RFC3339), serverDrift)
	}
	return nil
}

// giveUp says of everything that is not cut why it is not.
func (w *cutting) giveUp(err error) {
	for key, decision := range w.wanted {
		claim, why := decision.Claim.Key(), cmp.Or(err, errSlow)
		if said := w.last[claim]; said != "" {
			why = fmt.Errorf("%w: %s", why, said)
		}
		w.failed[claim] = fmt.Errorf("its VolumeSnapshot %s was not cut: %w", key, why)
	}
}

// ended returns what ended the waiting: where time was up, whose time it was.
func ended(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// secure makes sure that a snapshot outlives its namespace, and that it is known whether it becomes the backup, and returns what
// its content says. It can be called again.
func (c *Client) secure(ctx context.Context, run volumework.Run, name string, of fate) (content, error) {
	object := objectOf(contentKind, "", name)
	if err := c.api.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return content{}, fmt.Errorf("reading VolumeSnapshotContent %s: %w", name, err)
	}
	found := contentOf(object)
	if found.policy == of.policy && object.GetLabels()[kahuv1.BackupUIDLabel] == run.UID && (found.keeps || !of.keeps) {
		return found, nil
	}
	if err := c.setFate(ctx, run, object, of); err != nil {
		return content{}, fmt.Errorf("having VolumeSnapshotContent %s retained: %w", name, err)
	}
	return found, nil
}

// fate is what becomes of a snapshot when its content goes, and whether it is a backup. That is on record before there is an
// order, and stays when orders go.
type fate struct {
	policy string
	keeps  bool
}

// setFate writes down what becomes of the snapshot of a content.
func (c *Client) setFate(ctx context.Context, run volumework.Run, object *unstructured.Unstructured, of fate) error {
	before := object.DeepCopy()
	sign(object, run)
	if of.keeps {
		annotations := object.GetAnnotations()
		annotations[keepsSnapshot] = "true"
		object.SetAnnotations(annotations)
	}
	if err := unstructured.SetNestedField(object.Object, of.policy, "spec", "deletionPolicy"); err != nil {
		return err
	}
	return c.api.Patch(ctx, object, client.MergeFrom(before))
}
