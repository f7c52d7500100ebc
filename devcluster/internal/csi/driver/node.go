package driver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

// NodeGetInfo implements csi.NodeServer.
func (d *Driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	info := &csi.NodeGetInfoResponse{NodeId: d.Node}
	if d.pinned() {
		info.AccessibleTopology = &csi.Topology{Segments: map[string]string{NodeKey: d.Node}}
	}
	return info, nil
}

// NodeGetCapabilities implements csi.NodeServer.
func (*Driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{{
		Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{
			Type: csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
		}},
	}}}, nil
}

// NodePublishVolume implements csi.NodeServer.
func (d *Driver) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	target := request.GetTargetPath()
	switch {
	case request.GetVolumeId() == "":
		return nil, missing("the volume's id")
	case target == "":
		return nil, missing("the target path")
	case request.GetVolumeCapability() == nil:
		return nil, missing("the volume's capability")
	}
	volume, err := d.System.Volume(request.GetVolumeId())
	if err != nil {
		return nil, failure(err)
	}
	if volume.Node != "" && volume.Node != d.Node {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is of node %s", volume.ID, volume.Node)
	}
	if volume.Block != (request.GetVolumeCapability().GetBlock() != nil) {
		return nil, status.Error(codes.InvalidArgument, "a block device is no file system, nor the other way round")
	}
	err = d.publish(volume, target, request.GetReadonly())
	return &csi.NodePublishVolumeResponse{}, failure(err)
}

func (d *Driver) publish(volume storage.Volume, target string, readOnly bool) error { //nolint:revive // it is the request's
	there, err := mounted(target)
	if there || err != nil {
		return err
	}
	source := d.System.Content(volume)
	if volume.Block {
		source = volume.Device
	}
	if err := makeTarget(target, volume.Block); err != nil {
		return fmt.Errorf("making the target: %w", err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting volume %s: %w", volume.ID, err)
	}
	if !readOnly {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("mounting volume %s to read only: %w", volume.ID, err)
	}
	return nil
}

// makeTarget makes what is mounted upon: a folder, or a file for a device.
func makeTarget(target string, block bool) error { //nolint:revive // it is the volume's
	if !block {
		return os.MkdirAll(target, 0o750)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_CREATE|os.O_RDONLY, 0o640) //nolint:gosec // the kubelet names it
	if err != nil {
		return err
	}
	return file.Close()
}

// mounted reports whether something is mounted on a path, proc_pid_mountinfo(5).
func mounted(path string) (bool, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	defer func() { _ = mounts.Close() }() // was only read
	escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(filepath.Clean(path))
	lines := bufio.NewScanner(mounts)
	for lines.Scan() {
		const mountPoint = 4
		if fields := strings.Fields(lines.Text()); len(fields) > mountPoint && fields[mountPoint] == escaped {
			return true, nil
		}
	}
	return false, lines.Err()
}

// NodeUnpublishVolume implements csi.NodeServer.
func (*Driver) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	target := request.GetTargetPath()
	if request.GetVolumeId() == "" {
		return nil, missing("the volume's id")
	}
	if target == "" {
		return nil, missing("the target path")
	}
	err := unix.Unmount(target, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) { // else it is not mounted
		return nil, failure(fmt.Errorf("unmounting %s: %w", target, err))
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, failure(err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}
