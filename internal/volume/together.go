package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// groupClasses returns the classes with which snapshots can be cut together, or why there are none.
func (c *Client) groupClasses(ctx context.Context) ([]volumeplan.Class, string, error) {
	const none = "the cluster serves neither v1 nor v1beta2 of groupsnapshot.storage.k8s.io"
	version, err := c.groupVersion()
	if meta.IsNoMatchError(err) {
		return nil, none, nil
	}
	if err != nil {
		return nil, "", err
	}
	list := groupList(version, groupClassKind)
	err = c.api.List(ctx, list)
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return nil, none, nil
	case apierrors.IsForbidden(err):
		return nil, "Kahu has no right to groupsnapshot.storage.k8s.io: apply config/rbac/manager.yaml", nil
	case err != nil:
		return nil, "", fmt.Errorf("listing VolumeGroupSnapshotClasses: %w", err)
	}
	return classesIn(list, "groupsnapshot.storage.kubernetes.io/is-default-class"), "", nil
}

// Cut cuts a snapshot of every volume whose decision asks for one, all at once, and returns when each is cut: when the data of
// that instant is safe from what is written after it, though it may take long until the snapshot can be used. It returns why
// the others are not, by claim. Volumes that another attempt has cut, or given an order for, are not cut again; while applications
// hold still they are of another moment, and when that is over, no other volumes are cut. A decision for a snapshot that is to be
// cut at one instant with others, and is cut by itself, says so afterwards.
func (c *Client) Cut(
	ctx context.Context, run volumework.Run, at volumework.Moment, decisions []volumeplan.Decision,
) (map[core.Key]error, error) {
	groups := map[string][]*volumeplan.Decision{}
	var single []volumeplan.Decision
	for i := range decisions {
		if each := &decisions[i]; each.Group.Name != "" {
			groups[each.Group.Name] = append(groups[each.Group.Name], each)
		} else {
			single = append(single, *each)
		}
	}
	if len(groups) == 0 {
		return c.cutEach(ctx, run, at, decisions)
	}
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return nil, err
	}
	failedTogether := leaveOrdered(run, at, groups, ordered)
	var failed map[core.Key]error
	cutting, inner := errgroup.WithContext(ctx)
	cutting.Go(func() (err error) {
		failed, err = c.cutEach(inner, run, at, single)
		return err
	})
	cutting.Go(func() error {
		maps.Copy(failedTogether, c.cutTogether(inner, run, at, groups))
		return nil
	})
	if err := cutting.Wait(); err != nil {
		return nil, err
	}
	var fallen []volumeplan.Decision
	for _, each := range slices.Concat(slices.Collect(maps.Values(groups))...) {
		if each.Group.Name == "" {
			fallen = append(fallen, *each)
		}
	}
	alone, err := c.cutEach(ctx, run, at, fallen)
	maps.Copy(failed, failedTogether)
	maps.Copy(failed, alone)
	return failed, err
}

// leaveOrdered leaves out the volumes for which an earlier attempt has given orders: of those, the snapshots are of another moment
// than that for which applications hold still.
func leaveOrdered(
	run volumework.Run, at volumework.Moment, groups map[string][]*volumeplan.Decision, ordered map[string]*kahuv1.VolumeBackupContent,
) map[core.Key]error {
	failed := map[core.Key]error{}
	for name, members := range groups {
		groups[name] = slices.DeleteFunc(members, func(each *volumeplan.Decision) bool {
			is := ordered[OrderName(run, each.Claim.Namespace, each.Claim.Name)] != nil
			if is && at.Held {
				failed[each.Claim.Key()] = errOtherMoment
			}
			return is
		})
		if len(groups[name]) == 0 {
			delete(groups, name)
		}
	}
	return failed
}

// cutTogether cuts the groups among the decisions, all at once. What of a group is not cut with it is to be cut by itself, and
// its decision says so then and why; what must not be is among the failed.
func (c *Client) cutTogether(
	ctx context.Context, run volumework.Run, at volumework.Moment, groups map[string][]*volumeplan.Decision,
) map[core.Key]error {
	bounded, cancel := context.WithTimeoutCause(ctx, c.half(ctx), errSlow)
	defer cancel()
	work := &groupCut{Client: c, run: run, at: at, waiting: map[string][]*volumeplan.Decision{}, failed: map[core.Key]error{}, last: map[string]string{}}
	version, err := c.groupVersion()
	switch {
	case err != nil:
	case at.Over:
		err = work.before(bounded, version, groups)
	default:
		err = work.begin(bounded, version, groups)
	}
	if err != nil {
		for _, members := range groups {
			work.refuse(members, err)
		}
		return work.failed
	}
	if len(work.waiting) > 0 {
		err = c.follow(bounded, follower{
			list: func() client.ObjectList { return groupList(version, groupKind) }, options: []client.ListOption{ofRun(run)},
			look: work.look, over: func() bool { return len(work.waiting) == 0 }, before: groupsNamed(version, work.waiting),
		})
	}
	for name, members := range work.waiting {
		work.refuse(members, cmp.Or(sayingOf(work.last[name]), ended(bounded, err), errSlow))
		work.abandoned = append(work.abandoned, groupObject(version, groupKind, name))
	}
	work.abandon(ctx)
	return work.failed
}

// groupsNamed returns what stands for groups, by its names: what is gone before it is looked at is waited for no more.
func groupsNamed(version schema.GroupVersion, groups map[string][]*volumeplan.Decision) (all []client.Object) {
	for name := range groups {
		all = append(all, groupObject(version, groupKind, name))
	}
	return all
}

// half is the time for groups. The other half, of what is left while applications hold still, is for those that are cut one by one
// after all.
func (c *Client) half(ctx context.Context) time.Duration {
	long := c.options.CutTime
	if deadline, has := ctx.Deadline(); has {
		long = min(long, deadline.Sub(c.clock.Now()))
	}
	return long / 2 //nolint:mnd // It is what the name says.
}

func sayingOf(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// groupCut waits for groups to be cut.
type groupCut struct {
	*Client

	run       volumework.Run
	at        volumework.Moment
	waiting   map[string][]*volumeplan.Decision // by the names of what stands for the groups
	failed    map[core.Key]error
	last      map[string]string // what went wrong last
	abandoned []*unstructured.Unstructured
}

// begin asks for all groups at once. One of which an earlier attempt has cut a part one by one is not asked for.
func (w *groupCut) begin(ctx context.Context, version schema.GroupVersion, groups map[string][]*volumeplan.Decision) error {
	there, err := w.single(ctx)
	if err != nil {
		return err
	}
	names, answers := slices.Sorted(maps.Keys(groups)), make([]error, len(groups))
	var creating errgroup.Group
	for i, name := range names {
		members := groups[name]
		if slices.ContainsFunc(members, func(each *volumeplan.Decision) bool { return there[snapshotName(w.run, each.Claim.Key())] }) {
			answers[i] = errors.New("an earlier attempt has cut some of them one by one")
			continue
		}
		creating.Go(func() error { answers[i] = w.ask(ctx, version, members); return nil })
	}
	_ = creating.Wait()
	for i, name := range names {
		if answers[i] != nil {
			w.refuse(groups[name], answers[i])
			continue
		}
		w.waiting[groupName(w.run, name)] = groups[name]
	}
	return nil
}

// single returns the names of the snapshots that were asked for one by one.
func (w *groupCut) single(ctx context.Context) (map[string]bool, error) {
	list := listOf(snapshotKind)
	if err := patiently(ctx, func() error { return w.api.List(ctx, list, ofRun(w.run)) }); err != nil {
		return nil, fmt.Errorf("listing the snapshots of backup %s: %w", w.run.Name, err)
	}
	asked := map[string]bool{}
	for i := range list.Items {
		asked[list.Items[i].GetName()] = true
	}
	return asked, nil
}

// ask asks for one group.
func (w *groupCut) ask(ctx context.Context, version schema.GroupVersion, members []*volumeplan.Decision) error {
	class := groupObject(version, groupClassKind, members[0].Group.Class)
	if err := w.api.Get(ctx, client.ObjectKeyFromObject(class), class); err != nil {
		return fmt.Errorf("reading VolumeGroupSnapshotClass %s: %w", class.GetName(), err)
	}
	wanted, err := newGroup(w.run, w.at, version, members, class)
	if err != nil {
		return err
	}
	err = patiently(ctx, func() error { return w.api.Create(ctx, wanted.DeepCopy()) })
	if err != nil && !apierrors.IsAlreadyExists(err) { // Of an earlier attempt.
		return fmt.Errorf("asking for a group of snapshots: %w", err)
	}
	return nil
}

func (w *groupCut) look(_ context.Context, object client.Object, gone bool) error {
	members, wanted := w.waiting[object.GetName()]
	made, is := object.(*unstructured.Unstructured)
	if !wanted || !is {
		return nil
	}
	state := groupOf(made)
	w.last[made.GetName()] = state.failure
	switch {
	case gone, state.leaving:
		w.end(made, members, errors.New("what stands for the group was deleted"))
	case ofMoment(w.at, state.attempt, made.GetCreationTimestamp().Time) != nil:
		w.end(made, members, errOtherMoment)
	case state.isCut() && !state.tellable():
		w.end(made, members, errors.New("the CSI driver has names for the snapshots that are too long"))
	case state.isCut():
		w.accept(made, members, state)
	case state.failure != "" && !members[0].Group.Required:
		w.end(made, members, errors.New(state.failure)) // Applications may be holding still: no time for another try.
	}
	return nil
}

// accept takes a group that is cut. A claim that the driver has left out is cut by itself.
func (w *groupCut) accept(object *unstructured.Unstructured, members []*volumeplan.Decision, cut *group) {
	delete(w.waiting, object.GetName())
	for _, each := range members {
		if _, has := cut.members[each.Claim.Handle]; !has {
			w.refuse([]*volumeplan.Decision{each}, errors.New("the group has no snapshot of it"))
		}
	}
}

// end gives a group up.
func (w *groupCut) end(object *unstructured.Unstructured, members []*volumeplan.Decision, why error) {
	delete(w.waiting, object.GetName())
	w.refuse(members, why)
	w.abandoned = append(w.abandoned, object)
}

// refuse has claims cut by themselves, or not at all where a rule demands it.
func (w *groupCut) refuse(members []*volumeplan.Decision, why error) {
	for _, each := range members {
		if each.Group.Required {
			w.failed[each.Claim.Key()] = fmt.Errorf("no snapshot of it was cut together with the others, as %s demands: %w", each.Group.Rule, why)
			continue
		}
		each.Alone("no group of snapshots: " + strings.TrimSpace(why.Error()))
	}
}

// abandonTime bounds the removal of groups that are given up: applications hold still meanwhile.
const abandonTime = 2 * time.Second

// abandon has groups that are given up removed, with what the driver may yet cut, unless an order needs one of their snapshots, or
// one is a backup. What is left, Release removes.
func (w *groupCut) abandon(ctx context.Context) {
	if len(w.abandoned) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, abandonTime)
	defer cancel()
	ordered, err := w.orders(bounded, w.run)
	if err != nil {
		return
	}
	judging := newSweep(w.Client, w.run, endOfRun, ordered)
	for _, object := range w.abandoned {
		if err := w.api.Get(bounded, client.ObjectKeyFromObject(object), object); err == nil {
			_ = judging.group(bounded, object)
		}
	}
}

// removeGroup removes what stands for a group, and the snapshots if the policy says so.
func (c *Client) removeGroup(ctx context.Context, object *unstructured.Unstructured, policy string) error {
	if object.GetDeletionTimestamp() != nil {
		return c.letGo(ctx, object)
	}
	before := object.DeepCopy()
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[groupEnding] = "yes"
	object.SetAnnotations(annotations)
	if err := unstructured.SetNestedField(object.Object, policy, "spec", "deletionPolicy"); err != nil {
		return err
	}
	if err := c.api.Patch(ctx, object, client.MergeFrom(before)); err != nil {
		return client.IgnoreNotFound(err)
	}
	if err := c.api.Delete(ctx, object); err != nil {
		return client.IgnoreNotFound(err)
	}
	return c.letGo(ctx, object)
}

// letGo lets a group go that no csi-snapshotter has begun with: there may be none that knows of groups. One that begins says so
// on the object first, and then this version of it is the last no more.
func (c *Client) letGo(ctx context.Context, object *unstructured.Unstructured) error {
	if err := c.api.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return client.IgnoreNotFound(err)
	}
	_, begun := object.GetAnnotations()[groupBegun]
	_, answered := object.Object["status"]
	if begun || answered || object.GetDeletionTimestamp() == nil {
		return nil
	}
	object.SetFinalizers(slices.DeleteFunc(object.GetFinalizers(), func(each string) bool { return each == groupFinalizer }))
	if err := c.api.Update(ctx, object); err != nil && !apierrors.IsConflict(err) {
		return client.IgnoreNotFound(err)
	}
	return nil
}

func microTime(of time.Time) metav1.MicroTime {
	if of.IsZero() {
		return metav1.MicroTime{}
	}
	return metav1.NewMicroTime(of)
}
