package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/provider/memory"
)

// restartable is a driver that can be begun anew.
type restartable struct {
	options memory.VolumeOptions

	mutex sync.Mutex
	*memory.Volumes
}

func newRestartable(t *testing.T, file string) *restartable {
	t.Helper()
	made := &restartable{options: memory.VolumeOptions{
		File: file, Duration: 100 * time.Millisecond, Bytes: 1000, Now: time.Now, //nolint:forbidigo // The work takes its time.
	}}
	if err := made.restart(); err != nil {
		t.Fatal(err)
	}
	return made
}

// restart forgets what is not in the file.
func (r *restartable) restart() (err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.Volumes, err = memory.NewVolumes(r.options)
	return err
}

// volumesOf runs the checks about volumes against a driver, and returns the names of those that fail.
func volumesOf(t *testing.T, driver provider.VolumeDriver, restart func() error) (failed []string) {
	t.Helper()
	target := conformance.Target{Endpoint: serve(t, driver), Volumes: conformance.Volumes{Restart: restart}}
	for _, check := range conformance.Checks() {
		result := conformance.Execute(t.Context(), check, target)
		about := strings.HasPrefix(check.Name, "volumes/")
		if result.Outcome == conformance.Failed {
			failed = append(failed, check.Name)
			t.Logf("%s: %v", check.Name, result.Messages)
		}
		if skipped := result.Outcome == conformance.Skipped; skipped == (about || strings.HasPrefix(check.Name, "identity/")) {
			t.Errorf("%s: skipped is %t: %v", check.Name, skipped, result.Messages)
		}
	}
	return failed
}

// The drivers of this test are wrong, each in one way. The suite must see what is wrong with each, and nothing else.
func TestWrongDriversOfVolumes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wrong func(good *restartable) provider.VolumeDriver
		fails []string
	}{
		"none: the driver that the others are made from": {
			func(good *restartable) provider.VolumeDriver { return good }, nil,
		},
		"begins anew each time": {
			func(good *restartable) provider.VolumeDriver { return &anew{restartable: good} },
			[]string{"volumes/again", "volumes/at-once", "volumes/cancelled", "volumes/restart"},
		},
		"knows every handle": {
			func(good *restartable) provider.VolumeDriver { return knowing{good} },
			[]string{"volumes/unknown", "volumes/deleted"},
		},
		"refuses to delete what is not there": {
			func(good *restartable) provider.VolumeDriver { return pedantic{good} },
			[]string{"volumes/unknown", "volumes/deleted"},
		},
		"does not end what is cancelled, and says that it was": {
			func(good *restartable) provider.VolumeDriver {
				return &lying{restartable: good, cancelled: map[string]bool{}}
			},
			[]string{"volumes/cancelled-late"},
		},
		"goes back": {
			func(good *restartable) provider.VolumeDriver { return &goingBack{restartable: good} },
			[]string{"volumes/whole"},
		},
		"fails without saying why it is not there": {
			func(good *restartable) provider.VolumeDriver { return wordy{good} },
			[]string{"volumes/restored-from-nothing"},
		},
		"has one handle for a volume": {
			func(good *restartable) provider.VolumeDriver { return handlePerVolume{good} },
			[]string{"volumes/apart"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := newRestartable(t, filepath.Join(t.TempDir(), "works"))
			failed := volumesOf(t, test.wrong(good), good.restart)
			for _, want := range test.fails {
				if !slices.Contains(failed, want) {
					t.Errorf("%s did not see it", want)
				}
			}
			for _, each := range failed {
				if !slices.Contains(test.fails, each) {
					t.Errorf("%s failed, too", each)
				}
			}
		})
	}
}

// TestForgetfulDriverOfVolumes: one that forgets everything when it is restarted is found.
func TestForgetfulDriverOfVolumes(t *testing.T) {
	t.Parallel()
	good := newRestartable(t, "")
	if failed := volumesOf(t, good, good.restart); !slices.Equal(failed, []string{"volumes/restart"}) {
		t.Errorf("failed are %q", failed)
	}
}

type anew struct {
	*restartable

	mutex sync.Mutex
	count int
}

func (d *anew) StartBackup(ctx context.Context, request provider.StartBackupRequest) (provider.BackupIdentity, error) {
	d.mutex.Lock()
	d.count++
	request.Order = fmt.Sprintf("%s-%d", request.Order, d.count)
	d.mutex.Unlock()
	return d.restartable.StartBackup(ctx, request)
}

type knowing struct{ *restartable }

func (d knowing) BackupStat(ctx context.Context, backup provider.BackupIdentity, a provider.Attributes) (provider.VolumeStat, error) {
	stat, err := d.restartable.BackupStat(ctx, backup, a)
	if errors.Is(err, provider.ErrNotFound) {
		return provider.VolumeStat{State: provider.VolumeSucceeded, Percent: 100}, nil
	}
	return stat, err
}

type pedantic struct{ *restartable }

func (d pedantic) DeleteBackup(ctx context.Context, order string, backup provider.BackupIdentity, a provider.Attributes) error {
	if _, err := d.BackupStat(ctx, backup, a); err != nil {
		return errors.New("there is no such backup")
	}
	return d.restartable.DeleteBackup(ctx, order, backup, a)
}

type lying struct {
	*restartable

	mutex     sync.Mutex
	cancelled map[string]bool
}

func (d *lying) CancelBackup(_ context.Context, backup provider.BackupIdentity, _ provider.Attributes) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.cancelled[backup.Handle] = true
	return nil
}

func (d *lying) BackupStat(ctx context.Context, backup provider.BackupIdentity, a provider.Attributes) (provider.VolumeStat, error) {
	stat, err := d.restartable.BackupStat(ctx, backup, a)
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.cancelled[backup.Handle] {
		stat.State = provider.VolumeCancelled
	}
	return stat, err
}

type goingBack struct {
	*restartable

	mutex sync.Mutex
	asked int
}

func (d *goingBack) BackupStat(ctx context.Context, backup provider.BackupIdentity, a provider.Attributes) (provider.VolumeStat, error) {
	stat, err := d.restartable.BackupStat(ctx, backup, a)
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.asked++
	if err == nil && stat.State == provider.VolumeRunning {
		stat.Percent = 90 - d.asked%3
	}
	return stat, err
}

type wordy struct{ *restartable }

func (d wordy) CreateVolumeFromBackup(ctx context.Context, request provider.CreateVolumeRequest) (provider.RestoredVolume, error) {
	made, err := d.restartable.CreateVolumeFromBackup(ctx, request)
	if err != nil {
		return made, errors.New("no such backup")
	}
	return made, nil
}

type handlePerVolume struct{ *restartable }

func (d handlePerVolume) StartBackup(ctx context.Context, request provider.StartBackupRequest) (provider.BackupIdentity, error) {
	backup, err := d.restartable.StartBackup(ctx, request)
	if err == nil && strings.HasSuffix(request.Order, "-b") {
		request.Order = strings.TrimSuffix(request.Order, "b") + "a"
		return d.restartable.StartBackup(ctx, request)
	}
	return backup, err
}
