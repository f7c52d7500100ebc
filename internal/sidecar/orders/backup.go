package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeorder"
	"github.com/soda-cdm/kahu/provider"
)

// backups is the kind VolumeBackupContent.
func backups(shared *desk) kind {
	return kind{
		name:   "volume-backup",
		object: func() client.Object { return &kahuv1.VolumeBackupContent{} },
		list:   func() client.ObjectList { return &kahuv1.VolumeBackupContentList{} },
		order: func(object client.Object) *order {
			return shared.backup(object.(*kahuv1.VolumeBackupContent)) //nolint:forcetypeassert // It is what object gives.
		},
		orders: func(list client.ObjectList) (found []*order) {
			items := list.(*kahuv1.VolumeBackupContentList).Items //nolint:forcetypeassert // It is what list gives.
			for i := range items {
				found = append(found, shared.backup(&items[i]))
			}
			return found
		},
	}
}

// backup returns the order that a VolumeBackupContent is.
func (d *desk) backup(content *kahuv1.VolumeBackupContent) *order {
	spec, status := &content.Spec, &content.Status
	return &order{
		object: content, status: &status.VolumeOrderStatus,
		provider: spec.ProviderName, location: spec.Location, timeout: spec.Timeout.Duration,
		facts: volumeorder.Order{
			Known: status.Backup != nil, Existing: spec.Existing != nil,
			Removed: spec.DeletionPolicy == kahuv1.DeletionPolicyDelete, Cancelled: spec.Cancel,
		},
		work: &backupWork{desk: d, content: content},
	}
}

// backupWork asks the driver about a backup.
type backupWork struct {
	desk    *desk
	content *kahuv1.VolumeBackupContent
}

// begin implements work.
func (w *backupWork) begin(ctx context.Context, with call) error {
	request, err := w.request(ctx, with)
	if err != nil {
		return err
	}
	backup, err := w.desk.options.Driver.StartBackup(ctx, request)
	if err != nil {
		return err
	}
	if err := noCredentials(with.secrets, backup.Handle, backup.Attributes); err != nil {
		return err
	}
	w.content.Status.Backup = &kahuv1.VolumeBackupIdentity{Handle: backup.Handle, Attributes: backup.Attributes}
	return nil
}

// request says what the driver is to back up.
func (w *backupWork) request(ctx context.Context, with call) (provider.StartBackupRequest, error) {
	spec := &w.content.Spec
	encoded, err := w.volume(ctx, with)
	if err != nil {
		return provider.StartBackupRequest{}, err
	}
	request := provider.StartBackupRequest{
		Order: w.content.Name, Volume: provider.Volume{Name: spec.PersistentVolume, Encoded: encoded}, Attributes: with.attributes,
	}
	if spec.Base != nil {
		request.Base = &provider.BackupIdentity{Handle: spec.Base.Handle, Attributes: spec.Base.Attributes}
	}
	switch spec.Way {
	case kahuv1.VolumeWaySnapshot:
		request.Snapshot = snapshot(spec.Snapshot)
	case kahuv1.VolumeWayVolume:
		request.Source = &provider.ClaimSource{
			Namespace: spec.Source.Namespace, Name: spec.Source.Name,
			Live: spec.Source.Namespace == spec.Claim.Namespace && spec.Source.Name == spec.Claim.Name,
		}
	case kahuv1.VolumeWayOffload:
	}
	return request, nil
}

// volume returns the PersistentVolume, encoded. Where it is gone, and the driver does not need it, it has nothing but its name.
func (w *backupWork) volume(ctx context.Context, with call) ([]byte, error) {
	name := w.content.Spec.PersistentVolume
	volume := &corev1.PersistentVolume{}
	err := w.desk.direct.Get(ctx, client.ObjectKey{Name: name}, volume)
	if apierrors.IsNotFound(err) && (with.ending || w.content.Spec.Way != kahuv1.VolumeWayOffload) {
		return (&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}).Marshal()
	}
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("volume %s is gone: %w", name, provider.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("reading volume %s: %w: %w", name, err, provider.ErrUnavailable)
	}
	volume.ManagedFields = nil // They are long, and say nothing about the volume.
	return volume.Marshal()
}

// snapshot returns a snapshot as the driver sees it.
func snapshot(of *kahuv1.VolumeSnapshotSource) *provider.Snapshot {
	attributes := map[string]string{provider.SnapshotDriver: of.Driver}
	if !of.CutTimestamp.IsZero() {
		attributes[provider.SnapshotCutTime] = of.CutTimestamp.UTC().Format(time.RFC3339Nano)
	}
	if of.RestoreSize != nil {
		attributes[provider.SnapshotRestoreSize] = strconv.FormatInt(*of.RestoreSize, 10)
	}
	if secret := of.DeletionSecret; secret != nil {
		attributes[provider.SnapshotSecretNamespace], attributes[provider.SnapshotSecretName] = secret.Namespace, secret.Name
	}
	if of.Group != nil {
		attributes[provider.SnapshotGroup] = of.Group.Handle
		members, _ := json.Marshal(of.Group.Snapshots) //nolint:errchkjson // Strings have no error.
		attributes[provider.SnapshotGroupMembers] = string(members)
	}
	return &provider.Snapshot{Handle: of.Handle, Attributes: attributes}
}

// identity is what the driver knows the backup by.
func (w *backupWork) identity() provider.BackupIdentity {
	known := w.content.Status.Backup
	if known == nil {
		known = w.content.Spec.Existing
	}
	return provider.BackupIdentity{Handle: known.Handle, Attributes: known.Attributes}
}

// stat implements work.
func (w *backupWork) stat(ctx context.Context, with call) (provider.VolumeStat, error) {
	return w.desk.options.Driver.BackupStat(ctx, w.identity(), with.attributes)
}

// cancel implements work.
func (w *backupWork) cancel(ctx context.Context, with call) error {
	return w.desk.options.Driver.CancelBackup(ctx, w.identity(), with.attributes)
}

// remove implements work.
func (w *backupWork) remove(ctx context.Context, with call) error {
	return w.desk.options.Driver.DeleteBackup(ctx, w.content.Name, w.identity(), with.attributes)
}
