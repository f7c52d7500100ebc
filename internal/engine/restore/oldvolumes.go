package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/reuse"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
	"github.com/soda-cdm/kahu/internal/engine/restore/oldvolume"
)

// planOldVolumes decides which volumes the claims get whose data is not in the backup. A PersistentVolume that could not be
// used, or is somebody else's, is not created.
func (r *run) planOldVolumes(ctx context.Context) error {
	claims := slices.DeleteFunc(r.planned(claimKind()), func(item *restoreplan.Item) bool { return r.data[item] != nil })
	rehearsal, err := r.rehearsal()
	if err != nil {
		return err
	}
	finder := &oldvolume.Finder{
		Cluster: r.Cluster, Served: r.served, Rehearsal: rehearsal, Self: r.self,
		Elsewhere: r.request.ID.ClusterID != "" && r.request.ID.ClusterID != r.request.Backup.ClusterID,
	}
	answers, err := finder.Find(ctx, r.plan, claims)
	if err != nil {
		return err
	}
	r.anew, r.again = map[*restoreplan.Item]string{}, map[*restoreplan.Item]core.Key{}
	left := map[string]string{}
	for i := range answers {
		r.decideOldVolume(&answers[i], left)
	}
	r.leaveVolumes(left)
	return nil
}

// decideOldVolume takes note of what volume a claim gets, and of a PersistentVolume that is not created, with the reason.
func (r *run) decideOldVolume(answer *oldvolume.Answer, left map[string]string) {
	claim := fmt.Sprintf("PersistentVolumeClaim %s/%s: its data is not in the backup", answer.Target.Namespace, answer.Target.Name)
	switch {
	case answer.Verdict == reuse.New:
		if answer.Volume != nil {
			left[answer.Name] = answer.Why
		}
		if answer.There {
			return
		}
		r.anew[answer.Claim] = "it gets a new volume: " + answer.Why
		if gets := ", and it gets a new, empty volume: "; answer.Provisioned {
			r.Warn(answer.Target, claim+gets+answer.Why)
		} else {
			r.Warn(answer.Target, claim+", and it does not get the volume that it had: "+answer.Why+
				". Its class is empty, and makes none: it waits until somebody creates a PersistentVolume for it")
		}
	case answer.Verdict == reuse.Again && answer.Volume != nil && !answer.There:
		r.again[answer.Volume] = answer.Target
		r.Warn(answer.Target, claim+", and it gets the volume again that it had: "+answer.Why)
	case answer.Verdict == reuse.Doubtful && !answer.There:
		r.Warn(answer.Target, claim+", and PersistentVolume "+answer.Name+" names the storage that it had in another cluster: "+
			"make sure that this cluster has that storage, and that nobody else writes to it")
	}
}

// newVolume returns why a claim gets a new volume; empty where it does not.
func (r *run) newVolume(item *restoreplan.Item) string { return r.anew[item] }

// bindAgain has a PersistentVolume wait for the claim of the restore that is still reserved for one of the same name that was
// deleted: it takes the UID of that one out, and leaves all else as it is, whatever the policy says. It tells whether it did.
func (r *run) bindAgain(ctx context.Context, wish draft.Draft, living core.Living) (bool, error) {
	claim, is := r.again[wish.Item]
	if !is {
		return false, nil
	}
	old, err := r.Cluster.Living(ctx, claimKind(), claim.Namespace, claim.Name)
	switch {
	case err == nil && !old.Terminating:
		return false, nil // Somebody has made it meanwhile, and the cluster decides what it is bound to.
	case err == nil:
		if err := r.awaitGone(ctx, old); err != nil {
			return false, err
		}
	case !errors.Is(err, core.ErrNotFound):
		return false, err
	}
	err = r.Cluster.Merge(ctx, core.MergePatch{
		Kind: *wish.Item.Kind, Name: wish.Object.GetName(),
		Content: map[string]any{
			"metadata": map[string]any{"uid": string(living.UID)},
			"spec":     map[string]any{"claimRef": map[string]any{"uid": nil, "resourceVersion": nil}},
		},
	}, r.updater)
	if err != nil {
		return false, fmt.Errorf("reserving it for the new claim: %w", err)
	}
	r.updated(wish.Item, wish.Object, "it is reserved for the new claim, by name, and not for the one that was deleted")
	return true, nil
}

// rehearsal shows objects as they would be created. Its program is one of its own: the run's counts what it did.
func (r *run) rehearsal() (*draft.Rehearsal, error) {
	program, problems := transformset.Compile(r.request.Transforms)
	if len(problems) > 0 {
		return nil, &engine.InvalidError{Problems: problems}
	}
	return &draft.Rehearsal{Transformer: r.transformer, Program: program, Read: r.readObjects}, nil
}

// planned returns the objects of a kind that are to be created.
func (r *run) planned(kind core.Kind) []*restoreplan.Item {
	var found []*restoreplan.Item
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Items {
			if item.Kind.GroupResource() == kind.GroupResource() {
				found = append(found, item)
			}
		}
	}
	return found
}

func claimKind() core.Kind {
	return core.Kind{Version: "v1", Name: "PersistentVolumeClaim", Resource: "persistentvolumeclaims", Namespaced: true}
}
