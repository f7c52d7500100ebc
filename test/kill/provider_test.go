package kill_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestProviderKilled kills the driver, and its sidecar, while a manager is at one of its calls. Both come back at once, the
// sidecar at another address.
func TestProviderKilled(t *testing.T) {
	w, want := prepareBase(t, 0)
	for _, victim := range []string{"driver", "meta-service"} {
		for _, of := range []subject{backups(want), deletions(), restores()} {
			t.Run(victim+"/"+of.name, func(t *testing.T) {
				outer := w.t
				w.t = t
				defer func() { w.t = outer }()
				w.killProvider(of, victim)
			})
		}
	}
}

// killProvider kills a process of the provider at points of a run.
func (w *world) killProvider(of subject, victim string) {
	w.t.Helper()
	calls := w.undisturbed(of)
	points, from := choose(pointsOf(calls), 6)
	hit, outcomes := 0, map[string]int{}
	for number, at := range points {
		name := fmt.Sprintf("%s-%s-%d", of.name, victim, number)
		before := w.kept(victim)
		running := w.manager(role{Run: name, Arm: w.armed(name), Points: []point{at}, Victim: before.command.Process.Pid})
		if of.prepare != nil {
			of.prepare(w, name)
		}
		w.arm(name)
		of.begin(w, name)
		wrong, ended := of.judge(w, name)
		if before.hasEnded() {
			hit++
		}
		outcomes[ended]++
		if strings.HasPrefix(ended, "Failed") { // They are away for a moment only.
			wrong = append(wrong, ended)
		}
		running.kill()
		for _, each := range slices.Concat(wrong, w.broken()) {
			w.t.Errorf("%s, %s: %s", name, at, each)
		}
	}
	w.t.Logf("%s, %s killed: %d of %d points were tried (seed %d), and %d disturbed a run", of.name, victim, len(points), 2*len(calls), from, hit)
	for ended, number := range outcomes {
		w.t.Logf("%s, %s killed: %d ended as %s", of.name, victim, number, ended)
	}
	if 2*hit < len(points) {
		w.t.Errorf("only %d of %d points disturbed a run", hit, len(points))
	}
	if w.undisturbed(of); len(w.debris()) > 0 {
		w.t.Errorf("after the next run: %s", strings.Join(w.debris(), "; "))
	}
}
