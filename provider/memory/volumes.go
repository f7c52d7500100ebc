package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
)

// VolumeOptions adjust Volumes. A name in a function is that of a PersistentVolume, or of a claim that is restored.
type VolumeOptions struct {
	// Name is the name of the driver; memory-volumes.kahu.io by default.
	Name string
	// File is where it keeps what it was asked for, so that it outlives the process. Empty means that it does not.
	File string
	// Duration is how long the work on a volume takes.
	Duration time.Duration
	// Bytes are how many there seem to be in a volume.
	Bytes int64
	// Now measures the work. Nil means a clock that stands still: work without a duration is done at once, all other never.
	Now func() time.Time
	// Refuse says why the work on a volume cannot begin, nil if it can.
	Refuse func(name string) error
	// Break says why the work on a volume fails at half of its way, nil if it does not.
	Break func(name string) error
	// Stall tells whether the work on a volume stands still at half of its way.
	Stall func(name string) bool
}

// Volumes is a driver that pretends to back up volumes: it keeps the time, and no data. It takes all that it is given, and
// passes the conformance suite.
type Volumes struct {
	options VolumeOptions

	mutex sync.Mutex
	works map[string]*work // By handle. Guarded by mutex.
}

// work is what was asked for about a volume.
type work struct {
	Order     string         `json:"order"`
	Name      string         `json:"name"`
	Begun     time.Time      `json:"begun"`
	Cancelled *time.Duration `json:"cancelled,omitempty"` // After which time.
}

var _ provider.VolumeDriver = (*Volumes)(nil)

// NewVolumes returns a driver that goes on where the file says that another one was.
func NewVolumes(options VolumeOptions) (*Volumes, error) {
	if options.Now == nil {
		options.Now = func() time.Time { return time.Time{} }
	}
	made := &Volumes{options: options, works: map[string]*work{}}
	if options.File == "" {
		return made, nil
	}
	content, err := os.ReadFile(options.File)
	if errors.Is(err, os.ErrNotExist) {
		return made, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &made.works)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was begun: %w", err)
	}
	return made, nil
}

// Info implements provider.Identity.
func (v *Volumes) Info(context.Context) (provider.Info, error) {
	return provider.Info{Name: cmp.Or(v.options.Name, "memory-volumes.kahu.io"), Version: "1"}, nil
}

// Capabilities implements provider.Identity.
func (v *Volumes) Capabilities(context.Context) ([]provider.Capability, error) {
	return append(provider.CapabilitiesOf(v),
		provider.CapabilityOffload, provider.CapabilityNeedsSnapshot, provider.CapabilityNeedsVolume, provider.CapabilityVolumeBase,
		provider.CapabilityVolumeState), nil
}

// Probe implements provider.Identity.
func (*Volumes) Probe(context.Context) (bool, error) { return true, nil }

// Lose forgets all that was begun and done.
func (v *Volumes) Lose() error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	clear(v.works)
	return v.save()
}

// Handles returns how many backups and volumes it knows.
func (v *Volumes) Handles() int {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return len(v.works)
}

// StartBackup implements provider.VolumeBackups.
func (v *Volumes) StartBackup(ctx context.Context, request provider.StartBackupRequest) (provider.BackupIdentity, error) {
	if err := errors.Join(ctx.Err(), request.Validate()); err != nil {
		return provider.BackupIdentity{}, err
	}
	handle := "backup/" + request.Order + "/" + request.Volume.Name
	if err := v.begin(handle, request.Order, request.Volume.Name); err != nil {
		return provider.BackupIdentity{}, err
	}
	return provider.BackupIdentity{Handle: handle, Attributes: map[string]string{"order": request.Order}}, nil
}

// CreateVolumeFromBackup implements provider.VolumeRestores.
func (v *Volumes) CreateVolumeFromBackup(
	ctx context.Context, request provider.CreateVolumeRequest,
) (provider.RestoredVolume, error) {
	if err := errors.Join(ctx.Err(), request.Validate()); err != nil {
		return provider.RestoredVolume{}, err
	}
	handle := "volume/" + request.Order + "/" + request.Claim.Namespace + "/" + request.Claim.Name
	v.mutex.Lock()
	backup, again := v.works[request.Backup.Handle], v.works[handle] != nil
	v.mutex.Unlock()
	if !again && (backup == nil || v.stat(backup).State != provider.VolumeSucceeded) {
		return provider.RestoredVolume{}, fmt.Errorf("there is no whole backup %q: %w", request.Backup.Handle, provider.ErrNotFound)
	}
	if err := v.begin(handle, request.Order, request.Claim.Name); err != nil {
		return provider.RestoredVolume{}, err
	}
	return provider.RestoredVolume{Volume: provider.VolumeIdentity{Handle: handle}}, nil
}

// begin begins the work of this handle, unless it was begun.
func (v *Volumes) begin(handle, order, name string) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.works[handle] != nil {
		return nil
	}
	if v.options.Refuse != nil {
		if err := v.options.Refuse(name); err != nil {
			return err
		}
	}
	v.works[handle] = &work{Order: order, Name: name, Begun: v.options.Now().UTC()}
	return v.save()
}

// DeleteBackup implements provider.VolumeBackups.
func (v *Volumes) DeleteBackup(ctx context.Context, _ string, backup provider.BackupIdentity, _ provider.Attributes) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	delete(v.works, backup.Handle)
	return v.save()
}

// CancelBackup implements provider.VolumeBackups.
func (v *Volumes) CancelBackup(ctx context.Context, backup provider.BackupIdentity, _ provider.Attributes) error {
	return v.cancel(ctx, backup.Handle)
}

// CancelRestore implements provider.VolumeRestores.
func (v *Volumes) CancelRestore(ctx context.Context, volume provider.VolumeIdentity, _ provider.Attributes) error {
	return v.cancel(ctx, volume.Handle)
}

// cancel ends the work of this handle, if it goes on.
func (v *Volumes) cancel(ctx context.Context, handle string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	found := v.works[handle]
	if found == nil || v.stat(found).State != provider.VolumeRunning {
		return nil
	}
	after := v.options.Now().Sub(found.Begun)
	found.Cancelled = &after
	return v.save()
}

// BackupStat implements provider.VolumeBackups.
func (v *Volumes) BackupStat(
	ctx context.Context, backup provider.BackupIdentity, _ provider.Attributes,
) (provider.VolumeStat, error) {
	return v.find(ctx, backup.Handle)
}

// RestoreStat implements provider.VolumeRestores.
func (v *Volumes) RestoreStat(
	ctx context.Context, volume provider.VolumeIdentity, _ provider.Attributes,
) (provider.VolumeStat, error) {
	return v.find(ctx, volume.Handle)
}

// find tells how the work of this handle is.
func (v *Volumes) find(ctx context.Context, handle string) (provider.VolumeStat, error) {
	if err := ctx.Err(); err != nil {
		return provider.VolumeStat{}, err
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	found := v.works[handle]
	if found == nil {
		return provider.VolumeStat{}, fmt.Errorf("there is nothing of the handle %q: %w", handle, provider.ErrNotFound)
	}
	return v.stat(found), nil
}

// whole is the percentage of what is done.
const whole = 100

// stat tells how some work is, by the time that has passed.
func (v *Volumes) stat(of *work) provider.VolumeStat {
	stat := provider.VolumeStat{State: provider.VolumeRunning, Percent: v.percent(of)}
	switch half := stat.Percent >= whole/2; {
	case of.Cancelled != nil:
		stat.State = provider.VolumeCancelled
	case half && v.breaks(of.Name) != nil:
		stat.Percent, stat.State, stat.Err = whole/2, provider.VolumeFailed, v.breaks(of.Name)
	case half && v.options.Stall != nil && v.options.Stall(of.Name):
		stat.Percent = whole / 2
	case stat.Percent == whole:
		stat.State = provider.VolumeSucceeded
	}
	total := v.options.Bytes
	bytes := total * int64(stat.Percent) / whole
	stat.BytesDone, stat.BytesTotal = &bytes, &total
	return stat
}

// percent is how much would be done if nothing were in the way.
func (v *Volumes) percent(of *work) int {
	elapsed := v.options.Now().Sub(of.Begun)
	if of.Cancelled != nil {
		elapsed = *of.Cancelled
	}
	if elapsed >= v.options.Duration {
		return whole
	}
	return int(whole * max(elapsed, 0) / v.options.Duration)
}

// breaks returns why work fails on its way, nil if it does not.
func (v *Volumes) breaks(name string) error {
	if v.options.Break == nil {
		return nil
	}
	return v.options.Break(name)
}

// save writes what was begun to the file, whole or not at all. It is called with the lock held.
func (v *Volumes) save() error {
	if v.options.File == "" {
		return nil
	}
	content, err := json.Marshal(v.works)
	if err != nil {
		return fmt.Errorf("encoding what was begun: %w", err)
	}
	const mode = 0o600
	hidden := filepath.Join(filepath.Dir(v.options.File), "."+filepath.Base(v.options.File))
	if err := os.WriteFile(hidden, content, mode); err != nil {
		return fmt.Errorf("keeping what was begun: %w", err)
	}
	if err := os.Rename(hidden, v.options.File); err != nil {
		return fmt.Errorf("keeping what was begun: %w", err)
	}
	return nil
}
