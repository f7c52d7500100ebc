package driver

import (
	"context"
	"slices"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

// Parameters that the provisioner adds with --extra-create-metadata.
const (
	claimName      = "csi.storage.k8s.io/pvc/name"
	claimNamespace = "csi.storage.k8s.io/pvc/namespace"
)

// ControllerGetCapabilities implements csi.ControllerServer.
func (*Driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, one := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_LIST_VOLUMES,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: one}},
		})
	}
	return response, nil
}

// CreateVolume implements csi.ControllerServer.
func (d *Driver) CreateVolume(ctx context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if request.GetName() == "" {
		return nil, missing("the name")
	}
	block, err := d.mode(request.GetVolumeCapabilities())
	if err != nil {
		return nil, err
	}
	parameters := request.GetParameters()
	volume, err := d.System.CreateVolume(ctx, storage.VolumeRequest{
		Name:     request.GetName(),
		Claim:    strings.Trim(parameters[claimNamespace]+"/"+parameters[claimName], "/"),
		Least:    rounded(request.GetCapacityRange()),
		Most:     request.GetCapacityRange().GetLimitBytes(),
		Block:    block,
		Node:     d.nodeOf(request.GetAccessibilityRequirements()),
		Snapshot: request.GetVolumeContentSource().GetSnapshot().GetSnapshotId(),
		Volume:   request.GetVolumeContentSource().GetVolume().GetVolumeId(),
	})
	if err != nil {
		return nil, failure(err)
	}
	return &csi.CreateVolumeResponse{Volume: asVolume(volume)}, nil
}

func asVolume(volume storage.Volume) *csi.Volume {
	result := &csi.Volume{VolumeId: volume.ID, CapacityBytes: volume.Bytes}
	switch {
	case volume.Snapshot != "":
		result.ContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{
			Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: volume.Snapshot},
		}}
	case volume.Volume != "":
		result.ContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{
			Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: volume.Volume},
		}}
	}
	if volume.Node != "" {
		result.AccessibleTopology = []*csi.Topology{{Segments: map[string]string{NodeKey: volume.Node}}}
	}
	return result
}

// rounded returns the size of a volume: of whole MiB, as most storage systems round up, so that claims meet a volume that is larger
// than what they asked for.
func rounded(asked *csi.CapacityRange) int64 {
	const unit = 1 << 20
	whole := (asked.GetRequiredBytes() + unit - 1) / unit * unit
	if most := asked.GetLimitBytes(); most > 0 && whole > most {
		return asked.GetRequiredBytes()
	}
	return whole
}

// mode tells block devices from file systems, and fails for what the driver cannot do.
func (d *Driver) mode(wanted []*csi.VolumeCapability) (block bool, err error) {
	if len(wanted) == 0 {
		return false, missing("the volume's capability")
	}
	for _, capability := range wanted {
		if d.pinned() && severalNodes(capability.GetAccessMode().GetMode()) {
			return false, status.Error(codes.InvalidArgument, "a volume of this driver is of one node")
		}
		block = block || capability.GetBlock() != nil
	}
	return block, nil
}

func severalNodes(mode csi.VolumeCapability_AccessMode_Mode) bool {
	return slices.Contains([]csi.VolumeCapability_AccessMode_Mode{
		csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY,
		csi.VolumeCapability_AccessMode_MULTI_NODE_SINGLE_WRITER,
		csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER,
	}, mode)
}

// nodeOf chooses the node of a volume: the first that is preferred, or that is possible.
func (d *Driver) nodeOf(wanted *csi.TopologyRequirement) string {
	if !d.pinned() {
		return ""
	}
	for _, topology := range slices.Concat(wanted.GetPreferred(), wanted.GetRequisite()) {
		if node := topology.GetSegments()[NodeKey]; node != "" {
			return node
		}
	}
	return ""
}

// DeleteVolume implements csi.ControllerServer.
func (d *Driver) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if request.GetVolumeId() == "" {
		return nil, missing("the volume's id")
	}
	return &csi.DeleteVolumeResponse{}, failure(d.System.DeleteVolume(request.GetVolumeId()))
}

// ValidateVolumeCapabilities implements csi.ControllerServer.
func (d *Driver) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if request.GetVolumeId() == "" {
		return nil, missing("the volume's id")
	}
	block, err := d.mode(request.GetVolumeCapabilities())
	if err != nil {
		return nil, err
	}
	volume, err := d.System.Volume(request.GetVolumeId())
	if err != nil {
		return nil, failure(err)
	}
	if volume.Block != block {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: "a block device is no file system, nor the other way round"}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext: request.GetVolumeContext(), VolumeCapabilities: request.GetVolumeCapabilities(), Parameters: request.GetParameters(),
	}}, nil
}

// ListVolumes implements csi.ControllerServer.
func (d *Driver) ListVolumes(_ context.Context, request *csi.ListVolumesRequest) (*csi.ListVolumesResponse, error) {
	volumes, err := d.System.Volumes()
	if err != nil {
		return nil, failure(err)
	}
	listed, next, err := page(volumes, func(v storage.Volume) string { return v.ID }, request)
	if err != nil {
		return nil, err
	}
	response := &csi.ListVolumesResponse{NextToken: next}
	for _, volume := range listed {
		response.Entries = append(response.Entries, &csi.ListVolumesResponse_Entry{Volume: asVolume(volume)})
	}
	return response, nil
}

// pageRequest is what requests for lists have in common.
type pageRequest interface {
	GetMaxEntries() int32
	GetStartingToken() string
}

// page cuts out of all what was asked for. The token is the last id of the page before.
func page[T any](all []T, id func(T) string, request pageRequest) (listed []T, next string, err error) {
	if token := request.GetStartingToken(); token != "" {
		if !storage.IsID(token) {
			return nil, "", status.Error(codes.Aborted, "the token is none of this driver")
		}
		all = slices.DeleteFunc(all, func(one T) bool { return id(one) <= token })
	}
	if most := int(request.GetMaxEntries()); most > 0 && len(all) > most {
		return all[:most], id(all[most-1]), nil
	}
	return all, "", nil
}

// CreateSnapshot implements csi.ControllerServer.
func (d *Driver) CreateSnapshot(ctx context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	if request.GetName() == "" {
		return nil, missing("the name")
	}
	if request.GetSourceVolumeId() == "" {
		return nil, missing("the volume's id")
	}
	snapshot, err := d.System.Cut(ctx, request.GetName(), request.GetSourceVolumeId())
	if err != nil {
		return nil, failure(err)
	}
	return &csi.CreateSnapshotResponse{Snapshot: d.asSnapshot(snapshot)}, nil
}

func (d *Driver) asSnapshot(snapshot storage.Snapshot) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId: snapshot.ID, SourceVolumeId: snapshot.Volume, GroupSnapshotId: snapshot.Group, SizeBytes: snapshot.Bytes,
		CreationTime: timestamppb.New(snapshot.CutAt), ReadyToUse: snapshot.Ready(d.System.Clock.Now()),
	}
}

// DeleteSnapshot implements csi.ControllerServer.
func (d *Driver) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	if request.GetSnapshotId() == "" {
		return nil, missing("the snapshot's id")
	}
	return &csi.DeleteSnapshotResponse{}, failure(d.System.DeleteSnapshot(request.GetSnapshotId()))
}

// ListSnapshots implements csi.ControllerServer.
func (d *Driver) ListSnapshots(_ context.Context, request *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	snapshots, err := d.System.Snapshots()
	if err != nil {
		return nil, failure(err)
	}
	snapshots = slices.DeleteFunc(snapshots, func(s storage.Snapshot) bool {
		id, volume := request.GetSnapshotId(), request.GetSourceVolumeId()
		return id != "" && s.ID != id || volume != "" && s.Volume != volume
	})
	listed, next, err := page(snapshots, func(s storage.Snapshot) string { return s.ID }, request)
	if err != nil {
		return nil, err
	}
	response := &csi.ListSnapshotsResponse{NextToken: next}
	for _, snapshot := range listed {
		response.Entries = append(response.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: d.asSnapshot(snapshot)})
	}
	return response, nil
}
