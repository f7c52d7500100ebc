package driver

import (
	"context"
	"fmt"
	"slices"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

// GroupControllerGetCapabilities implements csi.GroupControllerServer.
func (*Driver) GroupControllerGetCapabilities(context.Context, *csi.GroupControllerGetCapabilitiesRequest) (*csi.GroupControllerGetCapabilitiesResponse, error) {
	return &csi.GroupControllerGetCapabilitiesResponse{Capabilities: []*csi.GroupControllerServiceCapability{{
		Type: &csi.GroupControllerServiceCapability_Rpc{Rpc: &csi.GroupControllerServiceCapability_RPC{
			Type: csi.GroupControllerServiceCapability_RPC_CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT,
		}},
	}}}, nil
}

// CreateVolumeGroupSnapshot implements csi.GroupControllerServer.
func (d *Driver) CreateVolumeGroupSnapshot(ctx context.Context, request *csi.CreateVolumeGroupSnapshotRequest) (*csi.CreateVolumeGroupSnapshotResponse, error) {
	if request.GetName() == "" {
		return nil, missing("the name")
	}
	if len(request.GetSourceVolumeIds()) == 0 {
		return nil, missing("a volume's id")
	}
	group, err := d.System.CutGroup(ctx, request.GetName(), slices.Sorted(slices.Values(request.GetSourceVolumeIds())))
	if err != nil {
		return nil, failure(err)
	}
	answer, err := d.asGroup(group)
	return &csi.CreateVolumeGroupSnapshotResponse{GroupSnapshot: answer}, err
}

func (d *Driver) asGroup(group storage.Group) (*csi.VolumeGroupSnapshot, error) {
	result := &csi.VolumeGroupSnapshot{GroupSnapshotId: group.ID, CreationTime: timestamppb.New(group.CutAt), ReadyToUse: true}
	for _, id := range group.Snapshots {
		snapshot, err := d.System.Snapshot(id)
		if err != nil {
			return nil, failure(err)
		}
		one := d.asSnapshot(snapshot)
		result.Snapshots = append(result.Snapshots, one)
		result.ReadyToUse = result.GetReadyToUse() && one.GetReadyToUse()
	}
	return result, nil
}

// GetVolumeGroupSnapshot implements csi.GroupControllerServer.
func (d *Driver) GetVolumeGroupSnapshot(_ context.Context, request *csi.GetVolumeGroupSnapshotRequest) (*csi.GetVolumeGroupSnapshotResponse, error) {
	if request.GetGroupSnapshotId() == "" {
		return nil, missing("the group's id")
	}
	group, err := d.System.Group(request.GetGroupSnapshotId())
	if err == nil && !sameMembers(group, request.GetSnapshotIds()) {
		err = fmt.Errorf("a group %s of these snapshots: %w", group.ID, storage.ErrNotFound)
	}
	if err != nil {
		return nil, failure(err)
	}
	answer, err := d.asGroup(group)
	return &csi.GetVolumeGroupSnapshotResponse{GroupSnapshot: answer}, err
}

// sameMembers reports whether these are the snapshots of a group; none stands for any.
func sameMembers(group storage.Group, snapshots []string) bool {
	return len(snapshots) == 0 ||
		slices.Equal(slices.Sorted(slices.Values(snapshots)), slices.Sorted(slices.Values(group.Snapshots)))
}

// DeleteVolumeGroupSnapshot implements csi.GroupControllerServer.
func (d *Driver) DeleteVolumeGroupSnapshot(_ context.Context, request *csi.DeleteVolumeGroupSnapshotRequest) (*csi.DeleteVolumeGroupSnapshotResponse, error) {
	if request.GetGroupSnapshotId() == "" {
		return nil, missing("the group's id")
	}
	return &csi.DeleteVolumeGroupSnapshotResponse{}, failure(d.System.DeleteGroup(request.GetGroupSnapshotId()))
}
