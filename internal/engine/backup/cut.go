package backup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// Held is what an earlier attempt has cut while applications held still for it.
type Held struct {
	Attempt string
	// From is when they all held still, To when the first of them may have gone on.
	From, To time.Time
	// Uncut are the volumes that were not cut in between.
	Uncut []volumework.Uncut
}

// cutVolumes takes all volumes at the same moment, and returns which it could not take. After applications have held still once,
// nothing is cut any more: what was not cut then is missing.
func (r *run) cutVolumes(ctx context.Context, held bool) ([]volumework.Uncut, error) {
	if r.dealt = len(r.decisions) > 0; !r.dealt {
		return nil, nil
	}
	moment, failed := volumework.Moment{Attempt: r.request.Attempt, Held: held}, map[core.Key]string{}
	if before := r.request.Held; before != nil {
		moment = volumework.Moment{Attempt: before.Attempt, Over: true, From: before.From, To: before.To}
		for _, uncut := range before.Uncut {
			failed[claimKey(uncut.Namespace, uncut.Name)] = uncut.Message
		}
	}
	from := r.Clock.Now()
	chosen := slices.DeleteFunc(slices.Clone(r.decisions), func(decision volumeplan.Decision) bool {
		_, uncut := failed[decision.Claim.Key()]
		return uncut
	})
	refused, err := r.request.Volumes.Cut(ctx, r.volumeRun(), moment, chosen)
	if err != nil {
		return nil, err
	}
	r.takeAlone(chosen)
	for key, why := range refused {
		failed[key] = why.Error()
	}
	if moment.Held {
		moment.From, moment.To = from, r.Clock.Now()
	}
	r.moment = moment
	uncut := r.missUncut(failed)
	r.warnOfOffload()
	return uncut, nil
}

// warnOfOffload tells of volumes that their providers take themselves although hooks hold still the applications that write into
// them. Of which pods held still for an earlier attempt, nobody knows any more.
func (r *run) warnOfOffload() {
	if !r.moment.Held && !r.moment.Over {
		return
	}
	for i := range r.decisions {
		each := &r.decisions[i]
		key := each.Claim.Key()
		if each.Way != volumeplan.Offload || r.moment.Held && !slices.Contains(r.request.Hooks.Claims(), key) {
			continue
		}
		r.Warn(key, fmt.Sprintf("PersistentVolumeClaim %s/%s: provider %s takes the volume itself, and begins when the applications go on that hooks "+
			"held still: where its data must be of that time, ask for the way Snapshot with a rule of spec.volumeRules, or with the annotation %s",
			key.Namespace, key.Name, each.Provider, volumeplan.Annotation))
	}
}

func claimKey(namespace, name string) core.Key {
	return core.Key{Resource: "persistentvolumeclaims", Namespace: namespace, Name: name}
}

// missUncut makes the data of volumes missing that were not cut.
func (r *run) missUncut(failed map[core.Key]string) []volumework.Uncut {
	r.decisions = slices.DeleteFunc(r.decisions, func(decision volumeplan.Decision) bool {
		why, uncut := failed[decision.Claim.Key()]
		if uncut {
			r.missVolume(decision, reasonNotCut, why)
			r.uncut = append(r.uncut, volumework.Uncut{Namespace: decision.Claim.Namespace, Name: decision.Claim.Name, Message: why})
		}
		return uncut
	})
	return r.uncut
}

// reasonNotCut: no snapshot of a volume could be cut.
const reasonNotCut = "SnapshotFailed"

// dropUncut removes what is there of snapshots that were given up: one that is cut late is of no use, and takes place.
func (r *run) dropUncut(ctx context.Context) {
	if len(r.uncut) == 0 {
		return
	}
	claims := make([]core.Key, 0, len(r.uncut))
	for _, uncut := range r.uncut {
		claims = append(claims, claimKey(uncut.Namespace, uncut.Name))
	}
	dropping, cancel := context.WithTimeout(ctx, releaseTime)
	defer cancel()
	if err := r.request.Volumes.Drop(dropping, r.volumeRun(), claims); err != nil {
		r.Note(core.Key{}, "SnapshotLeft", "snapshots that were given up are removed when all volumes are backed up: "+err.Error())
	}
}

// sameInstant is the greatest difference between the times of snapshots that are taken for one instant.
const sameInstant = time.Second

// warnOfInstants tells of snapshots that several attempts have cut, each of them some.
func (r *run) warnOfInstants() {
	first, last := volumework.Instants(r.outcomes)
	if len(r.request.Earlier) == 0 || r.moment.Held || r.moment.Over || last.Sub(first) <= sameInstant {
		return
	}
	r.Warn(core.Key{}, fmt.Sprintf("the run was interrupted while volumes were cut, and another attempt has cut the rest: their snapshots are "+
		"of different times, from %s to %s, and an application that writes into several volumes may find them in disagreement",
		first.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339)))
}

// clockDrift is by how much the clock of a storage system may differ from this one's without a word.
const clockDrift = 5 * time.Second

// warnOfClocks tells of snapshots that are dated to a time at which applications did not hold still. They were cut while they
// did, as this process has seen, or an earlier attempt; it is the clock of the storage system that is wrong, or what it says.
func (r *run) warnOfClocks() {
	if !r.moment.Held && !r.moment.Over {
		return
	}
	from, to := r.moment.From.Add(-clockDrift), r.moment.To.Add(clockDrift)
	for i := range r.outcomes {
		each := &r.outcomes[i]
		if each.Reason != "" || each.Cut.IsZero() || !each.Cut.Before(from) && !each.Cut.After(to) {
			continue
		}
		claim := &each.Decision.Claim
		r.Warn(claim.Key(), fmt.Sprintf("PersistentVolumeClaim %s/%s: its snapshot is dated %s by its storage system, and was cut while applications held "+
			"still, from %s to %s: the clocks differ", claim.Namespace, claim.Name, each.Cut.UTC().Format(time.RFC3339),
			r.moment.From.UTC().Format(time.RFC3339), r.moment.To.UTC().Format(time.RFC3339)))
	}
}
