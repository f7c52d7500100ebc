package csi

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	selector "k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/soda-cdm/kahu/provider"
)

// volumeMode is the attribute of a backup that says whether its volume is a file system or a block device.
const volumeMode = "volumeMode"

// StartBackup implements provider.VolumeBackups. The snapshot that is given is the backup: nothing is left to do.
func (*Driver) StartBackup(_ context.Context, request provider.StartBackupRequest) (provider.BackupIdentity, error) {
	if err := request.Validate(); err != nil {
		return provider.BackupIdentity{}, err
	}
	if request.Snapshot == nil {
		return provider.BackupIdentity{}, fmt.Errorf("volume %s comes without a snapshot: %w", request.Volume.Name, provider.ErrInvalidArgument)
	}
	attributes := maps.Clone(request.Snapshot.Attributes)
	if attributes[provider.SnapshotDriver] == "" {
		return provider.BackupIdentity{}, fmt.Errorf("the snapshot of volume %s does not name its CSI driver: %w",
			request.Volume.Name, provider.ErrInvalidArgument)
	}
	volume := &corev1.PersistentVolume{}
	if err := volume.Unmarshal(request.Volume.Encoded); err != nil {
		return provider.BackupIdentity{}, fmt.Errorf("reading volume %s: %w: %w", request.Volume.Name, provider.ErrInvalidArgument, err)
	}
	if mode := volume.Spec.VolumeMode; mode != nil {
		attributes[volumeMode] = string(*mode)
	}
	return provider.BackupIdentity{Handle: request.Snapshot.Handle, Attributes: attributes}, nil
}

// BackupStat implements provider.VolumeBackups. The order came when the snapshot could be used.
func (*Driver) BackupStat(_ context.Context, backup provider.BackupIdentity, _ provider.Attributes) (provider.VolumeStat, error) {
	if err := known(backup); err != nil {
		return provider.VolumeStat{}, err
	}
	return done(), nil
}

func done() provider.VolumeStat {
	const all = 100
	return provider.VolumeStat{State: provider.VolumeSucceeded, Percent: all}
}

// known fails for a backup that is none of this provider.
func known(backup provider.BackupIdentity) error {
	if !isKnown(backup) {
		return fmt.Errorf("backup %q does not name its CSI driver: %w", backup.Handle, provider.ErrNotFound)
	}
	return nil
}

// CancelBackup implements provider.VolumeBackups. A backup ends with the call that begins it.
func (*Driver) CancelBackup(context.Context, provider.BackupIdentity, provider.Attributes) error {
	return nil
}

func isKnown(backup provider.BackupIdentity) bool {
	return backup.Handle != "" && backup.Attributes[provider.SnapshotDriver] != ""
}

// DeleteBackup implements provider.VolumeBackups. A VolumeSnapshotContent that is deleted has the CSI driver delete the
// snapshot: so one is made for that, and waited for. Snapshots that were cut together are deleted together: the first backup
// that is deleted takes the snapshots of the others along.
func (d *Driver) DeleteBackup(ctx context.Context, _ string, backup provider.BackupIdentity, _ provider.Attributes) error {
	if !isKnown(backup) {
		return nil // It was never one of this provider, so there is none.
	}
	if together, is := groupOf(backup); is {
		return d.deleteGroup(ctx, together)
	}
	csiDriver := backup.Attributes[provider.SnapshotDriver]
	doomed := content(nameOf("kahu-delete-", csiDriver, backup.Handle), metav1.NamespaceDefault, "Delete", backup)
	// Without it the object would be gone before the CSI driver has seen it.
	doomed.SetFinalizers([]string{contentFinalizer})
	return d.delete(ctx, deletion{
		among: d.contents(), doomed: doomed, field: "snapshotHandle", handle: backup.Handle, secret: secretOf(backup),
		what: fmt.Sprintf("CSI driver %s has not deleted snapshot %s", csiDriver, backup.Handle),
	})
}

// deletion is how snapshots are deleted: by an object that is made for it, and whose deletion takes them along.
type deletion struct {
	among  dynamic.ResourceInterface
	doomed *unstructured.Unstructured
	// field of the status has the handle when the CSI driver knows of what is to be deleted.
	field, handle string
	// what says to people what has not happened.
	what string
	// secret are the annotations that name the Secret that it takes, if it takes one.
	secret map[string]string
}

func (d *Driver) delete(ctx context.Context, wanted deletion) error {
	name := wanted.doomed.GetName()
	if err := ensure(ctx, wanted.among, wanted.doomed); err != nil {
		return err
	}
	found, err := find(ctx, wanted.among, name)
	if found == nil || err != nil {
		return err
	}
	if found.GetDeletionTimestamp() == nil {
		if err := wanted.condemn(ctx); err != nil {
			return err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	last, err := untilGone(bounded, wanted.among, name)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%s within %s (%s %s%s); does its csi-snapshotter run%s? %w",
			wanted.what, d.patience, wanted.doomed.GetKind(), name, last, needed(wanted.secret), provider.ErrUnavailable)
	}
	return err
}

// needed asks for the Secret that snapshots are deleted with: the csi-snapshotter does not say that it is not there.
func needed(secret map[string]string) string {
	if len(secret) == 0 {
		return ""
	}
	return fmt.Sprintf(", and is Secret %s/%s there, which it deletes with", secret[secretNamespace], secret[secretName])
}

// condemn has the object deleted, and the snapshots with it: that is done only where the status names them, which the
// csi-snapshotter may not have got round to.
func (w deletion) condemn(ctx context.Context) error {
	name := w.doomed.GetName()
	patch, err := (&unstructured.Unstructured{Object: map[string]any{"status": map[string]any{w.field: w.handle}}}).MarshalJSON()
	if err != nil {
		return fmt.Errorf("encoding a status: %w", err)
	}
	_, err = w.among.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager}, "status")
	if err != nil {
		return classed("marking "+name, err)
	}
	return remove(ctx, w.among, name)
}

// untilGone waits until a content is gone. When it ends earlier, it gives what the content says that is wrong.
func untilGone(ctx context.Context, among dynamic.ResourceInterface, name string) (string, error) {
	last := ""
	for {
		found, err := find(ctx, among, name)
		if found == nil || err != nil {
			return last, err
		}
		if message := failureOf(found); message != "" {
			last = ": " + message
		}
		watching, err := among.Watch(ctx, metav1.ListOptions{
			FieldSelector: selector.OneTermEqualSelector("metadata.name", name).String(), ResourceVersion: found.GetResourceVersion(),
		})
		if err != nil {
			return last, classed("watching "+name, err)
		}
		err = untilDeleted(ctx, watching)
		watching.Stop()
		if err != nil {
			return last, err
		}
	}
}

// untilDeleted returns when a watch tells of a deletion, or ends.
func untilDeleted(ctx context.Context, watching watch.Interface) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, open := <-watching.ResultChan():
			if !open || event.Type == watch.Deleted || event.Type == watch.Error {
				return nil
			}
		}
	}
}

// failureOf is what a snapshot or content says that went wrong.
func failureOf(object *unstructured.Unstructured) string {
	message, _, _ := unstructured.NestedString(object.Object, "status", "error", "message") // One of another type says nothing.
	return message
}
