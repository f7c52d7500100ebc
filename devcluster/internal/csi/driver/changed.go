package driver

import (
	"iter"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

// mostRanges is how many ranges a message has where nobody asks for fewer.
const mostRanges = 256

// GetMetadataAllocated implements csi.SnapshotMetadataServer.
func (d *Driver) GetMetadataAllocated(request *csi.GetMetadataAllocatedRequest, stream csi.SnapshotMetadata_GetMetadataAllocatedServer) error {
	snapshot, err := d.snapshot(request.GetSnapshotId())
	if err != nil {
		return err
	}
	wanted := ranges{from: request.GetStartingOffset(), most: request.GetMaxResults(), bytes: snapshot.Bytes}
	return wanted.send(d.System.Allocated(snapshot, wanted.from), func(some []*csi.BlockMetadata) error {
		return stream.Send(&csi.GetMetadataAllocatedResponse{
			BlockMetadataType: csi.BlockMetadataType_VARIABLE_LENGTH, VolumeCapacityBytes: snapshot.Bytes, BlockMetadata: some,
		})
	})
}

// GetMetadataDelta implements csi.SnapshotMetadataServer.
func (d *Driver) GetMetadataDelta(request *csi.GetMetadataDeltaRequest, stream csi.SnapshotMetadata_GetMetadataDeltaServer) error {
	base, err := d.snapshot(request.GetBaseSnapshotId())
	if err != nil {
		return err
	}
	snapshot, err := d.snapshot(request.GetTargetSnapshotId())
	if err != nil {
		return err
	}
	if base.Volume != snapshot.Volume {
		return status.Error(codes.InvalidArgument, "the snapshots are of different volumes")
	}
	wanted := ranges{from: request.GetStartingOffset(), most: request.GetMaxResults(), bytes: snapshot.Bytes}
	return wanted.send(d.System.Changed(base, snapshot, wanted.from), func(some []*csi.BlockMetadata) error {
		return stream.Send(&csi.GetMetadataDeltaResponse{
			BlockMetadataType: csi.BlockMetadataType_VARIABLE_LENGTH, VolumeCapacityBytes: snapshot.Bytes, BlockMetadata: some,
		})
	})
}

func (d *Driver) snapshot(id string) (storage.Snapshot, error) {
	if id == "" {
		return storage.Snapshot{}, missing("the snapshot's id")
	}
	snapshot, err := d.System.Snapshot(id)
	return snapshot, failure(err)
}

// ranges is what was asked for.
type ranges struct {
	from  int64
	most  int32
	bytes int64
}

// send puts ranges into messages.
func (r ranges) send(found iter.Seq2[storage.Range, error], send func([]*csi.BlockMetadata) error) error {
	if r.from < 0 || r.from > r.bytes {
		return status.Errorf(codes.OutOfRange, "the offset %d is not of the volume, which has %d bytes", r.from, r.bytes)
	}
	most := mostRanges
	if asked := int(r.most); asked > 0 {
		most = min(most, asked)
	}
	var some []*csi.BlockMetadata
	for one, err := range found {
		if err != nil {
			return failure(err)
		}
		some = append(some, &csi.BlockMetadata{ByteOffset: one.Start, SizeBytes: one.Length})
		if len(some) == most {
			if err := send(some); err != nil {
				return err
			}
			some = nil
		}
	}
	if len(some) == 0 {
		return nil
	}
	return send(some)
}
