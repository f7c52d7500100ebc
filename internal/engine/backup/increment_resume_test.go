package backup_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// killed makes an incremental backup whose process is killed before its n-th call to the store, and tells whether it was
// not over before.
func (s *series) killed(name string, n int) (bool, error) {
	s.T.Helper()
	ctx, cancel := context.WithCancel(s.T.Context())
	defer cancel()
	dead := false
	var mu sync.Mutex
	s.Driver.Recorded()
	s.Driver.Before = func(call int, _, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if call >= n {
			dead = true
			cancel()
		}
		if dead {
			return world.ErrRefused
		}
		return nil
	}
	_, err := s.tryIn(ctx, name, increment.Incremental)
	s.Driver.Before = nil
	return dead, err
}

// TestIncrementIsGoneOnWith kills attempts at an incremental backup at each call to the store; the next one goes on and
// makes what an undisturbed run makes. The base may be deleted meanwhile as far as its manifest.
func TestIncrementIsGoneOnWith(t *testing.T) {
	t.Parallel()
	for _, deleted := range []bool{false, true} {
		step := 2
		if deleted || testing.Short() {
			step = 5
		}
		for at := 0; ; at += step {
			s := newSeries(t)
			s.Workers = 1
			s.backup("one", increment.Full)
			s.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
			killed, err := s.killed("two", at)
			if !killed {
				if err != nil || at < 5 {
					t.Fatalf("killed at %d calls, and then %v", at, err)
				}
				break
			}
			if deleted {
				s.remove(world.ID("one").ManifestName())
			}
			s.earlier = []string{"attempttwo"}
			s.change = func(request *backup.Request) { request.Attempt = "again" }
			made := s.backup("two", increment.Incremental)
			if !deleted && !made.Adopted && made.Choice.Mode != increment.Incremental {
				t.Errorf("killed at call %d: %+v", at, made.Choice)
			}
			s.earlier, s.change = nil, nil
			s.check("two")
			for _, file := range made.Manifest.Files() {
				if !slices.Contains(s.Names(), file.Name) {
					t.Fatalf("killed at call %d: %s is not there", at, file.Name)
				}
			}
		}
	}
}

// segmentsOf counts the segments of a result that an attempt wrote.
func segmentsOf(t *testing.T, made backup.Result, attempt string) int {
	t.Helper()
	found := 0
	for _, file := range made.Manifest.Segments {
		id, ok := archive.ParseSegmentName(file.Name)
		if !ok {
			t.Fatalf("%s is no name of a segment", file.Name)
		}
		if id.Attempt == attempt {
			found++
		}
	}
	return found
}

// goOn makes the second attempt at a backup.
func (s *series) goOn(name string) backup.Result {
	s.T.Helper()
	s.earlier = []string{"attempt" + name}
	s.change = func(request *backup.Request) { request.Attempt = "again" }
	made := s.backup(name, increment.Incremental)
	s.earlier, s.change = nil, nil
	return made
}

// TestIncrementKnowsTheServerOfEarlierAttempts kills a full run that begins with one version of the API server and goes on
// with another: what it takes over is proved by its manifest only where both attempts listed with the version that it names.
func TestIncrementKnowsTheServerOfEarlierAttempts(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		before  string // the version at the first attempt; none is what earlier releases wrote into checkpoints
		kept    bool   // whether something of the first attempt is taken over
		version string // of a manifest with something of the first attempt
	}{
		"Same":    {"v1.36.0", true, "v1.36.0"},
		"Another": {"v1.35.0", false, ""},
		"Unknown": {"", true, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everKept := false
			for at := 5; ; at += 3 {
				s := newSeries(t)
				s.Workers = 1
				s.server = c.before
				if killed, _ := s.killed("one", at); !killed {
					break
				}
				s.server = "v1.36.0"
				made := s.goOn("one")
				if made.Adopted {
					continue
				}
				want := "v1.36.0"
				if segmentsOf(t, made, "attemptone") > 0 {
					everKept, want = true, c.version
				}
				if got := made.Manifest.ServerVersion; got != want {
					t.Errorf("killed at call %d: the manifest says %q, not %q", at, got, want)
				}
				next := s.backup("two", increment.Incremental).Manifest
				if read := next.Increment.Read; (read == 0) != (want != "") {
					t.Errorf("killed at call %d: %d of %d objects read, and the manifest of the base says %q", at, read, next.Counts.Objects, want)
				}
				s.check("two")
			}
			if everKept != c.kept {
				t.Errorf("something of the first attempt is taken over: %t", everKept)
			}
		})
	}
}

// TestIncrementKeepsNothingOfAnotherBase kills an incremental run whose base is deleted then. The next attempt has no base,
// or where the intent is lost another one, and takes over nothing that is in segments of the first.
func TestIncrementKeepsNothingOfAnotherBase(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]increment.Mode{"None": increment.Full, "Another": increment.Incremental} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tried := false
			for at := 5; ; at += 3 {
				s := newSeries(t)
				s.Workers = 1
				if mode == increment.Incremental {
					s.backup("zero", increment.Full)
				}
				s.backup("one", increment.Full)
				s.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
				if killed, _ := s.killed("two", at); !killed {
					break
				}
				s.remove(world.ID("one").ManifestName())
				left := s.Names()
				if intent := world.ID("two").IntentName(); mode == increment.Incremental && slices.Contains(left, intent) {
					s.remove(intent)
				}
				made := s.goOn("two")
				if made.Adopted {
					continue
				}
				tried = tried || slices.ContainsFunc(left, func(name string) bool { return strings.Contains(name, "/checkpoint-attempttwo-") })
				if got := segmentsOf(t, made, "attemptone"); got > 0 || made.Choice.Mode != mode {
					t.Errorf("killed at call %d: %+v with %d segments of the deleted base", at, made.Choice, got)
				}
				s.check("two")
			}
			if !tried {
				t.Error("no attempt left a checkpoint")
			}
		})
	}
}
