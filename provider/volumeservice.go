package provider

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// volumeService serves the volumes of a driver. A call may be about several volumes: what goes wrong with one of them stands
// beside what went well with the others.
type volumeService struct {
	providerv1.UnimplementedVolumeBackupServer

	driver VolumeStore
}

// StartBackup implements the rpc.
func (s *volumeService) StartBackup(
	ctx context.Context, message *providerv1.StartBackupRequest,
) (*providerv1.StartBackupResponse, error) {
	requests, err := startFromProto(message)
	if err != nil {
		return nil, ToStatus(err)
	}
	answer := &providerv1.StartBackupResponse{}
	for _, request := range requests {
		backup, err := s.driver.StartBackup(ctx, request)
		if err == nil {
			err = checkIdentity(backup.Handle, backup.Attributes)
		}
		if err != nil && concernsAll(err) {
			return nil, ToStatus(err)
		}
		if err != nil {
			answer.VolumeErrors = append(answer.VolumeErrors, volumeErrorToProto(request.Volume.Name, err))
			answer.Errors = append(answer.Errors, err.Error())
			continue
		}
		answer.BackupInfo = append(answer.BackupInfo,
			&providerv1.BackupIdentifier{PvName: request.Volume.Name, BackupIdentity: backupToProto(backup)})
	}
	return answer, nil
}

// startFromProto returns the requests of a message: one for each volume, those without a snapshot first.
func startFromProto(message *providerv1.StartBackupRequest) ([]StartBackupRequest, error) {
	bases := map[string]*BackupIdentity{}
	for _, each := range message.GetBases() {
		base := backupFromProto(each.GetBackupIdentity())
		bases[each.GetPvName()] = &base
	}
	volumes := make([]*providerv1.VolBackup, 0, len(message.GetPv())+len(message.GetBackupInfo()))
	for _, encoded := range message.GetPv() {
		volumes = append(volumes, &providerv1.VolBackup{Pv: encoded})
	}
	volumes = append(volumes, message.GetBackupInfo()...)
	if len(volumes) == 0 {
		return nil, fmt.Errorf("there is no volume in the request: %w", ErrInvalidArgument)
	}
	var requests []StartBackupRequest
	for _, each := range volumes {
		volume, err := NewVolume(each.GetPv())
		if err != nil {
			return nil, err
		}
		request := StartBackupRequest{
			Order: message.GetBackupContentName(), Volume: volume,
			Base: bases[volume.Name], Attributes: message.GetParameters(),
		}
		if snapshot := each.GetSnapshot(); snapshot != nil {
			request.Snapshot = &Snapshot{Handle: snapshot.GetSnapshotHandle(), Attributes: snapshot.GetSnapshotAttributes()}
		}
		if source := each.GetSource(); source != nil {
			request.Source = &ClaimSource{Namespace: source.GetNamespace(), Name: source.GetName(), Live: source.GetLive()}
		}
		if err := request.Validate(); err != nil {
			return nil, err
		}
		requests = append(requests, request)
	}
	return requests, nil
}

// concernsAll tells whether an error is about the whole call rather than one of its volumes: nobody waits any more, or the
// driver has no such function.
func concernsAll(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnimplemented)
}

// DeleteBackup implements the rpc.
func (s *volumeService) DeleteBackup(
	ctx context.Context, message *providerv1.DeleteBackupRequest,
) (*providerv1.DeleteBackupResponse, error) {
	answer := &providerv1.DeleteBackupResponse{}
	for _, each := range message.GetBackupInfo() {
		if err := validateHandle(each.GetBackupHandle()); err != nil {
			return nil, ToStatus(err)
		}
	}
	for _, each := range message.GetBackupInfo() {
		err := ignoreNotFound(s.driver.DeleteBackup(ctx, message.GetBackupContentName(), backupFromProto(each), message.GetParameters()))
		if err != nil && concernsAll(err) {
			return nil, ToStatus(err)
		}
		if err != nil {
			answer.VolumeErrors = append(answer.VolumeErrors, volumeErrorToProto(each.GetBackupHandle(), err))
			answer.Errors = append(answer.Errors, err.Error())
		}
	}
	answer.Success = wrapperspb.Bool(len(answer.GetVolumeErrors()) == 0)
	return answer, nil
}

// CancelBackup implements the rpc.
func (s *volumeService) CancelBackup(
	ctx context.Context, message *providerv1.CancelBackupRequest,
) (*providerv1.CancelBackupResponse, error) {
	err := eachHandle(message.GetBackupInfo(), (*providerv1.BackupIdentity).GetBackupHandle,
		func(each *providerv1.BackupIdentity) error {
			return ignoreNotFound(s.driver.CancelBackup(ctx, backupFromProto(each), message.GetParameters()))
		})
	if err != nil {
		return nil, ToStatus(err)
	}
	return &providerv1.CancelBackupResponse{Success: wrapperspb.Bool(true)}, nil
}

// GetBackupStat implements the rpc. What the driver does not know is left out.
func (s *volumeService) GetBackupStat(
	ctx context.Context, message *providerv1.GetBackupStatRequest,
) (*providerv1.GetBackupStatResponse, error) {
	answer := &providerv1.GetBackupStatResponse{}
	err := eachHandle(message.GetBackupInfo(), (*providerv1.BackupIdentity).GetBackupHandle,
		func(each *providerv1.BackupIdentity) error {
			stat, err := s.driver.BackupStat(ctx, backupFromProto(each), message.GetParameters())
			if err != nil {
				return ignoreNotFound(err)
			}
			answer.BackupStats = append(answer.BackupStats, &providerv1.BackupStat{
				BackupHandle: each.GetBackupHandle(),
				State:        states()[stat.State],
				BytesDone:    bytesToProto(stat.BytesDone),
				BytesTotal:   bytesToProto(stat.BytesTotal),
				Error:        volumeErrorToProto(each.GetBackupHandle(), stat.Err),
				FullReason:   stat.FullReason,
				Progress:     int64(stat.Percent),
			})
			return nil
		})
	if err != nil {
		return nil, ToStatus(err)
	}
	return answer, nil
}

// CreateVolumeFromBackup implements the rpc.
func (s *volumeService) CreateVolumeFromBackup(
	ctx context.Context, message *providerv1.CreateVolumeFromBackupRequest,
) (*providerv1.CreateVolumeFromBackupResponse, error) {
	requests, err := createFromProto(message)
	if err != nil {
		return nil, ToStatus(err)
	}
	answer := &providerv1.CreateVolumeFromBackupResponse{}
	for _, request := range requests {
		made, err := s.driver.CreateVolumeFromBackup(ctx, request)
		if err == nil {
			err = checkIdentity(made.Volume.Handle, made.Volume.Attributes)
		}
		if err != nil && concernsAll(err) {
			return nil, ToStatus(err)
		}
		if err != nil {
			answer.VolumeErrors = append(answer.VolumeErrors, volumeErrorToProto(request.Claim.Name, err))
			answer.Errors = append(answer.Errors, err.Error())
			continue
		}
		identifier := &providerv1.RestoreVolumeIdentifier{
			PvcName: request.Claim.Name, VolumeIdentity: volumeToProto(made.Volume),
		}
		if source := made.DataSource; source != nil {
			identifier.DataSource = &providerv1.VolumeDataSource{ApiGroup: source.APIGroup, Kind: source.Kind, Name: source.Name}
		}
		answer.VolumeIdentifiers = append(answer.VolumeIdentifiers, identifier)
	}
	return answer, nil
}

// createFromProto returns the requests of a message.
func createFromProto(message *providerv1.CreateVolumeFromBackupRequest) ([]CreateVolumeRequest, error) {
	if len(message.GetRestoreInfo()) == 0 {
		return nil, fmt.Errorf("there is no claim in the request: %w", ErrInvalidArgument)
	}
	var requests []CreateVolumeRequest
	for _, each := range message.GetRestoreInfo() {
		claim, err := NewClaim(each.GetPvc())
		if err != nil {
			return nil, err
		}
		request := CreateVolumeRequest{
			Order: message.GetRestoreContentName(), Claim: claim,
			Backup: backupFromProto(each.GetBackupIdentity()), Attributes: message.GetParameters(),
		}
		if err := request.Validate(); err != nil {
			return nil, err
		}
		requests = append(requests, request)
	}
	return requests, nil
}

// CancelRestore implements the rpc.
func (s *volumeService) CancelRestore(
	ctx context.Context, message *providerv1.CancelRestoreRequest,
) (*providerv1.CancelRestoreResponse, error) {
	err := eachHandle(message.GetRestoreVolumeIdentity(), (*providerv1.RestoreVolumeIdentity).GetVolumeHandle,
		func(each *providerv1.RestoreVolumeIdentity) error {
			return ignoreNotFound(s.driver.CancelRestore(ctx, volumeFromProto(each), message.GetParameters()))
		})
	if err != nil {
		return nil, ToStatus(err)
	}
	return &providerv1.CancelRestoreResponse{Success: wrapperspb.Bool(true)}, nil
}

// GetRestoreStat implements the rpc. What the driver does not know is left out.
func (s *volumeService) GetRestoreStat(
	ctx context.Context, message *providerv1.GetRestoreStatRequest,
) (*providerv1.GetRestoreStatResponse, error) {
	answer := &providerv1.GetRestoreStatResponse{}
	err := eachHandle(message.GetRestoreVolumeIdentity(), (*providerv1.RestoreVolumeIdentity).GetVolumeHandle,
		func(each *providerv1.RestoreVolumeIdentity) error {
			stat, err := s.driver.RestoreStat(ctx, volumeFromProto(each), message.GetParameters())
			if err != nil {
				return ignoreNotFound(err)
			}
			answer.RestoreVolumeStat = append(answer.RestoreVolumeStat, &providerv1.RestoreStat{
				RestoreVolumeHandle: each.GetVolumeHandle(),
				State:               states()[stat.State],
				BytesDone:           bytesToProto(stat.BytesDone),
				BytesTotal:          bytesToProto(stat.BytesTotal),
				Error:               volumeErrorToProto(each.GetVolumeHandle(), stat.Err),
				Progress:            int64(stat.Percent),
			})
			return nil
		})
	if err != nil {
		return nil, ToStatus(err)
	}
	return answer, nil
}

// eachHandle checks all handles, then does something with each of them, also after an error, and returns all errors.
func eachHandle[M any](messages []M, handle func(M) string, do func(M) error) error {
	for _, each := range messages {
		if err := validateHandle(handle(each)); err != nil {
			return err
		}
	}
	var errs []error
	for _, each := range messages {
		errs = append(errs, do(each))
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
