package kill_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// subject is what a campaign is about: one run of it at a time.
type subject struct {
	name string
	// prepare makes what the run needs, with a manager at work.
	prepare func(w *world, name string)
	// begin asks for the run.
	begin func(w *world, name string)
	// judge waits for its end, and returns what is wrong, and how it ended.
	judge func(w *world, name string) (wrong []string, ended string)
}

// backups are runs of a Backup.
func backups(want map[string]string) subject {
	return subject{
		name: "backup",
		begin: func(w *world, name string) {
			w.t.Helper()
			w.create(w.backup(name))
		},
		judge: func(w *world, name string) ([]string, string) {
			w.t.Helper()
			backup, ended := w.awaitBackup(name)
			if !ended {
				return []string{fmt.Sprintf("it does not end: %+v", backup.Status)}, "never"
			}
			if backup.Status.State != kahuv1.StateCompleted {
				return failed(string(backup.Status.State), backup.Status.FailureReason)
			}
			return w.compare(backup, want), endedAs("Completed", backup.Status.Interruptions)
		},
	}
}

// deletions are deletions of a Backup.
func deletions() subject {
	return subject{
		name: "delete",
		prepare: func(w *world, name string) {
			w.t.Helper()
			w.create(w.backup(name))
			if backup, ended := w.awaitBackup(name); !ended || backup.Status.State != kahuv1.StateCompleted {
				w.t.Fatalf("backup %s: %+v", name, backup.Status)
			}
		},
		begin: func(w *world, name string) {
			w.t.Helper()
			if err := w.client.Delete(w.t.Context(), w.backup(name)); err != nil {
				w.t.Fatal(err)
			}
		},
		judge: func(w *world, name string) ([]string, string) {
			w.t.Helper()
			backup, gone := await(w, &kahuv1.BackupList{}, w.backup(name), func(_ *kahuv1.Backup, gone bool) bool { return gone })
			if !gone {
				return []string{fmt.Sprintf("it is not deleted: %+v", backup.Status)}, "never"
			}
			var left []string
			for _, file := range w.names() {
				if strings.Contains(file, "/"+name+"/") {
					left = append(left, "a file of the deleted backup: "+file)
				}
			}
			return left, "deleted"
		},
	}
}

// restores are runs of a Restore into a namespace of their own.
func restores() subject {
	return subject{
		name: "restore",
		begin: func(w *world, name string) {
			w.t.Helper()
			w.create(&kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{
				BackupName: "base", NamespaceMapping: map[string]kahuv1.NamespaceName{w.app: "app-" + name},
			}})
		},
		judge: func(w *world, name string) ([]string, string) {
			w.t.Helper()
			restore, ended := w.awaitRestore(name)
			if !ended {
				return []string{fmt.Sprintf("it does not end: %+v", restore.Status)}, "never"
			}
			if restore.Status.State != kahuv1.StateCompleted {
				return failed(string(restore.Status.State), restore.Status.FailureReason)
			}
			if diff := cmp.Diff(w.live(w.app), w.live("app-"+name)); diff != "" {
				return []string{"what was restored is not what was backed up: " + diff}, "Completed"
			}
			return nil, "Completed"
		},
	}
}

func failed(state, reason string) (wrong []string, ended string) {
	if state != string(kahuv1.StateFailed) || reason == "" {
		wrong = append(wrong, fmt.Sprintf("it is %s, for the reason %q", state, reason))
	}
	return wrong, state + ": " + reason
}

func endedAs(state string, interruptions int32) string {
	return fmt.Sprintf("%s, interrupted %d times", state, interruptions)
}

// backup is a Backup of the application.
func (w *world) backup(name string) *kahuv1.Backup {
	return &kahuv1.Backup{ObjectMeta: named(name), Spec: kahuv1.BackupSpec{
		MetadataLocation: location, IncludeNamespaces: []kahuv1.NamespaceName{w.app}, EnableVolumeBackup: new(false),
	}}
}

// armed is the file that makes managers count.
func (w *world) armed(name string) string { return filepath.Join(w.folder, "arm-"+name) }

// arm has the managers that wait for the run count their calls from here on.
func (w *world) arm(name string) {
	w.t.Helper()
	if err := os.WriteFile(w.armed(name), nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// undisturbed runs once without an interruption, and returns the number of its calls.
func (w *world) undisturbed(of subject) int {
	w.t.Helper()
	name := of.name + "-whole"
	running := w.manager(role{Arm: w.armed(name)})
	w.awaitLocation()
	if of.prepare != nil {
		of.prepare(w, name)
	}
	w.arm(name)
	of.begin(w, name)
	wrong, ended := of.judge(w, name)
	running.kill()
	if len(wrong) > 0 || !strings.HasPrefix(ended, "Completed") && ended != "deleted" {
		w.t.Fatalf("undisturbed: %s, %v", ended, wrong)
	}
	calls := 0
	for _, line := range w.audit(running.name) {
		calls = max(calls, line.Number)
	}
	return calls
}

// killAll kills the manager at each call of a run, before it and after it, and returns what is wrong.
func (w *world) killAll(of subject, calls int) []string {
	w.t.Helper()
	var wrong []string
	outcomes := map[string]int{}
	kills := 0
	next := func(point int) (string, *process) {
		at, when := point/2+1, before
		if point%2 == 1 {
			when = after
		}
		name := fmt.Sprintf("%s-%s-%d", of.name, when, at)
		return name, w.manager(role{Arm: w.armed(name), At: at, When: when})
	}
	name, running := next(0)
	for point := range 2 * calls {
		w.arriveAt(running)
		if of.prepare != nil {
			of.prepare(w, name)
		}
		w.arm(name)
		of.begin(w, name)
		// A run that came to its end with fewer calls ends no manager.
		if w.awaitEnd(running) {
			kills++
		} else {
			running.kill()
		}
		judged := name
		name, running = next(point + 1)
		found, ended := of.judge(w, judged)
		outcomes[ended]++
		for _, each := range append(found, w.debris()...) {
			wrong = append(wrong, judged+": "+each)
		}
	}
	running.kill()
	w.t.Logf("%s: %d calls, %d kills, of %d points", of.name, calls, kills, 2*calls)
	for ended, number := range outcomes {
		w.t.Logf("%s: %d ended as %s", of.name, number, ended)
	}
	if kills < calls {
		wrong = append(wrong, fmt.Sprintf("only %d of %d points killed a manager", kills, 2*calls))
	}
	return append(wrong, w.createdTwice()...)
}

// arriveAt returns when the manager works: a location that is looked at is ready.
func (w *world) arriveAt(*process) {
	w.t.Helper()
	w.awaitLocation()
}

// awaitEnd returns when the process has ended, or false when it does not.
func (w *world) awaitEnd(running *process) bool {
	select {
	case <-running.ended:
		return true
	case <-clock.RealClock{}.After(20 * time.Second):
		return false
	}
}

// TestKill kills the manager at every point of a backup, a restore and a deletion.
func TestKill(t *testing.T) {
	w := newWorld(t)
	running := w.manager(role{})
	w.awaitLocation()
	w.create(w.backup("base"))
	base, ended := w.awaitBackup("base")
	if !ended || base.Status.State != kahuv1.StateCompleted {
		t.Fatalf("the base is not there: %+v", base.Status)
	}
	running.kill()
	want := w.contents(base)
	if len(want) < 9 {
		t.Fatalf("the base has %v", want)
	}
	for _, of := range []subject{backups(want), deletions(), restores()} {
		t.Run(of.name, func(t *testing.T) {
			w.t = t
			calls := w.undisturbed(of)
			for _, wrong := range w.killAll(of, calls) {
				t.Error(wrong)
			}
		})
	}
	w.t = t
}

// live returns what the application's objects say in a namespace.
func (w *world) live(namespace string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	maps, secrets := &corev1.ConfigMapList{}, &corev1.SecretList{}
	for _, list := range []struct {
		into any
		err  error
	}{
		{maps, w.client.List(w.t.Context(), maps, inApp(namespace)...)},
		{secrets, w.client.List(w.t.Context(), secrets, inApp(namespace)...)},
	} {
		if list.err != nil {
			w.t.Fatal(list.err)
		}
	}
	for _, each := range maps.Items {
		found["ConfigMap "+each.Name] = fmt.Sprint(each.Data)
	}
	for _, each := range secrets.Items {
		found["Secret "+each.Name] = fmt.Sprint(each.Data)
	}
	return found
}

var _ = syscall.SIGCONT
