package csi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/provider"
)

// restoring is what the handle of a restored volume says: its claim, the name of what that is made from, and whether the
// snapshot is one of a group.
type restoring struct {
	namespace, claim, name string
	grouped                bool
}

func (r restoring) handle() string {
	handle := r.namespace + "/" + r.claim + "/" + r.name
	if r.grouped {
		handle += "/" + ofGroup
	}
	return handle
}

// ofGroup ends the handle of a volume whose snapshot is one of a group.
const ofGroup = "group"

// restoringOf reads a handle; one that this provider did not give is not known.
func restoringOf(volume provider.VolumeIdentity) (restoring, error) {
	const parts = 3
	handle, grouped := strings.CutSuffix(volume.Handle, "/"+ofGroup)
	words := strings.Split(handle, "/")
	if len(words) != parts || slices.Contains(words, "") {
		return restoring{}, fmt.Errorf("restore %q: %w", volume.Handle, provider.ErrNotFound)
	}
	return restoring{namespace: words[0], claim: words[1], name: words[2], grouped: grouped}, nil
}

// CreateVolumeFromBackup implements provider.VolumeRestores: it makes what the claim is to be made from.
func (d *Driver) CreateVolumeFromBackup(ctx context.Context, request provider.CreateVolumeRequest) (provider.RestoredVolume, error) {
	if err := request.Validate(); err != nil {
		return provider.RestoredVolume{}, err
	}
	if err := known(request.Backup); err != nil {
		return provider.RestoredVolume{}, err
	}
	namespace, name := request.Claim.Namespace, nameOf("kahu-", request.Order, request.Claim.Namespace, request.Claim.Name)
	together, grouped := groupOf(request.Backup)
	answer := provider.RestoredVolume{
		Volume:     provider.VolumeIdentity{Handle: restoring{namespace, request.Claim.Name, name, grouped}.handle()},
		DataSource: &provider.DataSource{APIGroup: snapshotGroup, Kind: snapshotKind, Name: name},
	}
	claim, err := find(ctx, d.claims(namespace), request.Claim.Name)
	if err != nil {
		return provider.RestoredVolume{}, err
	}
	if claim != nil && madeFrom(claim, name) && phaseOf(claim) == corev1.ClaimBound {
		return answer, nil // It was done before: what is made now, nobody would take away.
	}
	if err := d.fits(ctx, request.Claim, request.Backup); err != nil {
		return provider.RestoredVolume{}, err
	}
	if grouped {
		if err := d.introduce(ctx, together, name, namespace); err != nil {
			return provider.RestoredVolume{}, err
		}
	}
	return answer, d.stage(ctx, name, namespace, request.Backup)
}

// stage makes what a claim is made from.
func (d *Driver) stage(ctx context.Context, name, namespace string, backup provider.BackupIdentity) error {
	if err := ensure(ctx, d.contents(), content(name, namespace, "Retain", backup)); err != nil {
		return err
	}
	source := object(snapshotKind, namespace, name, fields{"source": fields{"volumeSnapshotContentName": name}})
	return ensure(ctx, d.snapshots(namespace), source)
}

// RestoreStat implements provider.VolumeRestores. What ends a restore is the one who looks: the objects of one that has
// ended are removed here.
func (d *Driver) RestoreStat(ctx context.Context, volume provider.VolumeIdentity, _ provider.Attributes) (provider.VolumeStat, error) {
	what, err := restoringOf(volume)
	if err != nil {
		return provider.VolumeStat{}, err
	}
	seen, err := d.see(ctx, what)
	if err != nil {
		return provider.VolumeStat{}, err
	}
	stat := judge(seen)
	if stat.State == "" {
		return provider.VolumeStat{}, fmt.Errorf("restore %s: %w", volume.Handle, provider.ErrNotFound)
	}
	if stat.State == provider.VolumeSucceeded || stat.State == provider.VolumeFailed {
		err = d.clear(ctx, what)
	}
	return stat, err
}

// CancelRestore implements provider.VolumeRestores. A claim that waits for its volume then waits in vain, until it is deleted.
func (d *Driver) CancelRestore(ctx context.Context, volume provider.VolumeIdentity, _ provider.Attributes) error {
	what, err := restoringOf(volume)
	if errors.Is(err, provider.ErrNotFound) {
		return nil
	}
	return d.clear(ctx, what)
}

// clear has the objects of a restore deleted. The snapshot stays in the storage system, as the content says Retain.
func (d *Driver) clear(ctx context.Context, what restoring) error {
	if err := remove(ctx, d.snapshots(what.namespace), what.name); err != nil {
		return err
	}
	if err := d.dismiss(ctx, what.name); err != nil || !what.grouped {
		return err
	}
	return d.withdraw(ctx, what.name)
}

// ending has the csi-snapshotter let a content go that is deleted.
const ending = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted"

// dismiss has a content deleted. The snapshot controller marks it when it sees the VolumeSnapshot go: one that went before it
// was looked at, it may never see.
func (d *Driver) dismiss(ctx context.Context, name string) error {
	patch, err := (&unstructured.Unstructured{Object: fields{"metadata": fields{"annotations": fields{ending: "yes"}}}}).MarshalJSON()
	if err != nil {
		return fmt.Errorf("encoding an annotation: %w", err)
	}
	_, err = d.contents().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return classed("marking "+name, err)
	}
	return remove(ctx, d.contents(), name)
}

// sight is what is to be seen of a restore.
type sight struct {
	// name is that of the objects.
	name string
	// claim, snapshot and content are nil where they are not, volume also where the claim is not bound.
	claim, volume, snapshot, content *unstructured.Unstructured
	// stale says that what went wrong has had time to pass.
	stale bool
}

func (d *Driver) see(ctx context.Context, what restoring) (sight, error) {
	seen := sight{name: what.name}
	var err error
	if seen.claim, err = find(ctx, d.claims(what.namespace), what.claim); err != nil {
		return sight{}, err
	}
	if seen.claim != nil && phaseOf(seen.claim) == corev1.ClaimBound {
		name, _, _ := unstructured.NestedString(seen.claim.Object, "spec", "volumeName") // One of another type is none.
		if seen.volume, err = find(ctx, d.volumes(), name); err != nil {
			return sight{}, err
		}
	}
	if seen.snapshot, err = find(ctx, d.snapshots(what.namespace), what.name); err != nil {
		return sight{}, err
	}
	if seen.content, err = find(ctx, d.contents(), what.name); err != nil {
		return sight{}, err
	}
	if seen.content != nil {
		seen.stale = d.clock.Since(seen.content.GetCreationTimestamp().Time) >= d.patience
	}
	return seen, nil
}

// judge tells how a restore is; the state is empty where there is none.
func judge(seen sight) provider.VolumeStat {
	if stat, ended := judgeClaim(seen); ended {
		return stat
	}
	switch {
	case seen.snapshot == nil && seen.content == nil:
		return provider.VolumeStat{}
	case isGoing(seen.snapshot) || isGoing(seen.content):
		// No volume is made any more of a snapshot that is to go.
		return provider.VolumeStat{State: provider.VolumeCancelled}
	case seen.snapshot == nil || seen.content == nil:
		return failed("the VolumeSnapshot %s that its volume was to be made from, or its content, was deleted", seen.name)
	case seen.stale && failureOf(seen.content) != "":
		return failed("the CSI driver does not find the snapshot: %s", failureOf(seen.content))
	}
	return provider.VolumeStat{State: provider.VolumeRunning}
}

// judgeClaim tells what follows from a claim, if that ends the restore.
func judgeClaim(seen sight) (stat provider.VolumeStat, ended bool) {
	switch {
	case seen.claim == nil:
		return provider.VolumeStat{}, false
	case !madeFrom(seen.claim, seen.name):
		return failed("claim %s/%s is there, and is not made from this backup", seen.claim.GetNamespace(), seen.claim.GetName()), true
	case phaseOf(seen.claim) == corev1.ClaimBound && wasThere(seen.volume, seen.claim):
		return failed("the cluster has bound claim %s/%s to volume %s, which was there before, and not to one that is made from the backup: "+
			"delete the claim, and the volume or what makes it available, and restore again",
			seen.claim.GetNamespace(), seen.claim.GetName(), seen.volume.GetName()), true
	case phaseOf(seen.claim) == corev1.ClaimBound:
		return done(), true
	case phaseOf(seen.claim) == corev1.ClaimLost:
		return failed("claim %s/%s has lost its volume", seen.claim.GetNamespace(), seen.claim.GetName()), true
	}
	return provider.VolumeStat{}, false
}

// boundByController is on volumes that were there when a claim was bound to them.
const boundByController = "pv.kubernetes.io/bound-by-controller"

// wasThere tells whether a volume is older than its claim, or was found for it. A cluster looks for one that fits, whatever the
// claim is to be made from.
func wasThere(volume, claim *unstructured.Unstructured) bool {
	if volume == nil {
		return false
	}
	made, wanted := volume.GetCreationTimestamp(), claim.GetCreationTimestamp()
	return volume.GetAnnotations()[boundByController] != "" || made.Before(&wanted)
}

func failed(format string, arguments ...any) provider.VolumeStat {
	return provider.VolumeStat{State: provider.VolumeFailed, Err: fmt.Errorf(format+": %w", append(arguments, provider.ErrFailedPrecondition)...)}
}

func isGoing(object *unstructured.Unstructured) bool {
	return object != nil && object.GetDeletionTimestamp() != nil
}

// madeFrom tells whether a claim is made from the VolumeSnapshot of a name.
func madeFrom(claim *unstructured.Unstructured, name string) bool {
	for _, field := range []string{"dataSourceRef", "dataSource"} {
		source, found, err := unstructured.NestedStringMap(claim.Object, "spec", field)
		if found && err == nil && source["kind"] == snapshotKind && source["name"] == name {
			return true
		}
	}
	return false
}

func phaseOf(claim *unstructured.Unstructured) corev1.PersistentVolumeClaimPhase {
	phase, _, _ := unstructured.NestedString(claim.Object, "status", "phase") // One of another type is none.
	return corev1.PersistentVolumeClaimPhase(phase)
}
