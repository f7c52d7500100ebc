package volume

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// Release removes the objects of the snapshots that a run has cut. The snapshots themselves stay in the storage system where
// they are the backup, and go where they are not. What an order still needs is left.
func (c *Client) Release(ctx context.Context, run volumework.Run) error {
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return err
	}
	sweep := &sweep{Client: c, run: run, kept: map[string]bool{}, needed: map[string]bool{}}
	for _, order := range ordered {
		sweep.learn(order)
	}
	snapshots := listOf(snapshotKind)
	err = c.api.List(ctx, snapshots, ofRun(run))
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing the snapshots of backup %s: %w", run.Name, err)
	}
	for i := range snapshots.Items {
		sweep.add(sweep.snapshot(ctx, &snapshots.Items[i]))
	}
	contents := listOf(contentKind)
	if err := c.api.List(ctx, contents, ofRun(run)); err != nil {
		return errors.Join(append(sweep.problems, fmt.Errorf("listing the snapshot contents of backup %s: %w", run.Name, err))...)
	}
	for i := range contents.Items {
		sweep.add(sweep.content(ctx, &contents.Items[i]))
	}
	return errors.Join(sweep.problems...)
}

type sweep struct {
	*Client

	run          volumework.Run
	kept, needed map[string]bool // handles
	problems     []error
}

// learn takes notice of what an order says of its snapshot.
func (s *sweep) learn(order *kahuv1.VolumeBackupContent) {
	taken := order.Spec.Snapshot
	if taken == nil {
		return
	}
	completed := order.Status.Phase == kahuv1.VolumePhaseCompleted
	s.kept[taken.Handle] = completed && order.Annotations[keepsSnapshot] == "true"
	s.needed[taken.Handle] = !completed && order.Status.Phase != kahuv1.VolumePhaseFailed && order.DeletionTimestamp.IsZero()
}

func (s *sweep) add(err error) {
	if err != nil {
		s.problems = append(s.problems, err)
	}
}

// snapshot removes a VolumeSnapshot, once its content knows what becomes of the snapshot.
func (s *sweep) snapshot(ctx context.Context, object *unstructured.Unstructured) error {
	needed, err := s.prepare(ctx, snapshotOf(object).content)
	if err != nil || needed {
		return err
	}
	if err := client.IgnoreNotFound(s.api.Delete(ctx, object)); err != nil {
		return fmt.Errorf("removing VolumeSnapshot %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// prepare tells the content of a snapshot what becomes of it, unless it is needed.
func (s *sweep) prepare(ctx context.Context, name string) (needed bool, err error) {
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
	case s.needed[contentOf(held).handle]:
		return true, nil
	}
	return false, s.decide(ctx, held)
}

// decide tells a content what becomes of its snapshot.
func (s *sweep) decide(ctx context.Context, held *unstructured.Unstructured) error {
	policy := policyDelete
	found := contentOf(held)
	if s.kept[found.handle] {
		policy = policyRetain
	}
	if found.policy == policy && held.GetLabels()[kahuv1.BackupUIDLabel] == s.run.UID {
		return nil
	}
	if err := client.IgnoreNotFound(s.setPolicy(ctx, s.run, held, policy)); err != nil {
		return fmt.Errorf("changing VolumeSnapshotContent %s: %w", held.GetName(), err)
	}
	return nil
}

// content removes a VolumeSnapshotContent, which outlived its snapshot as it was told to.
func (s *sweep) content(ctx context.Context, held *unstructured.Unstructured) error {
	if s.needed[contentOf(held).handle] {
		return nil
	}
	if err := s.decide(ctx, held); err != nil {
		return err
	}
	if err := client.IgnoreNotFound(s.api.Delete(ctx, held)); err != nil {
		return fmt.Errorf("removing VolumeSnapshotContent %s: %w", held.GetName(), err)
	}
	return nil
}
