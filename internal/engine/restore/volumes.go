package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
	"github.com/soda-cdm/kahu/internal/engine/restore/oldvolume"
)

// ReasonVolumeFailed is of a claim whose volume could not be restored. The claim is not created, so that nothing begins with an
// empty one.
const ReasonVolumeFailed = "VolumeRestoreFailed"

// Volumes has providers make volumes from their backups.
type Volumes interface {
	// Away returns why volumes of that provider cannot be restored now; empty where they can.
	Away(ctx context.Context, provider string) (string, error)
	// KeepsSnapshots tells whether backups of that provider that were made by a snapshot are that snapshot.
	KeepsSnapshots(ctx context.Context, provider string) (bool, error)
	// Make orders a volume and returns what its claim is created with, as soon as the provider says so. What an earlier
	// attempt has ordered is not ordered again.
	Make(ctx context.Context, run volumework.Run, order volumework.RestoreOrder) (volumework.Made, error)
	// Await waits until the claims have their volumes, or it is known that they will not, or that they wait for pods, and returns
	// what became of each. What was ordered for other claims ends. show is told of those that are awaited.
	Await(
		ctx context.Context, run volumework.Run, wish volumework.Awaited, show func(going []volumework.Restored),
	) ([]volumework.Restored, error)
	// Watch tells how far all orders of the run are, until the context ends.
	Watch(ctx context.Context, run volumework.Run, show func(now volumework.Progress))
}

// VolumesAwayError says that volumes cannot be restored now. Nothing was written.
type VolumesAwayError struct {
	// Provider would restore them, Number is how many there are, and Why says what is the matter.
	Provider string
	Number   int
	Why      string
}

// Error says what to do.
func (e *VolumesAwayError) Error() string {
	return fmt.Sprintf("provider %s, which has the data of %s, cannot restore now: %s: bring it back, or exclude the claims with "+
		"spec.excludeResources", e.Provider, core.Count(int64(e.Number), "volume"), e.Why)
}

// Unwrap returns the class of the error.
func (e *VolumesAwayError) Unwrap() error { return core.ErrUnavailable }

// planVolumes finds the claims whose data is in the backup. Their old PersistentVolumes are not created: a claim gets one that
// is made from its backup.
func (r *run) planVolumes(context.Context) error {
	if len(r.manifest.Volumes) == 0 {
		return nil
	}
	rows, replaced := map[core.Key]*archive.Volume{}, map[string]string{}
	for i := range r.manifest.Volumes {
		row := &r.manifest.Volumes[i]
		rows[core.Key{Resource: "persistentvolumeclaims", Namespace: row.Namespace, Name: row.Name}] = row
	}
	r.data = map[*restoreplan.Item]*claim{}
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Items {
			if row := rows[item.Key()]; row != nil {
				r.data[item] = newClaim(row, volumework.Planned)
				replaced[row.PersistentVolume] = "provider " + row.Provider + " makes another one from the backup of its data"
				r.Note(item.Key(), "VolumeFromBackup", "provider "+row.Provider+" makes its volume from the backup")
			}
		}
	}
	r.leaveVolumes(replaced)
	for _, item := range r.plan.Skipped {
		if row := rows[item.Key()]; row != nil {
			left := newClaim(row, volumework.Left).outcome
			left.Claim, left.Message = r.transformer.Key(*item.Kind, item.Key()), item.Reason
			r.left = append(r.left, left)
		}
	}
	return nil
}

// leaveVolumes takes the PersistentVolumes of those names out of the plan, for the reasons.
func (r *run) leaveVolumes(reasons map[string]string) {
	for i := range r.plan.Waves {
		wave := &r.plan.Waves[i]
		wave.Items = slices.DeleteFunc(wave.Items, func(item *restoreplan.Item) bool {
			reason, is := reasons[item.Name]
			if is = is && item.Kind.GroupResource() == oldvolume.Kind().GroupResource(); is {
				item.Action, item.Reason = restoreplan.SkipControlled, reason
				r.plan.Skipped = append(r.plan.Skipped, item)
			}
			return is
		})
	}
	r.plan.Waves = slices.DeleteFunc(r.plan.Waves, func(wave restoreplan.Wave) bool { return len(wave.Items) == 0 })
}

// withData has the volume of a claim made from its backup, and has the claim name it. Everything else stays as it is, and so
// does a claim that is there already.
func (r *run) withData(ctx context.Context, wish draft.Draft) error {
	data := r.data[wish.Item]
	if data == nil {
		return nil
	}
	row, claim := data.row, wish.Object
	_, err := r.Cluster.Living(ctx, *wish.Item.Kind, claim.GetNamespace(), claim.GetName())
	if err == nil {
		return core.ErrAlreadyExists
	}
	if !errors.Is(err, core.ErrNotFound) {
		return err
	}
	if data.unfit != nil {
		return &volumeError{refusal{ReasonVolumeFailed, data.unfit}}
	}
	release(claim)
	if err := r.enlarge(claim, row, wish.Item.Key()); err != nil {
		return err
	}
	text, err := claim.MarshalJSON()
	if err != nil {
		return err
	}
	r.mu.Lock()
	data.outcome.State = volumework.Going
	r.mu.Unlock()
	made, err := r.request.Volumes.Make(ctx, r.volumeRun(), volumework.RestoreOrder{
		Namespace: claim.GetNamespace(), Name: claim.GetName(), Claim: text,
		Provider: row.Provider, Location: row.Location, Handle: row.Handle, Attributes: row.Attributes,
	})
	if err != nil {
		return &volumeError{refusal{ReasonVolumeFailed, err}}
	}
	if made.Source != "" {
		source := map[string]any{"kind": made.Kind, "name": made.Source}
		if made.Group != "" {
			source["apiGroup"] = made.Group
		}
		return unstructured.SetNestedMap(claim.Object, source, "spec", "dataSourceRef")
	}
	return r.bind(ctx, claim, data, made)
}

// volumeError is why a provider has not made a volume. It had its time, and an order is given once: to ask again for the same
// claim in the same run would only wait for the same answer.
type volumeError struct{ refusal }

// Unwrap returns the refusal, which has the reason. The class of its cause is kept out: whatever that is, it does not pass.
func (e *volumeError) Unwrap() error { return &e.refusal }

func (r *run) volumeRun() volumework.Run {
	return volumework.Run{Name: r.request.ID.Name, UID: r.request.ID.UID}
}

// release takes from a claim what it had its old volume from.
func release(claim *unstructured.Unstructured) {
	for _, field := range []string{"volumeName", "dataSource", "dataSourceRef"} {
		unstructured.RemoveNestedField(claim.Object, "spec", field)
	}
	for _, annotation := range []string{
		"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "volume.kubernetes.io/selected-node",
	} {
		unstructured.RemoveNestedField(claim.Object, "metadata", "annotations", annotation)
	}
}

// enlarge has a claim ask for as much as its volume had, which may be more than it asked for: storage systems round up, and most make
// no smaller volume from a snapshot.
func (r *run) enlarge(claim *unstructured.Unstructured, row *archive.Volume, of core.Key) error {
	asked, _, _ := unstructured.NestedString(claim.Object, "spec", "resources", "requests", "storage") // Another type is refused later.
	size, err := resource.ParseQuantity(asked)
	if err != nil || size.Value() >= row.Size {
		return nil //nolint:nilerr // What is no size, the API server refuses.
	}
	whole := resource.NewQuantity(row.Size, resource.BinarySI).String()
	r.Note(of, "VolumeSize", "it asks for "+whole+" and not for "+asked+", as its volume had so much")
	return unstructured.SetNestedField(claim.Object, whole, "spec", "resources", "requests", "storage")
}

// bind makes a PersistentVolume of what the provider has made, for this claim alone.
func (r *run) bind(ctx context.Context, claim *unstructured.Unstructured, data *claim, made volumework.Made) error {
	row := data.row
	if row.Driver == "" {
		return &refusal{ReasonVolumeFailed, fmt.Errorf("provider %s made volume %s, and nobody knows its CSI driver", row.Provider, made.Volume)}
	}
	const digits = 32
	sum := sha256.Sum256([]byte(r.request.ID.UID + "/" + claim.GetNamespace() + "/" + claim.GetName()))
	name := "kahu-" + hex.EncodeToString(sum[:])[:digits]
	spec, _, _ := unstructured.NestedMap(claim.Object, "spec")
	capacity, _, _ := unstructured.NestedFieldCopy(claim.Object, "spec", "resources", "requests", "storage")
	source := map[string]any{"driver": row.Driver, "volumeHandle": made.Volume}
	if len(made.Attributes) > 0 {
		attributes := map[string]any{}
		for key, value := range made.Attributes {
			attributes[key] = value
		}
		source["volumeAttributes"] = attributes
	}
	volume := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolume", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"capacity": map[string]any{"storage": capacity}, "accessModes": spec["accessModes"],
			"claimRef": map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.GetNamespace(), "name": claim.GetName()},
			"csi":      source, "persistentVolumeReclaimPolicy": "Delete",
		},
	}}
	for from, to := range map[string]string{"storageClassName": "storageClassName", "volumeMode": "volumeMode"} {
		if value, there := spec[from]; there {
			volume.Object["spec"].(map[string]any)[to] = value //nolint:forcetypeassert // It was made above.
		}
	}
	if _, err := r.Cluster.Create(ctx, oldvolume.Kind(), volume, r.manager); err != nil && !errors.Is(err, core.ErrAlreadyExists) {
		return &refusal{ReasonVolumeFailed, fmt.Errorf("creating PersistentVolume %s for what provider %s made: %w", name, row.Provider, err)}
	}
	r.mu.Lock()
	data.bound = name
	r.mu.Unlock()
	return unstructured.SetNestedField(claim.Object, name, "spec", "volumeName")
}

// awaitVolumes waits for the volumes whose claims were created before their data was there. Those of classes that wait for the
// first pod are left to it, where none comes in time.
func (r *run) awaitVolumes(ctx context.Context) error {
	if len(r.data) == 0 {
		return nil
	}
	r.showGoing(nil)
	wish, items := volumework.Awaited{Pods: r.patience()}, map[core.Key]*restoreplan.Item{}
	for item, data := range r.data {
		if data.state == claimSettled && data.there == "" {
			wish.Claims, items[data.key] = append(wish.Claims, data.key), item
		}
	}
	found, err := r.request.Volumes.Await(ctx, r.volumeRun(), wish, r.showGoing)
	if err != nil {
		return err
	}
	for i := range found {
		row := &found[i]
		outcome := &r.data[items[row.Claim]].outcome
		outcome.State, outcome.Message, outcome.BytesDone, outcome.BytesTotal = row.State, row.Message, row.BytesDone, row.BytesTotal
		switch row.State {
		case volumework.Lost:
			r.fail(engine.Row{Kind: *items[row.Claim].Kind, Key: row.Claim, Reason: ReasonVolumeFailed, Message: row.Message})
		case volumework.Delayed:
			r.Warn(row.Claim, fmt.Sprintf("PersistentVolumeClaim %s/%s: %s: keep this Restore until then", row.Claim.Namespace, row.Claim.Name, row.Message))
		case volumework.Going, volumework.Done, volumework.Untouched, volumework.Left, volumework.Planned:
		}
	}
	return nil
}

// showGoing shows which volumes are waited for, after those that are lost.
func (r *run) showGoing(rows []volumework.Restored) {
	lost := slices.DeleteFunc(r.volumes(), func(row volumework.Restored) bool { return row.State != volumework.Lost })
	r.progress.Going(slices.Concat(lost, rows))
}

// watchingVolumes does something while it is shown how far the volumes are.
func (r *run) watchingVolumes(do func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		wanted := int64(0)
		for _, data := range r.data {
			if data.there == "" {
				wanted++
			}
		}
		if wanted == 0 {
			return do(ctx)
		}
		watching, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.request.Volumes.Watch(watching, r.volumeRun(), func(now volumework.Progress) {
				now.Total = wanted
				r.progress.Volumes(now)
			})
		}()
		defer func() {
			stop()
			<-ended
		}()
		return do(ctx)
	}
}
