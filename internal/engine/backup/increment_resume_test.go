package backup_test

import (
	"context"
	"slices"
	"sync"
	"testing"

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
