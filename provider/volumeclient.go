package provider

import (
	"context"
	"errors"
	"fmt"

	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// A Client is everything that a driver of volumes can be, too.
var _ VolumeDriver = (*Client)(nil)

// StartBackup implements VolumeStore.
func (c *Client) StartBackup(ctx context.Context, request StartBackupRequest) (BackupIdentity, error) {
	if err := request.Validate(); err != nil {
		return BackupIdentity{}, err
	}
	answer, err := c.volumes.StartBackup(ctx, startToProto(request))
	if err != nil {
		return BackupIdentity{}, FromStatus(err)
	}
	if err := answered(request.Volume.Name, answer.GetVolumeErrors(), answer.GetErrors()); err != nil {
		return BackupIdentity{}, err
	}
	for _, each := range answer.GetBackupInfo() {
		if each.GetPvName() == request.Volume.Name {
			backup := backupFromProto(each.GetBackupIdentity())
			return backup, checkIdentity(backup.Handle, backup.Attributes)
		}
	}
	return BackupIdentity{}, fmt.Errorf("the driver says nothing of volume %s", request.Volume.Name)
}

// startToProto returns the message for a request.
func startToProto(request StartBackupRequest) *providerv1.StartBackupRequest {
	message := &providerv1.StartBackupRequest{BackupContentName: request.Order, Parameters: request.Attributes}
	if request.Base != nil {
		message.Bases = []*providerv1.VolumeBase{{PvName: request.Volume.Name, BackupIdentity: backupToProto(*request.Base)}}
	}
	if request.Snapshot == nil && request.Source == nil {
		message.Pv = [][]byte{request.Volume.Encoded}
		return message
	}
	volume := &providerv1.VolBackup{Pv: request.Volume.Encoded}
	if request.Snapshot != nil {
		volume.Snapshot = &providerv1.Snapshot{
			SnapshotHandle: request.Snapshot.Handle, SnapshotAttributes: request.Snapshot.Attributes,
		}
	}
	if request.Source != nil {
		volume.Source = &providerv1.VolumeClaimSource{
			Namespace: request.Source.Namespace, Name: request.Source.Name, Live: request.Source.Live,
		}
	}
	message.BackupInfo = []*providerv1.VolBackup{volume}
	return message
}

// DeleteBackup implements VolumeStore. A driver that answers NotFound has nothing to delete, which is a success.
func (c *Client) DeleteBackup(ctx context.Context, order string, backup BackupIdentity, attributes Attributes) error {
	if err := validateHandle(backup.Handle); err != nil {
		return err
	}
	answer, err := c.volumes.DeleteBackup(ctx, &providerv1.DeleteBackupRequest{
		BackupInfo: []*providerv1.BackupIdentity{backupToProto(backup)}, BackupContentName: order, Parameters: attributes,
	})
	err = FromStatus(err)
	if err == nil {
		err = answered(backup.Handle, answer.GetVolumeErrors(), nil)
	}
	if err == nil {
		err = succeeded(answer.GetSuccess(), answer.GetErrors())
	}
	return ignoreNotFound(err)
}

// CancelBackup implements VolumeStore.
func (c *Client) CancelBackup(ctx context.Context, backup BackupIdentity, attributes Attributes) error {
	if err := validateHandle(backup.Handle); err != nil {
		return err
	}
	answer, err := c.volumes.CancelBackup(ctx, &providerv1.CancelBackupRequest{
		BackupInfo: []*providerv1.BackupIdentity{backupToProto(backup)}, Parameters: attributes,
	})
	if err != nil {
		return ignoreNotFound(FromStatus(err))
	}
	return succeeded(answer.GetSuccess(), answer.GetErrors())
}

// BackupStat implements VolumeStore.
func (c *Client) BackupStat(ctx context.Context, backup BackupIdentity, attributes Attributes) (VolumeStat, error) {
	if err := validateHandle(backup.Handle); err != nil {
		return VolumeStat{}, err
	}
	answer, err := c.volumes.GetBackupStat(ctx, &providerv1.GetBackupStatRequest{
		BackupInfo: []*providerv1.BackupIdentity{backupToProto(backup)}, Parameters: attributes,
	})
	if err != nil {
		return VolumeStat{}, FromStatus(err)
	}
	for _, each := range answer.GetBackupStats() {
		if each.GetBackupHandle() == backup.Handle {
			stat := statFromProto(each)
			stat.FullReason = each.GetFullReason()
			return stat, nil
		}
	}
	return VolumeStat{}, fmt.Errorf("the driver knows nothing of backup %q: %w", backup.Handle, ErrNotFound)
}

// CreateVolumeFromBackup implements VolumeStore.
func (c *Client) CreateVolumeFromBackup(ctx context.Context, request CreateVolumeRequest) (RestoredVolume, error) {
	if err := request.Validate(); err != nil {
		return RestoredVolume{}, err
	}
	answer, err := c.volumes.CreateVolumeFromBackup(ctx, &providerv1.CreateVolumeFromBackupRequest{
		RestoreInfo: []*providerv1.RestoreIdentifier{
			{Pvc: request.Claim.Encoded, BackupIdentity: backupToProto(request.Backup)},
		},
		RestoreContentName: request.Order,
		Parameters:         request.Attributes,
	})
	if err != nil {
		return RestoredVolume{}, FromStatus(err)
	}
	if err := answered(request.Claim.Name, answer.GetVolumeErrors(), answer.GetErrors()); err != nil {
		return RestoredVolume{}, err
	}
	for _, each := range answer.GetVolumeIdentifiers() {
		if each.GetPvcName() == request.Claim.Name {
			return restoredFromProto(each)
		}
	}
	return RestoredVolume{}, fmt.Errorf("the driver says nothing of claim %s", request.Claim.Name)
}

// restoredFromProto returns the volume of a message.
func restoredFromProto(message *providerv1.RestoreVolumeIdentifier) (RestoredVolume, error) {
	made := RestoredVolume{Volume: volumeFromProto(message.GetVolumeIdentity())}
	if source := message.GetDataSource(); source != nil {
		made.DataSource = &DataSource{APIGroup: source.GetApiGroup(), Kind: source.GetKind(), Name: source.GetName()}
		if made.DataSource.Kind == "" || made.DataSource.Name == "" {
			return RestoredVolume{}, errors.New("the driver gave a data source without a kind or a name")
		}
	}
	return made, checkIdentity(made.Volume.Handle, made.Volume.Attributes)
}

// CancelRestore implements VolumeStore.
func (c *Client) CancelRestore(ctx context.Context, volume VolumeIdentity, attributes Attributes) error {
	if err := validateHandle(volume.Handle); err != nil {
		return err
	}
	answer, err := c.volumes.CancelRestore(ctx, &providerv1.CancelRestoreRequest{
		RestoreVolumeIdentity: []*providerv1.RestoreVolumeIdentity{volumeToProto(volume)}, Parameters: attributes,
	})
	if err != nil {
		return ignoreNotFound(FromStatus(err))
	}
	return succeeded(answer.GetSuccess(), answer.GetErrors())
}

// RestoreStat implements VolumeStore.
func (c *Client) RestoreStat(ctx context.Context, volume VolumeIdentity, attributes Attributes) (VolumeStat, error) {
	if err := validateHandle(volume.Handle); err != nil {
		return VolumeStat{}, err
	}
	answer, err := c.volumes.GetRestoreStat(ctx, &providerv1.GetRestoreStatRequest{
		RestoreVolumeIdentity: []*providerv1.RestoreVolumeIdentity{volumeToProto(volume)}, Parameters: attributes,
	})
	if err != nil {
		return VolumeStat{}, FromStatus(err)
	}
	for _, each := range answer.GetRestoreVolumeStat() {
		if each.GetRestoreVolumeHandle() == volume.Handle {
			return statFromProto(each), nil
		}
	}
	return VolumeStat{}, fmt.Errorf("the driver knows nothing of volume %q: %w", volume.Handle, ErrNotFound)
}

// ignoreNotFound returns nil for what is not there.
func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
