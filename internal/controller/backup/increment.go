package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// What fullEvery is where the spec says nothing. A week bounds how many backups the loss of one segment can damage, and how
// long the store keeps what only they refer to; 100 does the same for those that are made every few minutes.
const (
	fullEveryBackups = 100
	fullEveryAge     = 7 * 24 * time.Hour
)

// maxMessage bounds the words for why a backup is full, in bytes.
const maxMessage = 1024

// candidatePage is how many Backups are read at once.
const candidatePage = 100

// increment says on what a backup may build. A full one builds on nothing, but where it is written with a comparison file it
// must know whose files it supersedes.
func (c *Controller) increment(ctx context.Context, s *scope, sealing *enginebackup.Sealing) (enginebackup.Increment, error) {
	spec := &s.backup.Spec
	compares := sealing != nil && sealing.Comparison != nil
	if (spec.Mode == "" || spec.Mode == kahuv1.BackupModeFull) && !compares {
		return enginebackup.Increment{}, nil
	}
	candidates, damaged, err := c.candidates(ctx, s)
	if err != nil {
		return enginebackup.Increment{}, fmt.Errorf("looking for earlier backups: %w", err)
	}
	name, files := s.location.Name, s.files
	return enginebackup.Increment{
		Wish: increment.Wish{
			Mode: increment.Mode(spec.Mode), Now: c.Clock.Now(), Damaged: damaged,
			Every: increment.Every{
				Backups: cmp.Or(int(spec.FullEvery.Backups), fullEveryBackups),
				Age:     cmp.Or(spec.FullEvery.Age.Duration, fullEveryAge),
			},
		},
		Candidates: candidates,
		Owned: func(ctx context.Context) (bool, error) {
			// The API server itself is asked: a cache may not know of the nonce that was written last.
			at := &kahuv1.BackupLocation{}
			if err := c.Direct.Get(ctx, client.ObjectKey{Name: name}, at); err != nil {
				return false, err
			}
			place := &location.Location{Files: files, Clock: c.Clock, NewID: c.NewAttempt}
			err := place.CheckOwner(ctx, c.ClusterID, at.Status.Owner.Nonce, at.Status.Owner.PendingNonce)
			if errors.Is(err, location.ErrNotOwner) {
				return false, nil
			}
			return err == nil, err
		},
	}, nil
}

// candidates returns the backups on which this one may build, and those that only damage keeps from it. They are what the API
// server itself, and no cache, says to be Completed. One that was set back to an earlier state does not know of those that came
// after: with their objects it could not be compared.
func (c *Controller) candidates(ctx context.Context, s *scope) (sound, damaged []increment.Candidate, err error) {
	var found []increment.Candidate
	list := &kahuv1.BackupList{}
	for begun := false; !begun || list.Continue != ""; begun = true {
		if err := c.Direct.List(ctx, list, client.Limit(candidatePage), client.Continue(list.Continue)); err != nil {
			return nil, nil, err
		}
		for i := range list.Items {
			candidate, is := c.candidate(s, &list.Items[i])
			switch {
			case is:
				found = append(found, candidate)
			case candidate.ID.UID != "":
				damaged = append(damaged, candidate)
			}
		}
	}
	sound, unsound := increment.Sound(found, damaged)
	return sound, append(damaged, unsound...), nil
}

// candidate returns another backup as one on which this one may build. Where it may not only as it is damaged, it is false,
// with what it would be.
func (c *Controller) candidate(s *scope, other *kahuv1.Backup) (increment.Candidate, bool) {
	status := &other.Status
	if other.UID == s.backup.UID || !c.isOwn(other) || status.LocationID != s.status().LocationID {
		return increment.Candidate{}, false
	}
	candidate := increment.Candidate{
		ID:   archive.BackupID{ClusterID: c.ClusterID, Name: other.Name, UID: string(other.UID)},
		Mode: cmp.Or(increment.Mode(status.Mode), increment.Full), Attempt: status.Attempt, Started: status.StartTimestamp.Time,
		Alike: alike(&s.backup.Spec, &other.Spec),
	}
	if slices.Contains(status.EarlierAttempts, status.Attempt) {
		candidate.Attempt = "" // Its manifest was found after another attempt had begun.
	}
	if base := status.Incremental; base != nil && base.BaseUID != "" {
		candidate.Base = archive.BackupID{ClusterID: c.ClusterID, Name: base.BaseName, UID: base.BaseUID}
	}
	return candidate, !isDamaged(other)
}

// isOwn tells whether a backup is one of this cluster, whole, and stays.
func (c *Controller) isOwn(backup *kahuv1.Backup) bool {
	status := &backup.Status
	return backup.Spec.Origin == nil && status.ClusterID == c.ClusterID && backup.DeletionTimestamp.IsZero() &&
		status.Stage == kahuv1.StageFinished && status.State == kahuv1.StateCompleted && status.StartTimestamp != nil
}

// isDamaged tells whether a backup was read back and is not as it was written, or not there any more.
func isDamaged(backup *kahuv1.Backup) bool {
	found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified)
	return found != nil && found.Status == metav1.ConditionFalse
}

// alike tells whether two specs choose the same objects.
func alike(a, b *kahuv1.BackupSpec) bool {
	chosen := func(spec *kahuv1.BackupSpec) kahuv1.BackupSpec {
		return kahuv1.BackupSpec{
			IncludeNamespaces: spec.IncludeNamespaces, ExcludeNamespaces: spec.ExcludeNamespaces,
			IncludeResources: spec.IncludeResources, ExcludeResources: spec.ExcludeResources,
			Label: spec.Label, References: spec.References,
		}
	}
	return equality.Semantic.DeepEqual(chosen(a), chosen(b))
}

// taken says in the status what was taken over from the base, or why nothing was.
func taken(backup *kahuv1.Backup, result *enginebackup.Result) {
	status := &backup.Status
	if mode := backup.Spec.Mode; mode == "" || mode == kahuv1.BackupModeFull || status.Incremental != nil || result.Adopted {
		return // Of a manifest that was found, nobody knows what it was to be.
	}
	status.Incremental = &kahuv1.BackupIncrement{
		Reason: string(result.Choice.Reason), Message: reconcile.Bounded(result.Choice.Message, maxMessage),
		ReadObjects: result.Manifest.Counts.Objects, WrittenObjects: result.Manifest.Counts.Objects,
		WrittenBytes: result.Manifest.Sizes.Segments,
	}
}
