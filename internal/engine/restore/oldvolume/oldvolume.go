// Package oldvolume finds out which volumes the claims of a restore get whose data is not in the backup: those that they had,
// or new ones. It reads the claims and PersistentVolumes of the plan, and the PersistentVolumes that are in the cluster;
// package reuse decides.
package oldvolume

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/reuse"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// Cluster is what is asked of a cluster.
type Cluster interface {
	engine.ObjectLister
	engine.LivingGetter
}

// Finder finds out about the claims of a plan.
type Finder struct {
	// Cluster is where the objects will be, Served are the kinds that it serves.
	Cluster Cluster
	Served  []core.Kind
	// Rehearsal shows the objects as they would be created.
	Rehearsal *draft.Rehearsal
	// Self knows what an earlier attempt has made.
	Self restoreplan.Run
	// Elsewhere tells that the backup is of another cluster.
	Elsewhere bool
}

// Answer is what is found out about a claim that had a volume.
type Answer struct {
	// Claim is the claim, Target its name in the cluster, and There tells that one is there, which stays as it is.
	Claim  *restoreplan.Item
	Target core.Key
	There  bool
	// Volume is the PersistentVolume that it had, as far as that is in the plan; nil otherwise. Name is its name.
	Volume *restoreplan.Item
	Name   string
	// Verdict says what volume it gets, and Why says why.
	Verdict reuse.Verdict
	Why     string
	// Provisioned tells whether somebody makes a volume for it where it gets a new one.
	Provisioned bool
}

// found is a claim, and what is known of it so far.
type found struct {
	Answer

	chosen, copied bool
}

// listTries is how often the PersistentVolumes are listed from the beginning, where a list took too long.
const listTries = 3

// Kind is the kind of the volumes.
func Kind() core.Kind {
	return core.Kind{Version: "v1", Name: "PersistentVolume", Resource: "persistentvolumes"}
}

// Find answers for the claims, in their order. Those that had no volume, or are given one by a transform, are left out.
func (f *Finder) Find(ctx context.Context, plan *restoreplan.Plan, claims []*restoreplan.Item) ([]Answer, error) {
	asked, err := f.readClaims(ctx, claims)
	if err != nil || len(asked) == 0 {
		return nil, err
	}
	restored, err := f.readVolumes(ctx, plan)
	if err != nil {
		return nil, err
	}
	living, err := f.listVolumes(ctx)
	if err != nil {
		return nil, err
	}
	return f.answer(ctx, asked, restored, living)
}

// brought are the PersistentVolumes of the plan by their names, as they would be created.
type brought struct {
	volumes map[string]reuse.Volume
	items   map[string]*restoreplan.Item
}

// answer decides for each claim.
func (f *Finder) answer(ctx context.Context, asked []*found, restored brought, living *volumes) ([]Answer, error) {
	answers := make([]Answer, 0, len(asked))
	for _, claim := range asked {
		one := reuse.Case{Target: nameOf(claim.Target), Chosen: claim.chosen, Copied: claim.copied, Elsewhere: f.Elsewhere}
		if volume, is := restored.volumes[claim.Name]; is && (volume.Claim.Name == "" || volume.Claim == one.Target) {
			one.Restored, claim.Volume = &volume, restored.items[claim.Name]
			one.Others = living.standFor(volume)
		}
		if err := f.lookForClaim(ctx, &one, claim); err != nil {
			return nil, err
		}
		if err := f.lookForVolume(ctx, &one, living, claim.Name); err != nil {
			return nil, err
		}
		claim.Verdict, claim.Why = one.Decide()
		answers = append(answers, claim.Answer)
	}
	return answers, nil
}

// nameOf is the name of a claim without its kind.
func nameOf(key core.Key) core.Key { return core.Key{Namespace: key.Namespace, Name: key.Name} }

// lookForClaim finds out whether a claim of the name is there.
func (f *Finder) lookForClaim(ctx context.Context, one *reuse.Case, claim *found) error {
	there, err := f.Cluster.Living(ctx, *claim.Claim.Kind, claim.Target.Namespace, claim.Target.Name)
	switch {
	case errors.Is(err, core.ErrNotFound), errors.Is(err, core.ErrUnsupported):
		return nil
	case err != nil:
		return fmt.Errorf("looking for %s: %w", claim.Target, err)
	}
	one.There = !there.Terminating
	claim.There = one.There && f.Self.Made(there) == restoreplan.Unmade
	return nil
}

// lookForVolume finds out whether a volume of the name is there, and who made it.
func (f *Finder) lookForVolume(ctx context.Context, one *reuse.Case, living *volumes, name string) error {
	volume, is := living.named[name]
	if !is {
		return nil
	}
	one.Living = &volume
	if !f.Self.Resumed {
		return nil
	}
	there, err := f.Cluster.Living(ctx, Kind(), "", name)
	switch {
	case errors.Is(err, core.ErrNotFound):
		one.Living = nil
	case err != nil:
		return fmt.Errorf("looking for PersistentVolume %s: %w", name, err)
	default:
		one.Made = f.Self.Made(there) == restoreplan.Created
	}
	return nil
}

// readClaims reads those claims that had a volume.
func (f *Finder) readClaims(ctx context.Context, claims []*restoreplan.Item) ([]*found, error) {
	read := map[*restoreplan.Item]*found{}
	err := f.Rehearsal.Each(ctx, claims, func(seen draft.Rehearsed) {
		item, had, gets := seen.Item, reuse.ClaimOf(seen.Before), reuse.ClaimOf(seen.After)
		if had.Volume == "" || gets.Volume != "" && gets.Volume != had.Volume {
			return
		}
		target := f.Rehearsal.Transformer.Key(*item.Kind, item.Key())
		read[item] = &found{
			Answer: Answer{Claim: item, Target: target, Name: had.Volume, Provisioned: gets.Provisions()},
			chosen: had.Chosen, copied: target != item.Key(),
		}
	})
	var asked []*found
	for _, item := range claims {
		if claim := read[item]; claim != nil {
			asked = append(asked, claim)
		}
	}
	return asked, err
}

// readVolumes reads the PersistentVolumes of the plan, as they would be created.
func (f *Finder) readVolumes(ctx context.Context, plan *restoreplan.Plan) (brought, error) {
	var items []*restoreplan.Item
	for _, wave := range plan.Waves {
		for _, item := range wave.Items {
			if item.Kind.GroupResource() == Kind().GroupResource() {
				items = append(items, item)
			}
		}
	}
	made := brought{volumes: map[string]reuse.Volume{}, items: map[string]*restoreplan.Item{}}
	err := f.Rehearsal.Each(ctx, items, func(seen draft.Rehearsed) {
		made.volumes[seen.Item.Name], made.items[seen.Item.Name] = reuse.VolumeOf(seen.After), seen.Item
	})
	return made, err
}

// volumes are those that are in a cluster.
type volumes struct {
	named   map[string]reuse.Volume
	storage map[string][]string // the names of those that stand for a piece of storage
}

// standFor returns the others that stand for the storage of a volume.
func (v *volumes) standFor(volume reuse.Volume) []reuse.Volume {
	var others []reuse.Volume
	for _, name := range v.storage[volume.Storage] {
		if name != volume.Name && volume.Storage != "" {
			others = append(others, v.named[name])
		}
	}
	return others
}

// listVolumes lists the PersistentVolumes of the cluster.
func (f *Finder) listVolumes(ctx context.Context) (*volumes, error) {
	listed := &volumes{named: map[string]reuse.Volume{}, storage: map[string][]string{}}
	if _, served := engine.FindKind(f.Served, Kind().GroupResource()); !served {
		return listed, nil
	}
	return listed, Each(ctx, f.Cluster, listed.add)
}

// Each visits the PersistentVolumes of a cluster, some of them twice where the list took too long.
func Each(ctx context.Context, in engine.ObjectLister, visit func(object map[string]any)) error {
	var err error
	for range listTries {
		err = in.List(ctx, core.ListRequest{Kind: Kind()}, func(page core.Page) error {
			for _, object := range page.Objects {
				content, err := draft.Decoded(object.Key(), object.JSON)
				if err != nil {
					return err
				}
				visit(content)
			}
			return nil
		})
		if !errors.Is(err, core.ErrExpired) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%w: listing PersistentVolumes: %w", engine.ErrCluster, err)
	}
	return nil
}

// add takes note of a PersistentVolume.
func (v *volumes) add(object map[string]any) {
	volume := reuse.VolumeOf(object)
	if _, known := v.named[volume.Name]; !known {
		v.storage[volume.Storage] = append(v.storage[volume.Storage], volume.Name)
		slices.Sort(v.storage[volume.Storage])
	}
	v.named[volume.Name] = volume
}
