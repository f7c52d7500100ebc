package copies

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// removalTime bounds the removal of what a run has sent that nobody wants any more, besides the wait for other runs.
const removalTime = 30 * time.Second

// removeUnwanted removes what this run sent, if nobody wants the copy any more. The run's context may have ended for that very
// reason.
func (r *run) removeUnwanted(ctx context.Context) error {
	if !r.begun || r.real {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime+2*r.window())
	defer cancel()
	if !r.request.Unwanted(ctx) {
		return nil
	}
	return r.Abandon(ctx, Leaving{Backup: r.request.Backup, Attempts: []string{r.request.Attempt}, Owned: r.request.Owned}, r.to)
}

// Leaving is a copy that nobody wants any more.
type Leaving struct {
	// Backup is what was being copied, Attempts are the tries of which files may be at the target where nobody can list.
	Backup   archive.BackupID
	Attempts []string
	// Owned is that of engine.Remover.
	Owned func(ctx context.Context) error
}

// Abandon removes from a location what attempts at a copy have sent, unless the copy is there. Its segments are left to the
// collection at the location: other backups may have come to refer to them.
//
// Another manager, which does not know yet that the copy is not wanted, may be about to write its manifest. It looks for its
// intent within ManifestTime before, so that the intents go first; then it is waited until none of those can write any more who
// found theirs: twice as long, as elsewhere. If the copy is there by then, it is whole, and stays; otherwise it cannot come, and the rest goes.
func (c *Copy) Abandon(ctx context.Context, leaving Leaving, to Target) error {
	if err := leaving.Backup.Check(); err != nil {
		return err
	}
	remover := &engine.Remover{Files: to, Owned: leaving.Owned, Window: c.window()}
	intents, _, err := unreal(ctx, leaving.Backup, to)
	if err != nil && !errors.Is(err, core.ErrUnsupported) {
		return err
	}
	for _, attempt := range leaving.Attempts {
		intents = append(intents, leaving.Backup.IntentNameOf(attempt))
	}
	if _, removeErr := remover.Remove(ctx, slices.Compact(slices.Sorted(slices.Values(intents)))); removeErr != nil || err != nil {
		return removeErr // Nobody who cannot list finds more.
	}
	if err := c.awaitManifests(ctx); err != nil {
		return err
	}
	again, others, err := unreal(ctx, leaving.Backup, to)
	if err != nil || len(again) > 0 {
		return err // Somebody has begun to copy it once more, and counts on what is there.
	}
	_, err = remover.Remove(ctx, others)
	return err
}

// awaitManifests waits until a manifest cannot come any more whose intent was removed.
func (c *Copy) awaitManifests(ctx context.Context) error {
	timer := time.NewTimer(2 * c.window())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// unreal lists what lies in the folder of a copy that is not there: the intents, and the other files. Nothing of a copy that is
// there is unreal.
func unreal(ctx context.Context, id archive.BackupID, to Target) (intents, others []string, err error) {
	there := false
	err = to.List(ctx, id.Folder(), func(file core.FileInfo) error {
		switch {
		case file.Name == id.ManifestName():
			there = true
		case id.IsIntent(file.Name):
			intents = append(intents, file.Name)
		default:
			others = append(others, file.Name)
		}
		return nil
	})
	if there || err != nil {
		return nil, nil, err
	}
	return intents, others, nil
}
