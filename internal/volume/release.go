package volume

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// Release removes the objects of the snapshots that a run has cut. The snapshots themselves stay in the storage system where
// they are the backup, and go where they are not. What an order still needs is left.
//
// A snapshot goes only where it is known that it is no backup. That there is no order of it says nothing: somebody may have
// removed that.
func (c *Client) Release(ctx context.Context, run volumework.Run) error {
	return c.sweep(ctx, run, endOfRun)
}

// ending says why the objects of snapshots are removed.
type ending int

const (
	// endOfRun: what was cut and is no backup goes.
	endOfRun ending = iota
	// endOfRecord: all that is a backup, or may be one, stays.
	endOfRecord
	// endOfData: nothing stays. Providers have removed what was the backup already.
	endOfData
)

func (c *Client) sweep(ctx context.Context, run volumework.Run, why ending) error {
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return err
	}
	sweep := newSweep(c, run, why, ordered)
	sweep.add(sweep.conceal(ctx))
	snapshots := listOf(snapshotKind)
	err = c.api.List(ctx, snapshots, ofRun(run))
	if meta.IsNoMatchError(err) {
		return errors.Join(sweep.problems...)
	}
	if err != nil {
		return fmt.Errorf("listing the snapshots of backup %s: %w", run.Name, err)
	}
	sweep.each(snapshots, func(object *unstructured.Unstructured) error { return sweep.snapshot(ctx, object) })
	contents := listOf(contentKind)
	if err := c.api.List(ctx, contents, ofRun(run)); err != nil {
		return errors.Join(append(sweep.problems, fmt.Errorf("listing the snapshot contents of backup %s: %w", run.Name, err))...)
	}
	sweep.each(contents, func(object *unstructured.Unstructured) error { return sweep.content(ctx, object) })
	sweep.groups(ctx)
	return errors.Join(sweep.problems...)
}

// markKept writes down on the contents which snapshots are backups, also where an earlier attempt has given the orders.
func (c *Client) markKept(ctx context.Context, run volumework.Run) error {
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return err
	}
	sweep := newSweep(c, run, endOfRun, ordered)
	contents := listOf(contentKind)
	err = c.api.List(ctx, contents, ofRun(run))
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing the snapshot contents of backup %s: %w", run.Name, err)
	}
	for i := range contents.Items {
		held := contentOf(&contents.Items[i])
		if held.keeps || sweep.roles[held.id()] != isBackup {
			continue
		}
		err := c.setFate(ctx, run, &contents.Items[i], fate{policy: policyRetain, keeps: true})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("changing VolumeSnapshotContent %s: %w", contents.Items[i].GetName(), err)
		}
	}
	return nil
}

// role is what the orders say of a snapshot.
type role int

const (
	// unordered: there is no order of it, or none any more.
	unordered role = iota
	// needed: its order is not over.
	needed
	// isBackup: its order is over, and it is the backup.
	isBackup
	// temporary: its order is over, and it is no backup.
	temporary
)

type sweep struct {
	*Client

	run      volumework.Run
	why      ending
	roles    map[snapshotID]role
	mounted  map[string]bool // claims in Kahu's namespace that an order needs
	mu       sync.Mutex
	problems []error // guarded by mu
}

func newSweep(c *Client, run volumework.Run, why ending, ordered map[string]*kahuv1.VolumeBackupContent) *sweep {
	made := &sweep{Client: c, run: run, why: why, roles: map[snapshotID]role{}, mounted: map[string]bool{}}
	for _, order := range ordered {
		made.learn(order)
	}
	return made
}

// learn takes notice of what an order says of its snapshot.
func (s *sweep) learn(order *kahuv1.VolumeBackupContent) {
	taken := order.Spec.Snapshot
	if taken == nil {
		return
	}
	is := temporary
	switch phase := order.Status.Phase; {
	case phase == kahuv1.VolumePhaseCompleted && order.Annotations[keepsSnapshot] == "true":
		is = isBackup
	case phase != kahuv1.VolumePhaseCompleted && phase != kahuv1.VolumePhaseFailed && order.DeletionTimestamp.IsZero():
		is = needed
		if order.Spec.Source != nil {
			s.mounted[order.Spec.Source.Name] = true
		}
	}
	s.roles[snapshotID{taken.Driver, taken.Handle}] = is
}

// judge says what becomes of a snapshot when its objects go, or that they must stay.
func judge(why ending, is role, keeps bool) (policy string, stays bool) {
	switch {
	case is == needed:
		return "", true
	case why == endOfData:
		return policyDelete, false
	case is == isBackup, is == unordered && keeps && why == endOfRecord:
		return policyRetain, false
	case is == temporary:
		return policyDelete, false
	case keeps, why == endOfRecord:
		return "", true // Nobody knows.
	}
	return policyDelete, false
}

// each does something with all objects of a list, with many at once.
func (s *sweep) each(list *unstructured.UnstructuredList, do func(object *unstructured.Unstructured) error) {
	var doing errgroup.Group
	doing.SetLimit(atOnce)
	for i := range list.Items {
		doing.Go(func() error {
			s.add(do(&list.Items[i]))
			return nil
		})
	}
	_ = doing.Wait()
}

func (s *sweep) add(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.problems = append(s.problems, err)
	}
}

// snapshot removes a VolumeSnapshot, once its content knows what becomes of the snapshot.
func (s *sweep) snapshot(ctx context.Context, object *unstructured.Unstructured) error {
	stays, err := s.prepare(ctx, snapshotOf(object).content)
	if err != nil || stays {
		return err
	}
	if err := client.IgnoreNotFound(s.api.Delete(ctx, object)); err != nil {
		return fmt.Errorf("removing VolumeSnapshot %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// prepare tells the content of a snapshot what becomes of it, unless that must stay.
func (s *sweep) prepare(ctx context.Context, name string) (stays bool, err error) {
	if name == "" {
		return false, nil
	}
	held := objectOf(contentKind, "", name)
	err = s.api.Get(ctx, client.ObjectKeyFromObject(held), held)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading VolumeSnapshotContent %s: %w", name, err)
	}
	return s.decide(ctx, held)
}

// decide tells a content what becomes of its snapshot, unless that must stay. One that is being deleted was told before, and
// its csi-snapshotter may be at it.
func (s *sweep) decide(ctx context.Context, held *unstructured.Unstructured) (stays bool, err error) {
	found := contentOf(held)
	policy, stays := judge(s.why, s.roles[found.id()], found.keeps)
	if stays || held.GetDeletionTimestamp() != nil || found.policy == policy && held.GetLabels()[kahuv1.BackupUIDLabel] == s.run.UID {
		return stays, nil
	}
	if err := client.IgnoreNotFound(s.setFate(ctx, s.run, held, fate{policy: policy})); err != nil {
		return false, fmt.Errorf("changing VolumeSnapshotContent %s: %w", held.GetName(), err)
	}
	return false, nil
}

// content removes a VolumeSnapshotContent, which outlived its snapshot as it was told to.
func (s *sweep) content(ctx context.Context, held *unstructured.Unstructured) error {
	if stays, err := s.decide(ctx, held); err != nil || stays {
		return err
	}
	if err := client.IgnoreNotFound(s.api.Delete(ctx, held)); err != nil {
		return fmt.Errorf("removing VolumeSnapshotContent %s: %w", held.GetName(), err)
	}
	return nil
}
