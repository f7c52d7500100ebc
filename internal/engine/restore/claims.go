package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// claim is one whose data is in the backup. Where it is not there, and is wanted by a workload, others make an empty one of its
// name: no such claim is ever taken for the one of the backup, and no workload is created whose controller would do that.
type claim struct {
	row *archive.Volume
	key core.Key // in the cluster, set by lookForClaims
	// there is the UID of the claim that somebody else had made before the restore began, set by lookForClaims; empty where
	// there was none.
	there types.UID
	// unfit is why no volume can be made for it, set by planClasses; nil where one can.
	unfit error
	// bound is the PersistentVolume that was made for it; empty where there is none. Guarded by the run's mu.
	bound string
	state claimState
	// outcome is what is told of it, guarded by the run's mu as soon as others act on it.
	outcome volumework.Restored
}

func newClaim(row *archive.Volume, state volumework.State) *claim {
	return &claim{row: row, outcome: volumework.Restored{Provider: row.Provider, Way: row.Way, State: state}}
}

// untouched is what is told of the data of a claim that was there already.
const untouched = "the claim was there already, and its data was not touched"

// claimState is what has become of a claim, guarded by the run's mu.
type claimState uint8

const (
	claimOpen    claimState = iota // nothing yet
	claimSettled                   // it is there
	claimLost                      // it is not, or without its data
)

// lookForClaims finds out which claims are there before anything is written, and makes sure that the providers are there of
// the volumes of all others.
func (r *run) lookForClaims(ctx context.Context) error {
	looking, inner := engine.NewCrew(ctx, r.Creators)
	for item, data := range r.data {
		if looking.Do(inner, func(ctx context.Context) error { return r.lookForClaim(ctx, item, data) }) != nil {
			break
		}
	}
	if err := cmp.Or(looking.End(), ctx.Err()); err != nil {
		return err
	}
	r.homes = map[string][]*claim{}
	needed := map[string]int{}
	for _, data := range r.data {
		r.homes[data.key.Namespace] = append(r.homes[data.key.Namespace], data)
		if data.there == "" {
			needed[data.row.Provider]++
		}
	}
	r.warnOfUntouched()
	return r.lookForProviders(ctx, needed)
}

// lookForProviders makes sure that providers are there of which so many volumes are needed. A dry run tells which are not.
func (r *run) lookForProviders(ctx context.Context, needed map[string]int) error {
	for _, provider := range slices.Sorted(maps.Keys(needed)) {
		why, err := r.request.Volumes.Away(ctx, provider)
		if err != nil {
			return err
		}
		r.expect(provider, why)
		if away := (&VolumesAwayError{Provider: provider, Number: needed[provider], Why: why}); why != "" && r.request.DryRun {
			r.hopeless, r.problems = true, append(r.problems, away.Error())
		} else if why != "" {
			return away
		}
	}
	return nil
}

// expect takes note that the volumes of a provider cannot be made, where it is away for some reason.
func (r *run) expect(provider, away string) {
	if away == "" {
		return
	}
	for _, data := range r.data {
		if data.row.Provider == provider && data.there == "" {
			data.outcome.State, data.outcome.Message = volumework.Lost, "its provider cannot restore now: "+away
		}
	}
}

// warnOfUntouched names the claims whose data is in the backup and that keep what they have.
func (r *run) warnOfUntouched() {
	for _, data := range r.data {
		if data.there != "" {
			r.Warn(data.key, fmt.Sprintf("PersistentVolumeClaim %s/%s: %s: that of the backup is not restored",
				data.key.Namespace, data.key.Name, untouched))
		}
	}
}

// lookForClaim finds out whether one is there that this restore did not make. For an attempt that goes on, that is one which
// was there before the Restore: later ones have come while it ran.
func (r *run) lookForClaim(ctx context.Context, item *restoreplan.Item, data *claim) error {
	data.key = r.transformer.Key(*item.Kind, item.Key())
	data.outcome.Claim = data.key
	living, err := r.Cluster.Living(ctx, *item.Kind, data.key.Namespace, data.key.Name)
	switch {
	case errors.Is(err, core.ErrNotFound), errors.Is(err, core.ErrUnsupported):
		return nil
	case err != nil:
		return fmt.Errorf("looking for %s: %w", data.key, err)
	}
	late := r.request.Resumed && !living.Created.Before(r.request.Began)
	switch made := r.self.Made(living); {
	case living.Terminating:
	case made != restoreplan.Unmade:
		data.state, data.outcome.State = claimSettled, volumework.Going
	case !late:
		data.there = living.UID
		data.outcome.State, data.outcome.Message = volumework.Untouched, untouched
	}
	return nil
}

// notEmptied refuses a claim that is there and that neither this restore made nor anybody before it: it came meanwhile, most
// likely from the controller of a StatefulSet, and does not have the data of the backup.
func (r *run) notEmptied(wish draft.Draft, living core.Living) error {
	data := r.data[wish.Item]
	if data == nil || data.there == living.UID {
		return nil
	}
	r.mu.Lock()
	data.there = ""
	r.mu.Unlock()
	return &volumeError{refusal{ReasonVolumeFailed, errors.New("somebody else, such as the controller of a StatefulSet, has made a claim " +
		"of that name while the restore ran: the data of the backup is not in it. Delete it where it is of no use, and its workload with " +
		"it, and create another Restore")}}
}

// lose takes note that a claim is not there with its data, if it is not one that was there before.
func (r *run) lose(item *restoreplan.Item, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if data := r.data[item]; data != nil && data.there == "" {
		data.state, data.outcome.State, data.outcome.Message = claimLost, volumework.Lost, why.Error()
	}
}

// untaken names the PersistentVolume of a claim that is not there: its data may be the only copy, and so it stays.
func (r *run) untaken(item *restoreplan.Item, why error) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	data := r.data[item]
	if data == nil || data.bound == "" {
		return why.Error()
	}
	return fmt.Sprintf("%v: PersistentVolume %s was made for it and stays, reserved for a claim of that name that names it. Where it is of "+
		"no use, delete it, and its storage", why, data.bound)
}

// volumes returns what became of the volumes whose data is in the backup, in the order of their claims.
func (r *run) volumes() []volumework.Restored {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := slices.Clone(r.left)
	for _, data := range r.data {
		rows = append(rows, data.outcome)
	}
	slices.SortFunc(rows, func(a, b volumework.Restored) int { return a.Claim.Compare(b.Claim) })
	return rows
}

// claimPostponedError is why an object is not created yet: its controller would make a claim that has been put off.
type claimPostponedError struct{ refusal }

// Unwrap returns the refusal, which has the reason.
func (e *claimPostponedError) Unwrap() error { return &e.refusal }

// holdBack refuses to create or change a workload whose controller would make an empty claim in the place of one whose data is
// in the backup, and puts it off as long as that claim may still come.
func (r *run) holdBack(wish draft.Draft) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var waits error
	for _, data := range r.homes[wish.Object.GetNamespace()] {
		if data.state == claimSettled || !restoreplan.MakesClaim(*wish.Item.Kind, wish.Object.Object, data.key.Name) {
			continue
		}
		if data.state == claimLost {
			return &volumeError{refusal{ReasonVolumeFailed, fmt.Errorf("it would begin with an empty claim %s, whose data could not be "+
				"restored, and was left as it is: another Restore creates both when the cause is mended", data.key.Name)}}
		}
		waits = &claimPostponedError{refusal{ReasonVolumeFailed, fmt.Errorf("it would begin with an empty claim %s, whose data could not be "+
			"restored in time, and was left as it is: another Restore creates both", data.key.Name)}}
	}
	return waits
}
