package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/soda-cdm/kahu/devcluster/internal/loop"
)

// defaultBytes is the size of a volume for which none is asked.
const defaultBytes = 1 << 30

// Volume is what is known of a volume.
type Volume struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Claim is namespace/name of the claim that it was made for, if that was told.
	Claim string `json:"claim,omitempty"`
	// Bytes is the size that was asked for. What files take is not held to it.
	Bytes int64 `json:"bytes"`
	// Block says that it is a block device and not a file system.
	Block bool `json:"block,omitempty"`
	// Device is the loop device of a block volume, like /dev/loop3.
	Device string `json:"device,omitempty"`
	// Node is where it can be used; empty for everywhere.
	Node string `json:"node,omitempty"`
	// Snapshot or Volume is what it was made from.
	Snapshot  string    `json:"snapshot,omitempty"`
	Volume    string    `json:"volume,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// VolumeRequest asks for a volume.
type VolumeRequest struct {
	Name, Claim string
	// Least and Most bound the size in bytes; 0 leaves it open.
	Least, Most int64
	Block       bool
	Node        string
	// Snapshot or Volume is the id of what it is made from, if anything.
	Snapshot, Volume string
}

// CreateVolume makes a volume, or gives the one that it has made for the same request.
func (s *System) CreateVolume(ctx context.Context, request VolumeRequest) (Volume, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	id := idOf("volume", request.Name)
	existing, err := s.Volume(id)
	if err == nil {
		return existing, request.fits(existing)
	}
	if !errors.Is(err, ErrNotFound) {
		return Volume{}, err
	}
	volume := Volume{
		ID: id, Name: request.Name, Claim: request.Claim, Bytes: request.Least, Block: request.Block, Node: request.Node,
		Snapshot: request.Snapshot, Volume: request.Volume, CreatedAt: s.Clock.Now().UTC(),
	}
	from, err := s.source(volume)
	if err == nil {
		err = from.into(&volume)
	}
	if err != nil {
		return Volume{}, err
	}
	if request.Most > 0 && volume.Bytes > request.Most {
		return Volume{}, fmt.Errorf("%d bytes are at most %d: %w", volume.Bytes, request.Most, ErrRange)
	}
	err = s.make(volumesFolder, id, &volume, func(made string) error { return s.fill(ctx, made, volume, from) })
	if err == nil && volume.Block {
		err = s.attach(&volume)
	}
	return volume, err
}

// source is what a volume is made from.
type source struct {
	// place is its folder, "" for nothing.
	place string
	bytes int64
	block bool
	// live says that somebody may write to it, through its device if it has one.
	live   bool
	device string
}

func (s *System) source(volume Volume) (source, error) {
	switch {
	case volume.Snapshot != "":
		snapshot, err := s.Snapshot(volume.Snapshot)
		if err == nil && !snapshot.Ready(s.Clock.Now()) {
			err = fmt.Errorf("snapshot %s: %w", snapshot.ID, ErrNotReady)
		}
		return source{place: s.place(snapshotsFolder, snapshot.ID), bytes: snapshot.Bytes, block: snapshot.Block}, err
	case volume.Volume != "":
		original, err := s.Volume(volume.Volume)
		return source{
			place: s.place(volumesFolder, original.ID), bytes: original.Bytes, block: original.Block,
			live: true, device: original.Device,
		}, err
	}
	return source{block: volume.Block}, nil
}

// into has a volume be as large as its source, at least, and fails where it cannot hold it.
func (s source) into(volume *Volume) error {
	if volume.Bytes == 0 {
		volume.Bytes = cmp.Or(s.bytes, defaultBytes)
	}
	if volume.Bytes < s.bytes {
		return fmt.Errorf("%d bytes do not hold the %d of the source: %w", volume.Bytes, s.bytes, ErrRange)
	}
	if volume.Block != s.block {
		return fmt.Errorf("a block device is no file system, nor the other way round: %w", ErrRange)
	}
	return nil
}

// fill puts into a new volume what is to be in it.
func (s *System) fill(ctx context.Context, made string, volume Volume, from source) error {
	if err := s.copyFrom(ctx, made, from); err != nil {
		return err
	}
	if volume.Block {
		return sized(filepath.Join(made, blockFile), volume.Bytes)
	}
	if from.place != "" {
		return nil
	}
	data := filepath.Join(made, dataFolder)
	return errors.Join(os.Mkdir(data, 0o777), os.Chmod(data, 0o777)) //nolint:gosec // a new volume is anybody's, like a fresh disk with fsGroup
}

func (s *System) copyFrom(ctx context.Context, made string, from source) error {
	if from.place == "" {
		return nil
	}
	if !from.live {
		return copyContents(ctx, from.place, made)
	}
	thaw, err := s.freeze(ctx)
	if err != nil {
		return err
	}
	err = flush(from.device)
	if err == nil {
		err = copyContents(ctx, from.place, made)
	}
	return errors.Join(err, thaw())
}

// fits fails where the volume is not what is asked for.
func (r VolumeRequest) fits(volume Volume) error {
	same := r.Block == volume.Block && r.Snapshot == volume.Snapshot && r.Volume == volume.Volume
	if !same || volume.Bytes < r.Least || r.Most > 0 && volume.Bytes > r.Most {
		return fmt.Errorf("volume %s: %w", r.Name, ErrExists)
	}
	return nil
}

// Volume gives what is known of a volume.
func (s *System) Volume(id string) (Volume, error) {
	var volume Volume
	return volume, s.read(volumesFolder, id, &volume)
}

// Volumes gives all of them, by id.
func (s *System) Volumes() ([]Volume, error) { return list[Volume](s, volumesFolder) }

// DeleteVolume removes a volume with its data, and is nil where there is none.
func (s *System) DeleteVolume(id string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	volume, err := s.Volume(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if volume.Block {
		if err := loop.Detach(s.place(volumesFolder, volume.ID)); err != nil {
			return err
		}
	}
	return s.remove(volumesFolder, volume.ID)
}

// Content is the path of a volume's data: a folder, or the file of a block volume.
func (s *System) Content(volume Volume) string {
	return filepath.Join(s.place(volumesFolder, volume.ID), volume.file())
}

func (v Volume) file() string {
	if v.Block {
		return blockFile
	}
	return dataFolder
}

// attachAll gives every block volume a device that has none.
func (s *System) attachAll() error {
	volumes, err := s.Volumes()
	if err != nil {
		return err
	}
	for _, volume := range volumes {
		if !volume.Block {
			continue
		}
		if err := s.attach(&volume); err != nil {
			return err
		}
	}
	return nil
}

// attach gives a block volume a device, or finds the one that it has. It is to
// be seen under the file's path, so that whoever clears up knows whose it is.
func (s *System) attach(volume *Volume) error {
	if !s.Devices {
		return nil
	}
	place := s.place(volumesFolder, volume.ID)
	devices, err := loop.Devices(place)
	if err != nil {
		return err
	}
	if len(devices) == 0 {
		device, err := loop.Attach(filepath.Join(place, blockFile))
		if err != nil {
			return err
		}
		devices = []string{device}
	}
	volume.Device = devices[0]
	return write(filepath.Join(place, aboutFile), volume)
}
