package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// Cut cuts a snapshot of every volume whose decision asks for one, all at once, and returns when each is cut: when the data of
// that instant is safe from what is written after it, though it may take long until the snapshot can be used. It returns why
// the others are not, by claim. Volumes that another attempt has cut, or given an order for, are not cut again.
func (c *Client) Cut(ctx context.Context, run volumework.Run, decisions []volumeplan.Decision) (map[core.Key]error, error) {
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, c.options.CutTime, errSlow)
	defer cancel()
	wanted := map[client.ObjectKey]*volumeplan.Decision{}
	for i := range decisions {
		each := &decisions[i]
		if each.SnapshotClass != "" && ordered[OrderName(run, each.Claim.Namespace, each.Claim.Name)] == nil {
			wanted[client.ObjectKey{Namespace: each.Claim.Namespace, Name: snapshotName(run, each.Claim.Key())}] = each
		}
	}
	failed := c.createAll(bounded, run, wanted)
	waiting := &cutting{wanted: wanted, failed: failed, last: map[core.Key]string{}}
	if !waiting.over() {
		err = c.follow(bounded, follower{
			list: func() client.ObjectList { return listOf(snapshotKind) }, options: []client.ListOption{ofRun(run)},
			look: waiting.look, over: waiting.over,
		})
	}
	waiting.giveUp(err)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err()
	}
	return failed, nil // That the applications have held still for long enough is told with each volume.
}

// errSlow: the storage system took too long.
var errSlow = errors.New("the storage system took too long")

// createAll asks for all snapshots at once. Those that are refused are not wanted any more.
func (c *Client) createAll(ctx context.Context, run volumework.Run, wanted map[client.ObjectKey]*volumeplan.Decision) map[core.Key]error {
	failed := map[core.Key]error{}
	type answer struct {
		key client.ObjectKey
		err error
	}
	answers := make(chan answer, len(wanted))
	var creating errgroup.Group
	for key, decision := range wanted {
		creating.Go(func() error {
			err := patiently(ctx, func() error { return c.api.Create(ctx, newSnapshot(run, decision)) })
			if apierrors.IsAlreadyExists(err) {
				err = nil // Of an earlier attempt.
			}
			answers <- answer{key, err}
			return nil
		})
	}
	_ = creating.Wait()
	close(answers)
	for answer := range answers {
		if answer.err != nil {
			failed[wanted[answer.key].Claim.Key()] = fmt.Errorf("asking for a snapshot: %w", answer.err)
			delete(wanted, answer.key)
		}
	}
	return failed
}

// cutting waits for snapshots to be cut.
type cutting struct {
	wanted map[client.ObjectKey]*volumeplan.Decision // that are not cut yet
	failed map[core.Key]error
	last   map[core.Key]string // what went wrong last
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
	case !state.cut.IsZero():
		delete(w.wanted, key)
	}
	return nil
}

// giveUp says of everything that is not cut why it is not.
func (w *cutting) giveUp(err error) {
	for key, decision := range w.wanted {
		claim := decision.Claim.Key()
		if said := w.last[claim]; said != "" {
			err = errors.New(said)
		}
		w.failed[claim] = fmt.Errorf("its VolumeSnapshot %s was not cut: %w", key, cmp.Or(err, errSlow))
	}
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
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[kahuv1.BackupUIDLabel] = run.UID
	object.SetLabels(labels)
	if of.keeps {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[keepsSnapshot] = "true"
		object.SetAnnotations(annotations)
	}
	if err := unstructured.SetNestedField(object.Object, of.policy, "spec", "deletionPolicy"); err != nil {
		return err
	}
	return c.api.Patch(ctx, object, client.MergeFrom(before))
}
