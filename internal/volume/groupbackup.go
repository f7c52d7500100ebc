package volume

import (
	"cmp"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// fromGroups gives the orders for volumes of which snapshots were cut together, those of a group as soon as it can be used.
func (w *backingUp) fromGroups(ctx context.Context, decisions []*volumeplan.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	orders := &groupOrders{backingUp: w, waiting: map[string][]*volumeplan.Decision{}, last: map[string]string{}}
	for _, each := range decisions {
		name := groupName(w.run, each.Group.Name)
		orders.waiting[name] = append(orders.waiting[name], each)
	}
	version, err := w.groupVersion()
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, w.options.ReadyTime, errSlow)
	defer cancel()
	err = w.follow(bounded, follower{
		list: func() client.ObjectList { return groupList(version, groupKind) }, options: []client.ListOption{ofRun(w.run)},
		over: func() bool { return len(orders.waiting) == 0 }, look: orders.look, before: groupsNamed(version, orders.waiting),
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for name, members := range orders.waiting {
		reason := cmp.Or(sayingOf(orders.last[name]), err, errSlow)
		w.failAll(members, fmt.Errorf("its group of snapshots, VolumeGroupSnapshotContent %s, cannot be used: %w", name, reason))
	}
	return nil
}

// groupOrders waits for groups that can be used.
type groupOrders struct {
	*backingUp

	waiting map[string][]*volumeplan.Decision // by the names of what stands for the groups
	last    map[string]string                 // what went wrong last
}

func (o *groupOrders) look(ctx context.Context, object client.Object, gone bool) error {
	made, is := object.(*unstructured.Unstructured)
	members, wanted := o.waiting[object.GetName()]
	if !wanted || !is {
		return nil
	}
	state := groupOf(made)
	o.last[made.GetName()] = state.failure
	switch {
	case gone || state.leaving:
		delete(o.waiting, made.GetName())
		o.failAll(members, fmt.Errorf("what stands for its group, VolumeGroupSnapshotContent %s, was deleted while the backup ran", made.GetName()))
	case state.isCut() && state.ready:
		delete(o.waiting, made.GetName())
		o.orderGroup(ctx, made, members)
	}
	return ctx.Err()
}

func (w *backingUp) failAll(members []*volumeplan.Decision, err error) {
	for _, each := range members {
		w.fail(each, ReasonSnapshotFailed, err)
	}
}

// orderGroup gives the orders for a group. Before, it is on record whether the snapshots become backups.
func (w *backingUp) orderGroup(ctx context.Context, object *unstructured.Unstructured, members []*volumeplan.Decision) {
	err := patiently(ctx, func() error {
		return w.keepGroup(ctx, object, fate{policy: policyRetain, keeps: members[0].KeepsSnapshot})
	})
	if err != nil {
		w.failAll(members, fmt.Errorf("having VolumeGroupSnapshotContent %s retained: %w", object.GetName(), err))
		return
	}
	state := groupOf(object)
	for _, each := range members {
		one, has := state.members[each.Claim.Handle]
		if !has {
			w.fail(each, ReasonSnapshotFailed, fmt.Errorf("VolumeGroupSnapshotContent %s has no snapshot of it", object.GetName()))
			continue
		}
		w.order(ctx, each, state.source(one))
	}
}

func (w *backingUp) keepGroup(ctx context.Context, object *unstructured.Unstructured, of fate) error {
	if state := groupOf(object); state.policy == of.policy && (state.keeps || !of.keeps) {
		return nil
	}
	return w.setFate(ctx, w.run, object, of)
}

// groups removes what stands for the groups of a run.
func (s *sweep) groups(ctx context.Context) {
	version, err := s.groupVersion()
	if meta.IsNoMatchError(err) {
		return
	}
	if err != nil {
		s.add(err)
		return
	}
	list := groupList(version, groupKind)
	err = s.api.List(ctx, list, ofRun(s.run))
	if apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
		return // Without the right to them, none was made.
	}
	if err != nil {
		s.add(fmt.Errorf("listing the groups of snapshots of backup %s: %w", s.run.Name, err))
		return
	}
	s.each(list, func(object *unstructured.Unstructured) error { return s.group(ctx, object) })
}

func (s *sweep) group(ctx context.Context, object *unstructured.Unstructured) error {
	found := groupOf(object)
	policy, stays := judge(s.why, s.roleOf(found), found.keeps)
	if stays {
		return nil
	}
	if err := s.removeGroup(ctx, object, policy); err != nil {
		return fmt.Errorf("removing VolumeGroupSnapshotContent %s: %w", object.GetName(), err)
	}
	return nil
}

// roleOf is what the orders say of a group. Its snapshots go together or not at all: one that an order needs, or that is a
// backup, keeps the others.
func (s *sweep) roleOf(of *group) role {
	is := temporary
	for _, each := range of.members {
		switch one := s.roles[snapshotID{of.driver, each.handle}]; {
		case one == needed:
			return needed
		case one == isBackup, is != isBackup && one == unordered:
			is = one
		}
	}
	if len(of.members) == 0 {
		return unordered
	}
	return is
}
