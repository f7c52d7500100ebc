// Package consistency_test shows what hooks are for: an application writes the same records into two volumes of two storage
// systems, which no snapshot can cut at the same instant. With hooks, what is restored agrees; without, it does not always.
package consistency_test

import (
	"fmt"
	"testing"

	"k8s.io/utils/clock"
)

const (
	// rounds is how many backups are made with hooks, tries how many without until the volumes disagree.
	rounds = 5
	tries  = 20
	// least is how many records a second the application must write for that to be a test.
	least = 200
)

// TestVolumesAgree backs the ledger up under load, and compares the volumes that are restored.
func TestVolumesAgree(t *testing.T) {
	s := newScene(t)
	s.deploy()
	t.Run("with hooks", func(t *testing.T) {
		before, begun := s.live(), clock.RealClock{}.Now()
		for round := range rounds {
			name := fmt.Sprintf("held-%d", round)
			s.backup(name, hooks)
			cut, err := s.restored(name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if now := s.live(); cut < before || now <= cut {
				t.Errorf("%s: %d records before, %d restored, %d now", name, before, cut, now)
			}
		}
		rate := float64(s.live()-before) / clock.RealClock{}.Since(begun).Seconds()
		t.Logf("%d backups with hooks agree; %.0f records a second were written meanwhile", rounds, rate)
		if rate < least {
			t.Errorf("the application wrote %.0f records a second, fewer than %d: this was no load", rate, least)
		}
	})
	t.Run("without hooks", func(t *testing.T) {
		for try := range tries {
			name := fmt.Sprintf("running-%d", try)
			s.backup(name, "")
			if _, err := s.restored(name); err != nil {
				t.Logf("backup %d without hooks disagrees: %v", try+1, err)
				return
			}
		}
		t.Errorf("%d backups without hooks agree all the same", tries)
	})
}

// hooks have the application hold still.
const hooks = `
  hook:
    resources:
    - name: ledger
      includeResources: [{kind: deployments, name: ledger}]
      pre:
      - exec: {command: [/devcluster-workload, quiesce, /quiet/hold], timeout: 30s}
      post:
      - exec: {command: [/devcluster-workload, unquiesce, /quiet/hold]}
`
