package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// getters is how many needed objects are read at once.
const getters = 8

// copyNeeded reads what the chosen objects need and the filters did not choose, then what these need, until nothing
// new is found: first what they name, and then what points to them.
func (r *run) copyNeeded(ctx context.Context) error {
	for {
		if err := r.copyPending(ctx); err != nil {
			return err
		}
		searches := r.needs.Searches()
		if len(searches) == 0 {
			break
		}
		if err := r.searchAll(ctx, searches); err != nil {
			return err
		}
	}
	for _, warning := range r.needs.Warnings() {
		r.Warn(warning.Key, warning.Message)
	}
	return nil
}

// copyPending reads what is named by objects that are in, until nothing new is found.
func (r *run) copyPending(ctx context.Context) error {
	for pending := r.needs.Pending(); len(pending) > 0; pending = r.needs.Pending() {
		getting, inner := errgroup.WithContext(ctx)
		getting.SetLimit(getters)
		for _, need := range pending {
			getting.Go(func() error { return r.copyNeed(inner, need) })
		}
		if err := getting.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// copyNeed reads one needed object.
func (r *run) copyNeed(ctx context.Context, need selection.Pending) error {
	object, err := r.Cluster.Get(ctx, need.Kind, need.Namespace, need.Name)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, core.ErrNotFound):
		if !need.Optional {
			r.Warn(need.Key(), need.Missing())
		}
		return nil
	case err != nil:
		r.Miss(engine.Row{
			Kind: need.Kind, Key: need.Key(), Reason: engine.ReasonObjectUnreadable,
			Message: string(need.Reason) + ": " + err.Error(),
		})
		return nil //nolint:nilerr // What cannot be read is missing, by name, and ends nothing else.
	}
	return r.takeNeeded(ctx, object, need.Reason)
}

// takeNeeded hands on an object that is needed.
func (r *run) takeNeeded(ctx context.Context, object core.Object, reason core.Reason) error {
	if object.Terminating {
		r.Warn(object.Key(), fmt.Sprintf("%s %s is being deleted and is left out, though it is %s",
			object.Kind, engine.Path(object.Namespace, object.Name), reason))
		return nil
	}
	if err := r.accept(object); err != nil {
		return err
	}
	r.counts.needed.Add(1)
	r.progress.Expect(1)
	return r.hand(ctx, object, reason)
}

// boundVolume returns the name of the volume to which a claim is bound, or nothing.
func boundVolume(claim []byte) (string, error) {
	var parts struct {
		Spec struct {
			VolumeName string `json:"volumeName"`
		} `json:"spec"`
		Status struct {
			Phase string `json:"phase"`
		} `json:"status"`
	}
	if err := json.Unmarshal(claim, &parts); err != nil {
		return "", err
	}
	if parts.Status.Phase != "Bound" {
		return "", nil
	}
	return parts.Spec.VolumeName, nil
}

func claimRow(claim core.Object, volume string) engine.Row {
	return engine.Row{
		Kind: claim.Kind, Key: claim.Key(), Reason: engine.ReasonVolumeWithoutProvider,
		Message: "no provider can back up the data of its volume " + volume +
			"; set spec.enableVolumeBackup to false to back up objects only",
	}
}
