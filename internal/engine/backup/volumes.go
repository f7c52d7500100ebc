package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
)

// VolumeFacts tells what decisions about volumes are made from.
type VolumeFacts interface {
	// Look returns what is known of the claims, and of what could back them up.
	Look(ctx context.Context, claims []core.Key) (volumeplan.Facts, error)
	// Begun returns the decisions for which earlier attempts at the run have asked for snapshots, or given orders.
	Begun(ctx context.Context, run volumework.Run) ([]volumeplan.Decision, error)
}

// Volumes deals with the data of volumes.
type Volumes interface {
	VolumeFacts
	// Cut cuts snapshots of the volumes whose decisions ask for one, all at once, and returns when each is cut, with why the
	// others are not. What an earlier attempt has cut is not cut again; where the moment is over, nothing is. A decision for a
	// snapshot that is to be cut at one instant with others, and is not, is changed to say so.
	Cut(ctx context.Context, run volumework.Run, at volumework.Moment, chosen []volumeplan.Decision) (map[core.Key]error, error)
	// Drop removes what is there of snapshots that were to be cut of these claims, and that nobody waits for any more.
	Drop(ctx context.Context, run volumework.Run, claims []core.Key) error
	// BackUp has providers back the volumes up, and returns what became of each when all are over.
	BackUp(
		ctx context.Context, run volumework.Run, chosen []volumeplan.Decision, show func(volumework.Progress),
	) ([]volumework.Outcome, error)
	// Release removes what was made for that and nobody needs any more.
	Release(ctx context.Context, run volumework.Run) error
}

// volumeRun names the run to whoever deals with volumes.
func (r *run) volumeRun() volumework.Run {
	return volumework.Run{Name: r.request.ID.Name, UID: r.request.ID.UID, LocationID: r.request.LocationID}
}

// planVolumes decides what is done about each claim that is in the backup, and goes on with what an earlier attempt has begun.
func (r *run) planVolumes(ctx context.Context) error {
	if r.request.Volumes == nil || !r.request.VolumeData {
		return nil
	}
	var claims []core.Key
	err := r.index.Names(schema.GroupResource{Resource: "persistentvolumeclaims"}, func(namespace, name string) error {
		claims = append(claims, claimKey(namespace, name))
		return nil
	})
	if err != nil {
		return err
	}
	var facts volumeplan.Facts
	if len(claims) > 0 {
		if facts, err = r.request.Volumes.Look(ctx, claims); err != nil {
			return fmt.Errorf("looking at the volumes of %s: %w", core.Count(int64(len(claims)), "claim"), err)
		}
	}
	if len(r.request.Earlier) > 0 {
		if facts.Begun, err = r.request.Volumes.Begun(ctx, r.volumeRun()); err != nil {
			return fmt.Errorf("looking for what earlier attempts have begun: %w", err)
		}
	}
	for _, idle := range volumeplan.Idle(facts, r.request.VolumeSettings) {
		r.Warn(core.Key{}, idle)
	}
	r.warnOfClaimless(claims, facts.Begun)
	for _, decision := range volumeplan.Plan(facts, r.request.VolumeSettings) {
		r.decided(decision)
	}
	return nil
}

// warnOfClaimless tells of volumes that are in the backup without their claims, which were deleted before a later attempt could
// copy them. That the manifest names them is how their data can be found, and removed.
func (r *run) warnOfClaimless(claims []core.Key, begun []volumeplan.Decision) {
	for i := range begun {
		if key := begun[i].Claim.Key(); !slices.Contains(claims, key) {
			r.Warn(key, fmt.Sprintf("PersistentVolumeClaim %s/%s: its data is in the backup, its object is not: it was deleted while the backup "+
				"ran, and the run was interrupted", key.Namespace, key.Name))
		}
	}
}

// decided takes a decision.
func (r *run) decided(decision volumeplan.Decision) {
	switch {
	case decision.Verdict == volumeplan.Impossible:
		r.missVolume(decision, decision.Reason, decision.Message)
	case decision.Verdict == volumeplan.Skipped:
		r.outcomes = append(r.outcomes, volumework.Outcome{Decision: decision})
		r.skipVolume(decision)
	case len(r.decisions) >= archive.MaxVolumes:
		r.missVolume(decision, reasonTooMany, fmt.Sprintf("a backup has at most %d volumes: divide it", archive.MaxVolumes))
	default:
		r.decisions = append(r.decisions, decision)
		if decision.Advice != "" {
			r.Warn(decision.Claim.Key(), fmt.Sprintf("PersistentVolumeClaim %s/%s: %s", decision.Claim.Namespace, decision.Claim.Name, decision.Advice))
		}
		r.Note(decision.Claim.Key(), "Volume"+string(decision.Way), decision.Message)
	}
}

// reasonTooMany: a manifest has no place for more volumes.
const reasonTooMany = "TooManyVolumes"

// skipVolume tells of a claim whose data is left out. That there is no data is nothing to be warned of.
func (r *run) skipVolume(decision volumeplan.Decision) {
	key := decision.Claim.Key()
	switch decision.Reason {
	case volumeplan.ReasonSkippedByAnnotation, volumeplan.ReasonSkippedByRule, volumeplan.ReasonGone:
		r.Warn(key, fmt.Sprintf("PersistentVolumeClaim %s/%s: its object is in the backup, its data is not: %s",
			key.Namespace, key.Name, decision.Message))
		return
	}
	r.Note(key, "VolumeSkipped", decision.Message)
}

// missVolume makes the data of a claim missing from the backup.
func (r *run) missVolume(decision volumeplan.Decision, reason, message string) {
	decision.Verdict, decision.Reason, decision.Message = volumeplan.Impossible, reason, message
	r.outcomes = append(r.outcomes, volumework.Outcome{Decision: decision, Reason: reason, Message: message})
	kind := core.Kind{Version: "v1", Name: "PersistentVolumeClaim", Resource: "persistentvolumeclaims", Namespaced: true}
	r.Miss(engine.Row{Kind: kind, Key: decision.Claim.Key(), Reason: reason, Message: message})
}

// releaseTime bounds the removal of what is not needed any more.
const releaseTime = time.Minute

// backUpVolumes has the providers do their work, and removes what was made for that.
func (r *run) backUpVolumes(ctx context.Context) error {
	if r.request.Volumes == nil || !r.request.VolumeData {
		return nil
	}
	r.dropUncut(ctx)
	if err := r.orderVolumes(ctx); err != nil {
		return err
	}
	if !r.dealt && len(r.request.Earlier) == 0 {
		return nil // Nothing was made.
	}
	slices.SortFunc(r.outcomes, func(a, b volumework.Outcome) int { return compareClaims(a.Decision.Claim, b.Decision.Claim) })
	if err := r.request.Confirm(ctx); err != nil {
		return fmt.Errorf("asking whether the run is still this attempt's, before snapshots are released: %w", err)
	}
	releasing, cancel := context.WithTimeout(ctx, releaseTime)
	defer cancel()
	if err := r.request.Volumes.Release(releasing, r.volumeRun()); err != nil {
		r.Warn(core.Key{}, "snapshots that are not needed any more are left, and are removed later: "+err.Error())
	}
	return ctx.Err()
}

// orderVolumes has every volume that is left backed up, and takes what became of it.
func (r *run) orderVolumes(ctx context.Context) error {
	if len(r.decisions) == 0 {
		return nil
	}
	r.progress.Volumes(volumework.Progress{Total: int64(len(r.decisions))})
	outcomes, err := r.request.Volumes.BackUp(ctx, r.volumeRun(), r.decisions, r.progress.Volumes)
	if err != nil {
		return err
	}
	for _, outcome := range outcomes {
		if outcome.Reason != "" {
			r.missVolume(outcome.Decision, outcome.Reason, outcome.Message)
			continue
		}
		r.outcomes = append(r.outcomes, outcome)
		r.warnOfLive(&outcome)
	}
	r.warnOfInstants()
	r.warnOfClocks()
	return nil
}

// warnOfLive tells of a volume that was read while it was in use.
func (r *run) warnOfLive(outcome *volumework.Outcome) {
	if outcome.Decision.Way != volumeplan.Volume || !outcome.Cut.IsZero() {
		return
	}
	key := outcome.Decision.Claim.Key()
	r.Warn(key, fmt.Sprintf("PersistentVolumeClaim %s/%s: provider %s read the volume while it was in use, and not a snapshot of it: "+
		"its data is crash-consistent at best", key.Namespace, key.Name, outcome.Decision.Provider))
}

// volumes returns the rows of the volumes that are in the backup.
func (r *run) volumes() []archive.Volume {
	var rows []archive.Volume
	for i := range r.outcomes {
		outcome := &r.outcomes[i]
		decision, claim := &outcome.Decision, &outcome.Decision.Claim
		if decision.Verdict != volumeplan.Chosen {
			continue
		}
		rows = append(rows, archive.Volume{
			VolumeNames: archive.VolumeNames{
				Namespace: claim.Namespace, Name: claim.Name, PersistentVolume: claim.Volume, StorageClass: claim.StorageClass,
			},
			Provider: decision.Provider, Location: decision.Location, Way: string(decision.Way),
			Handle: outcome.Handle, Attributes: outcome.Attributes,
			Driver: claim.Driver, Size: claim.Size, Mode: claim.Mode, Bytes: outcome.Bytes, Cut: outcome.Cut.UTC(),
		})
	}
	return rows
}

// compareClaims orders claims by namespace and name.
func compareClaims(a, b volumeplan.Claim) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
