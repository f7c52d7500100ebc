package storage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

func open(t *testing.T) (*storage.System, *testclock.FakeClock) {
	t.Helper()
	timers := testclock.NewFakeClock(time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC))
	system := &storage.System{Folder: t.TempDir(), Clock: timers}
	if err := system.Open(); err != nil {
		t.Fatal(err)
	}
	return system, timers
}

func volume(t *testing.T, system *storage.System, request storage.VolumeRequest) storage.Volume {
	t.Helper()
	made, err := system.CreateVolume(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func behave(t *testing.T, system *storage.System, behaviour storage.Behaviour) {
	t.Helper()
	if err := system.Behave(behaviour); err != nil {
		t.Fatal(err)
	}
}

// frozen is a Freezer that counts, and looks at what is done while all is held.
type frozen struct {
	held  int
	times int
}

func (f *frozen) Freeze(context.Context) (func() error, error) {
	f.held++
	f.times++
	return func() error { f.held--; return nil }, nil
}

func TestGroupIsCutWithinOneHold(t *testing.T) {
	system, _ := open(t)
	freezer := &frozen{}
	system.Freezer = freezer
	first := volume(t, system, storage.VolumeRequest{Name: "first"})
	second := volume(t, system, storage.VolumeRequest{Name: "second"})
	group, err := system.CutGroup(t.Context(), "both", []string{first.ID, second.ID})
	if err != nil || len(group.Snapshots) != 2 {
		t.Fatalf("got %+v: %v", group, err)
	}
	if freezer.times != 1 || freezer.held != 0 {
		t.Errorf("pods were held %d times, and %d times are not let go of", freezer.times, freezer.held)
	}
	again, err := system.CutGroup(t.Context(), "both", []string{first.ID, second.ID})
	if err != nil || again.CutAt != group.CutAt || freezer.times != 1 {
		t.Errorf("asked again, it is %+v after %d holds: %v", again, freezer.times, err)
	}
	for _, id := range group.Snapshots {
		if err := system.DeleteSnapshot(id); err != nil {
			t.Error(err)
		}
	}
	if left, err := system.Groups(); err != nil || len(left) > 0 {
		t.Errorf("without its snapshots, the group is %+v: %v", left, err)
	}
}

func TestFailedCopyLeavesNothing(t *testing.T) {
	system, _ := open(t)
	freezer := &frozen{}
	system.Freezer = freezer
	made := volume(t, system, storage.VolumeRequest{Name: "first"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := system.Cut(ctx, "snapshot", made.ID); err == nil {
		t.Error("it is cut, although the caller has gone")
	}
	left, err := filepath.Glob(filepath.Join(system.Folder, "new", "*"))
	if snapshots, listErr := system.Snapshots(); err != nil || listErr != nil || len(left)+len(snapshots) > 0 {
		t.Errorf("left are %v and %v: %v, %v", left, snapshots, err, listErr)
	}
	if freezer.held != 0 {
		t.Error("pods are held for ever")
	}
}

func TestBehaviour(t *testing.T) {
	system, timers := open(t)
	made := volume(t, system, storage.VolumeRequest{Name: "data", Claim: "shop/data"})
	other := volume(t, system, storage.VolumeRequest{Name: "other", Claim: "shop/other"})

	behave(t, system, storage.Behaviour{Refuse: "full", RefuseClaim: "shop/data"})
	if _, err := system.Cut(t.Context(), "refused", made.ID); !errors.Is(err, storage.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
	if _, err := system.Cut(t.Context(), "not refused", other.ID); err != nil {
		t.Error(err)
	}

	behave(t, system, storage.Behaviour{ReadyAfter: metav1.Duration{Duration: time.Minute}})
	late, err := system.Cut(t.Context(), "late", made.ID)
	if err != nil || late.Ready(timers.Now()) {
		t.Errorf("got %+v: %v", late, err)
	}
	if _, err := system.CreateVolume(t.Context(), storage.VolumeRequest{Name: "early", Snapshot: late.ID}); !errors.Is(err, storage.ErrNotReady) {
		t.Errorf("got %v, want ErrNotReady", err)
	}
	timers.Step(time.Minute)
	volume(t, system, storage.VolumeRequest{Name: "early", Snapshot: late.ID})
}

func TestSlowCutShowsTheInstantOfTheCut(t *testing.T) {
	system, timers := open(t)
	made := volume(t, system, storage.VolumeRequest{Name: "data"})
	behave(t, system, storage.Behaviour{CutAfter: metav1.Duration{Duration: time.Minute}})
	type answer struct {
		snapshot storage.Snapshot
		err      error
	}
	answers := make(chan answer)
	go func() {
		snapshot, err := system.Cut(t.Context(), "slow", made.ID)
		answers <- answer{snapshot, err}
	}()
	for !timers.HasWaiters() {
		select {
		case early := <-answers:
			t.Fatalf("it did not wait: %+v", early)
		default:
		}
	}
	if _, err := system.Cut(t.Context(), "slow", made.ID); !errors.Is(err, storage.ErrPending) {
		t.Errorf("asked twice, got %v, want ErrPending", err)
	}
	if err := os.WriteFile(filepath.Join(system.Content(made), "late"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	timers.Step(time.Minute)
	got := <-answers
	if got.err != nil || got.snapshot.CutAt != timers.Now() {
		t.Fatalf("got %+v", got)
	}
	if _, err := os.Stat(filepath.Join(system.SnapshotContent(got.snapshot), "late")); err != nil {
		t.Errorf("what was written before the cut is not in it: %v", err)
	}
}
