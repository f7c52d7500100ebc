package kill_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestGuards takes one guard out at a time, and has the campaign find that something is wrong then; with the guard
// nothing is.
func TestGuards(t *testing.T) {
	w, want := prepareBase(t, 0)
	for _, guard := range []struct {
		name string
		of   subject
		// try disturbs one run, and returns what it found.
		try func(w *world, of subject, run string, without bool) []string
	}{
		{"RestoredObjectsSayByWhom", restores(), anonymousObjects},
		{"ManifestIsRemovedFirst", deletions(), disorderlyDeletion},
		{"FilesAreCreatedOnlyIfAbsent", backups(want), lateManifest}, // The last one: what it leaves is broken.
	} {
		for _, without := range []bool{false, true} {
			name := guard.name + map[bool]string{false: "/With", true: "/Without"}[without]
			t.Run(name, func(t *testing.T) {
				outer := w.t
				w.t = t
				defer func() { w.t = outer }()
				found := guard.try(w, guard.of, fmt.Sprintf("guard-%s-%t", guard.of.name, without), without)
				if len(found) > 0 {
					t.Logf("%d things found, the first is %s", len(found), found[0])
				}
				if without != (len(found) > 0) {
					t.Errorf("found %d things", len(found))
				}
			})
		}
	}
}

// lateManifest has a manager sleep between its confirmation and its manifest, while another one ends the run.
func lateManifest(w *world, of subject, run string, without bool) []string {
	w.t.Helper()
	sleeper := w.manager(role{
		Arm: w.armed(run), At: 1, Match: "/manifest.json", When: before, Stop: true, Late: true, Overwrite: without,
	})
	w.arm(run)
	of.begin(w, run)
	if !w.awaitPoint(sleeper, func() bool { return false }) {
		w.t.Fatal("the manager does not come to its point")
	}
	other := w.manager(role{})
	found, ended := of.judge(w, run)
	if len(found) > 0 || !strings.HasPrefix(ended, "Completed") {
		w.t.Fatalf("%s, %v", ended, found)
	}
	other.kill()
	_ = sleeper.command.Process.Signal(syscall.SIGCONT)
	w.awaitCall(sleeper, 1)
	sleeper.kill()
	found, _ = of.judge(w, run)
	return append(found, w.debris()...)
}

// anonymousObjects kills a manager when it has created some objects.
func anonymousObjects(w *world, of subject, run string, without bool) []string {
	w.t.Helper()
	return w.killOnce(of, run, role{At: 4, Match: "POST ", When: after, Anonymous: without})
}

// disorderlyDeletion kills a manager when it has removed some files.
func disorderlyDeletion(w *world, of subject, run string, without bool) []string {
	w.t.Helper()
	return w.killOnce(of, run, role{At: 3, Match: "MetaBackup/Delete ", When: after, Disorder: without})
}

// killOnce kills a manager at its point of a run and has another one go on with it, both with the same guards, and returns
// what is wrong at that moment or at the end.
func (w *world) killOnce(of subject, run string, is role) []string {
	w.t.Helper()
	is.Arm = w.armed(run)
	first := w.manager(is)
	w.awaitLocation()
	if of.prepare != nil {
		of.prepare(w, run)
	}
	w.arm(run)
	of.begin(w, run)
	if !w.awaitPoint(first, func() bool { return of.over(w, run) }) {
		w.t.Fatal("the manager does not come to its point")
	}
	wrong, seen := w.broken(), w.uids(w.target(run))
	is.At = 0
	second := w.manager(is)
	found, _ := of.judge(w, run)
	wrong = slices.Concat(wrong, found, w.debris(), w.replaced(w.target(run), seen))
	second.kill()
	return wrong
}
