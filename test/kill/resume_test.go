package kill_test

import (
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

// TestResumed kills a manager late in a run, and counts what the next one reads and creates: it does not start over.
func TestResumed(t *testing.T) {
	w, want := prepareBase(t, 60)
	within := func(name string, test func()) {
		t.Run(name, func(t *testing.T) {
			outer := w.t
			w.t = t
			defer func() { w.t = outer }()
			test()
		})
	}
	within("BackupBeforeItsManifest", func() { w.resumedBackup(want, before) })
	within("BackupBetweenManifestAndStatus", func() { w.resumedBackup(want, after) })
	// Requests that were on their way when the first manager died may have been carried out.
	within("RestoreLate", func() { w.resumedRestore("resumed-late", role{At: 45, Match: "/configmaps", When: after}, creators) })
	within("RestoreBeforeItsReport", func() { w.resumedRestore("resumed-made", role{At: 1, Match: "/report-", When: before}, 0) })
}

// resumedBackup kills a manager before or after it has written its manifest. What the next one has of the first comes
// from a checkpoint in one case, and is the whole backup in the other.
func (w *world) resumedBackup(want map[string]string, when moment) {
	w.t.Helper()
	of, run := backups(want), "resumed-backup-"+string(when)
	first := w.manager(role{Arm: w.armed(run), At: 1, Match: "/manifest.json", When: when, Careful: true})
	w.awaitLocation()
	w.arm(run)
	of.begin(w, run)
	if !w.awaitPoint(first, func() bool { return of.over(w, run) }) {
		w.t.Fatal("the manager does not come to its point")
	}
	kept := w.inCheckpoints(run)
	if len(kept) == 0 {
		w.t.Fatal("there is no checkpoint")
	}
	second := w.manager(role{})
	wrong, ended := of.judge(w, run)
	second.kill()
	if len(wrong) > 0 || ended != completed(1) {
		w.t.Fatalf("%s: %v", ended, wrong)
	}
	begun, again := w.listed(first), w.listed(second)
	w.t.Logf("the first manager lists %d kinds, %d of them are in its checkpoints, the second one lists %d", len(begun), len(kept), len(again))
	for resource := range kept {
		if again[resource] >= begun[resource] { // Some are looked through once more, for what points to others.
			w.t.Errorf("%s are in a checkpoint and are listed again", resource)
		}
	}
	if 4*len(kept) < 3*len(begun) || 4*len(again) > len(begun) || when == after && len(again) > 0 {
		w.t.Errorf("the second manager starts over: it lists %v", again)
	}
}

// inCheckpoints returns the resources that are in checkpoints of a backup.
func (w *world) inCheckpoints(backup string) map[string]bool {
	w.t.Helper()
	kept := map[string]bool{}
	for _, name := range w.names() {
		if !strings.Contains(name, "/"+backup+"/") || !strings.Contains(name, "/checkpoint-") {
			continue
		}
		file, err := w.files.Open(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		reader, err := archive.NewCheckpointReader(file, "")
		if err != nil {
			w.t.Fatal(err)
		}
		for _, kind := range reader.Checkpoint().Kinds {
			kept[kind.Kind.Resource] = true
		}
		reader.Close()
		if err := file.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	return kept
}

// listed returns how often a manager has listed each resource. What it lists in Kahu's own namespace it does not read for a
// backup: there it looks for what runs have left.
func (w *world) listed(running *process) map[string]int {
	w.t.Helper()
	found := map[string]int{}
	for _, line := range w.audit(running.name) {
		if line.Lists && !strings.Contains(line.What, "/namespaces/"+kahuNamespace+"/") {
			found[line.What[strings.LastIndex(line.What, "/")+1:]]++
		}
	}
	return found
}

// creators is how many requests to create something are on their way at once.
const creators = 16

// resumedRestore kills a manager late in a restore, or when all is created: the next one creates what is left, and asks
// nothing about all the rest. Of so many requests at most the first manager did not see the answer.
func (w *world) resumedRestore(run string, point role, unanswered int) {
	w.t.Helper()
	of := restores()
	point.Arm = w.armed(run)
	first := w.manager(point)
	w.awaitLocation()
	w.arm(run)
	of.begin(w, run)
	if !w.awaitPoint(first, func() bool { return of.over(w, run) }) {
		w.t.Fatal("the manager does not come to its point")
	}
	second := w.manager(role{})
	wrong, ended := of.judge(w, run)
	second.kill()
	if len(wrong) > 0 || ended != completed(1) {
		w.t.Fatalf("%s: %v", ended, wrong)
	}
	restore, _ := w.awaitRestore(run)
	begun, rest, total := w.countMade(first), w.countMade(second), int(restore.Status.Counts.Created)
	asked := w.askedIn(second, w.target(run))
	w.t.Logf("the first manager creates %d objects or more, the second one %d, and the restore says %d; the second one asks %v",
		begun, rest, total, asked)
	if begun+rest > total || total-begun-rest > unanswered || unanswered == 0 && rest > 0 {
		w.t.Errorf("%d and %d of %d", begun, rest, total)
	}
	// What Kubernetes makes in every namespace may be there before its time, and is read and written over. What nobody saw the
	// answer of may be carried out after the second one has listed what is there.
	for what, number := range asked {
		most := map[string]int{"POST": rest + clusterMade + unanswered, "GET": clusterMade + 1 + unanswered, "PUT": clusterMade}
		if number > most[what] {
			w.t.Errorf("the second manager sends %s %d times, and creates %d objects", what, number, rest)
		}
	}
}

// clusterMade is how many objects Kubernetes makes in every namespace that may be in a backup.
const clusterMade = 2

// askedIn counts the requests of a manager about a namespace and single objects in it, by their method.
func (w *world) askedIn(running *process, namespace string) map[string]int {
	w.t.Helper()
	found := map[string]int{}
	for _, line := range w.audit(running.name) {
		method, path, _ := strings.Cut(line.What, " ")
		inside := strings.Contains(path+"/", "/namespaces/"+namespace+"/")
		if inside && !line.Lists {
			found[method]++
		}
	}
	return found
}

// countMade returns how many objects a manager knows that it has created, but the ServiceAccount that Kubernetes makes in every
// namespace: it has no field, so that nothing tells the next attempt who was first with it, and it is counted as written over.
func (w *world) countMade(running *process) int {
	w.t.Helper()
	number := 0
	for _, line := range w.audit(running.name) {
		if line.Object != "" && (line.Object != "default" || !strings.HasSuffix(line.What, "/serviceaccounts")) {
			number++
		}
	}
	return number
}
