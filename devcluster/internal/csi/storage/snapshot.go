package storage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// Snapshot is what is known of a snapshot.
type Snapshot struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Volume string `json:"volume"`
	// Group is the id of the group with which it was cut, if it was.
	Group string `json:"group,omitempty"`
	Bytes int64  `json:"bytes"`
	Block bool   `json:"block,omitempty"`
	// CutAt is the instant that it shows, ReadyAt when it can be read.
	CutAt   time.Time `json:"cutAt"`
	ReadyAt time.Time `json:"readyAt"`
}

// Ready reports whether it can be read.
func (s Snapshot) Ready(now time.Time) bool { return !now.Before(s.ReadyAt) }

// Group is snapshots that were cut at one instant.
type Group struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Snapshots []string  `json:"snapshots"`
	CutAt     time.Time `json:"cutAt"`
}

// Cut makes a snapshot of a volume, or gives the one that it has made for the same request.
func (s *System) Cut(ctx context.Context, name, volume string) (Snapshot, error) {
	wanted := Snapshot{ID: idOf("snapshot", name), Name: name, Volume: volume}
	end, err := s.begin(wanted.ID)
	if err != nil {
		return Snapshot{}, err
	}
	defer end()
	existing, err := s.Snapshot(wanted.ID)
	if err == nil {
		return existing, wanted.fits(existing)
	}
	if !errors.Is(err, ErrNotFound) {
		return Snapshot{}, err
	}
	snapshots := []Snapshot{wanted}
	err = s.cut(ctx, snapshots, func() error { return nil })
	return snapshots[0], err
}

// CutGroup makes snapshots of several volumes at one instant, or gives those
// that it has made for the same request.
func (s *System) CutGroup(ctx context.Context, name string, volumes []string) (Group, error) {
	group := Group{ID: idOf("group", name), Name: name}
	snapshots := make([]Snapshot, 0, len(volumes))
	for _, volume := range volumes {
		member := name + "/" + volume
		snapshots = append(snapshots, Snapshot{ID: idOf("snapshot", member), Name: member, Volume: volume, Group: group.ID})
		group.Snapshots = append(group.Snapshots, snapshots[len(snapshots)-1].ID)
	}
	end, err := s.begin(group.ID)
	if err != nil {
		return Group{}, err
	}
	defer end()
	existing, err := s.Group(group.ID)
	if err == nil {
		if !slices.Equal(existing.Snapshots, group.Snapshots) {
			err = fmt.Errorf("group %s: %w", name, ErrExists)
		}
		return existing, err
	}
	if !errors.Is(err, ErrNotFound) {
		return Group{}, err
	}
	err = s.cut(ctx, snapshots, func() error {
		group.CutAt = snapshots[0].CutAt
		return s.make(groupsFolder, group.ID, &group, func(string) error { return nil })
	})
	return group, err
}

// begin keeps others from making the same until it is ended.
func (s *System) begin(id string) (end func(), err error) {
	if _, taken := s.pending.LoadOrStore(id, true); taken {
		return nil, fmt.Errorf("%s: %w", id, ErrPending)
	}
	return func() { s.pending.Delete(id) }, nil
}

// cut makes the snapshots, after the behaviour's delay, and then calls done
// with nobody else changing the system.
func (s *System) cut(ctx context.Context, snapshots []Snapshot, done func() error) error {
	behaviour, err := s.Behaviour()
	if err != nil {
		return err
	}
	if err := s.look(snapshots, behaviour); err != nil {
		return err
	}
	if err := s.wait(ctx, behaviour.CutAfter.Duration); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.look(snapshots, behaviour); err != nil { // as they may have gone meanwhile
		return err
	}
	for _, snapshot := range snapshots { // of a group whose making was cut short
		if err := s.remove(snapshotsFolder, snapshot.ID); err != nil {
			return err
		}
	}
	if err := s.copyAll(ctx, snapshots, behaviour.ReadyAfter.Duration); err != nil {
		return err
	}
	return done()
}

// look finds the volumes of snapshots that are to be made, and what forbids it.
func (s *System) look(snapshots []Snapshot, behaviour Behaviour) error {
	for i := range snapshots {
		volume, err := s.Volume(snapshots[i].Volume)
		if err != nil {
			return err
		}
		if behaviour.refuses(volume) {
			return fmt.Errorf("a snapshot of volume %s (%s): %s: %w", volume.ID, volume.Claim, behaviour.Refuse, ErrRefused)
		}
		snapshots[i].Bytes, snapshots[i].Block = volume.Bytes, volume.Block
	}
	return nil
}

// copyAll copies the volumes while nobody writes to them. Either all snapshots
// come to their places or, of what the caller sees, none.
func (s *System) copyAll(ctx context.Context, snapshots []Snapshot, readyAfter time.Duration) error {
	thaw, err := s.freeze(ctx)
	if err != nil {
		return err
	}
	at := s.Clock.Now().UTC()
	for i := range snapshots {
		snapshots[i].CutAt, snapshots[i].ReadyAt = at, at.Add(readyAfter)
		if err = s.copyOne(ctx, snapshots[i]); err != nil {
			break
		}
	}
	err = errors.Join(err, thaw())
	for _, snapshot := range snapshots {
		if err != nil {
			err = errors.Join(err, s.remove(snapshotsFolder, snapshot.ID))
		}
	}
	return err
}

func (s *System) copyOne(ctx context.Context, snapshot Snapshot) error {
	volume, err := s.Volume(snapshot.Volume)
	if err != nil {
		return err
	}
	if err := flush(volume.Device); err != nil {
		return err
	}
	return s.make(snapshotsFolder, snapshot.ID, &snapshot, func(made string) error {
		return copyContents(ctx, s.place(volumesFolder, volume.ID), made)
	})
}

func (s *System) freeze(ctx context.Context) (thaw func() error, err error) {
	if s.Freezer == nil {
		return func() error { return nil }, nil
	}
	return s.Freezer.Freeze(ctx)
}

// fits fails where the snapshot is not what is asked for.
func (s Snapshot) fits(existing Snapshot) error {
	if s.Volume != existing.Volume {
		return fmt.Errorf("snapshot %s: %w", s.Name, ErrExists)
	}
	return nil
}

// Snapshot gives what is known of a snapshot.
func (s *System) Snapshot(id string) (Snapshot, error) {
	var snapshot Snapshot
	return snapshot, s.read(snapshotsFolder, id, &snapshot)
}

// Snapshots gives all of them, by id.
func (s *System) Snapshots() ([]Snapshot, error) { return list[Snapshot](s, snapshotsFolder) }

// SnapshotContent is the path of a snapshot's data: a folder, or the file of a block volume.
func (s *System) SnapshotContent(snapshot Snapshot) string {
	return filepath.Join(s.place(snapshotsFolder, snapshot.ID), Volume{Block: snapshot.Block}.file())
}

// Group gives what is known of a group.
func (s *System) Group(id string) (Group, error) {
	var group Group
	return group, s.read(groupsFolder, id, &group)
}

// Groups gives all of them, by id.
func (s *System) Groups() ([]Group, error) { return list[Group](s, groupsFolder) }

// DeleteSnapshot removes a snapshot, and is nil where there is none. A group
// goes with the last of its snapshots.
func (s *System) DeleteSnapshot(id string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	snapshot, err := s.Snapshot(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.remove(snapshotsFolder, snapshot.ID); err != nil || snapshot.Group == "" {
		return err
	}
	group, err := s.Group(snapshot.Group)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	group.Snapshots = slices.DeleteFunc(group.Snapshots, func(member string) bool { return member == snapshot.ID })
	if len(group.Snapshots) == 0 {
		return s.remove(groupsFolder, group.ID)
	}
	return write(filepath.Join(s.place(groupsFolder, group.ID), aboutFile), group)
}

// DeleteGroup removes a group with its snapshots, and is nil where there is none.
func (s *System) DeleteGroup(id string) error {
	group, err := s.Group(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	for _, member := range group.Snapshots {
		err = errors.Join(err, s.DeleteSnapshot(member))
	}
	return err
}
