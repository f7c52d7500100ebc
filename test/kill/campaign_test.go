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
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	name := fmt.Sprintf("%s-whole-%d", of.name, w.starts)
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

// way is how managers are disturbed in a campaign.
type way struct {
	// stop has them stopped, to wake up when another one has gone on with the run, or ended it.
	stop bool
	// every leaves out points: one in so many is tried.
	every int
}

// disturb ends or stops a manager at each call of a run, before it and after it, and returns what is wrong. The manager
// that goes on with one run is the one that is ended in the next.
func (w *world) disturb(of subject, calls int, by way) []string {
	w.t.Helper()
	var points []int
	for point := 0; point < 2*calls; point += by.every {
		points = append(points, point)
	}
	next := func(number int) (string, *process) {
		if number == len(points) {
			return "", w.manager(role{Elect: by.stop})
		}
		at, when := points[number]/2+1, before
		if points[number]%2 == 1 {
			when = after
		}
		name := fmt.Sprintf("%s-%s-%d", of.name, when, at)
		if by.stop {
			name += "-stop"
		}
		return name, w.manager(role{Arm: w.armed(name), At: at, When: when, Stop: by.stop, Elect: by.stop})
	}
	var wrong []string
	outcomes, hit := map[string]int{}, 0
	name, running := next(0)
	for number := range points {
		if of.prepare != nil {
			of.prepare(w, name)
		}
		w.arm(name)
		of.begin(w, name)
		disturbed := w.awaitPoint(running)
		if disturbed {
			hit++
		} else {
			running.kill() // The run came to its end with fewer calls.
		}
		judged, sleeper := name, running
		sleeper.leader = w.leader()
		name, running = next(number + 1)
		wake := after
		if disturbed && by.stop && number%2 == 0 {
			wake = before
		}
		found, ended := w.judge(of, judged, sleeper, wake)
		outcomes[ended]++
		left := w.debris()
		if by.stop {
			// A manager that wakes up, writes on and loses its lead ends at once: what it wrote after the other one swept stays
			// until its Backup is deleted. No sweep by the manager that leads finds it yet.
			if len(left) > 0 {
				w.t.Logf("%s: not swept: %d files", judged, len(left))
			}
			left = nil
		}
		for _, each := range append(found, left...) {
			wrong = append(wrong, judged+": "+each)
		}
	}
	running.kill()
	if !by.stop && by.every == 1 {
		w.t.Logf("%s: %d calls, %d kills", of.name, calls, hit)
	}
	w.t.Logf("%s: of %d points before or after a call %d were tried, and %d disturbed a run", of.name, 2*calls, len(points), hit)
	for ended, number := range outcomes {
		w.t.Logf("%s: %d ended as %s", of.name, number, ended)
	}
	if 2*hit < len(points) {
		wrong = append(wrong, fmt.Sprintf("only %d of %d points disturbed a run", hit, len(points)))
	}
	return append(wrong, w.createdTwice()...)
}

// judge judges a run, and wakes its first manager where that one sleeps: before the run is over, as soon as another
// one leads, or after. It must end
// then, as another one leads.
func (w *world) judge(of subject, name string, sleeper *process, wake moment) (wrong []string, ended string) {
	w.t.Helper()
	leader := sleeper.leader
	if wake == before {
		w.awaitOtherLeader(leader)
		_ = sleeper.command.Process.Signal(syscall.SIGCONT) // Fails where it has ended.
	}
	wrong, ended = of.judge(w, name)
	_ = sleeper.command.Process.Signal(syscall.SIGCONT)
	if !w.awaitEnd(sleeper) {
		sleeper.kill()
		return append(wrong, "the manager that does not lead any more does not end"), ended
	}
	again, _ := of.judge(w, name)
	return append(wrong, again...), ended
}

// leader returns who leads, as the lease says.
func (w *world) leader() string {
	w.t.Helper()
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: kahuNamespace, Name: "kahu-manager"}
	if err := w.client.Get(w.t.Context(), key, lease); err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// awaitOtherLeader returns when another manager leads, or soon would.
func (w *world) awaitOtherLeader(before string) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * leaseDuration); w.leader() == before && time.Now().Before(deadline); { //nolint:forbidigo // A process is waited for.
		<-clock.RealClock{}.After(50 * time.Millisecond)
	}
}

// awaitEnd returns when the process has ended, or false when it does not.
func (w *world) awaitEnd(running *process) bool {
	select {
	case <-running.ended:
		return true
	case <-clock.RealClock{}.After(waitLimit):
		return false
	}
}

// awaitPoint returns when the process is ended or stopped at its point, or false when it does not come there.
func (w *world) awaitPoint(running *process) bool {
	w.t.Helper()
	stopped := fmt.Sprintf("/proc/%d/stat", running.command.Process.Pid)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); { //nolint:forbidigo // A process is waited for.
		select {
		case <-running.ended:
			return true
		case <-clock.RealClock{}.After(10 * time.Millisecond):
		}
		if content, err := os.ReadFile(stopped); err == nil && strings.Contains(string(content), ") T ") {
			return true
		}
	}
	return false
}

// prepareBase makes the backup that restores are of, and returns the world and what is in it.
func prepareBase(t *testing.T) (*world, map[string]string) {
	t.Helper()
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
	return w, want
}

// everything is the environment variable that has all points tried in all ways.
const everything = "KAHU_KILL_EVERYTHING"

// one in so many points is tried by default.
func one(in int) int {
	if os.Getenv(everything) != "" { //nolint:forbidigo // A test binary has no flags of its own.
		return 1
	}
	return in
}

// TestKill kills the manager at every point of a backup, a restore and a deletion.
func TestKill(t *testing.T) {
	w, want := prepareBase(t)
	for _, each := range []struct {
		of subject
		by way
	}{
		{backups(want), way{every: 1}},
		{deletions(), way{every: 1}},
		{restores(), way{every: 1}},
	} {
		t.Run(each.of.name, func(t *testing.T) { w.campaign(t, each.of, each.by) })
	}
}

// TestTwoManagers stops the manager that leads at points of a backup, a restore and a deletion, and wakes it when another
// one has taken its place.
func TestTwoManagers(t *testing.T) {
	w, want := prepareBase(t)
	for _, each := range []struct {
		of subject
		by way
	}{
		{backups(want), way{stop: true, every: one(4)}},
		{deletions(), way{stop: true, every: one(9)}},
		{restores(), way{stop: true, every: one(9)}},
	} {
		t.Run(each.of.name, func(t *testing.T) { w.campaign(t, each.of, each.by) })
	}
}

func (w *world) campaign(t *testing.T, of subject, by way) {
	t.Helper()
	outer := w.t
	w.t = t
	defer func() { w.t = outer }()
	calls := w.undisturbed(of)
	for _, wrong := range w.disturb(of, calls, by) {
		t.Error(wrong)
	}
}

// TestGuards has a manager sleep between its confirmation and its manifest, while another one ends the run. With the guard
// that files are created only if absent nothing is wrong; without it a campaign finds that something is.
func TestGuards(t *testing.T) {
	w, want := prepareBase(t)
	of := backups(want)
	for name, overwrite := range map[string]bool{"With": false, "Without": true} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			run := "guard-" + strings.ToLower(name)
			sleeper := w.manager(role{
				Arm: w.armed(run), At: 1, Match: "/manifest.json", When: before, Stop: true, Late: true, Overwrite: overwrite,
			})
			w.arm(run)
			of.begin(w, run)
			if !w.awaitPoint(sleeper) {
				t.Fatal("the manager does not come to its point")
			}
			other := w.manager(role{})
			found, ended := of.judge(w, run)
			if len(found) > 0 || !strings.HasPrefix(ended, "Completed") {
				t.Fatalf("%s, %v", ended, found)
			}
			other.kill()
			_ = sleeper.command.Process.Signal(syscall.SIGCONT)
			w.awaitCall(sleeper, 1)
			sleeper.kill()
			found, _ = of.judge(w, run)
			found = append(found, w.debris()...)
			t.Logf("found: %q", found)
			if overwrite != (len(found) > 0) {
				t.Errorf("found %v", found)
			}
		})
	}
}

// awaitCall returns when a manager has made a call.
func (w *world) awaitCall(running *process, number int) {
	w.t.Helper()
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); { //nolint:forbidigo // A process is waited for.
		lines := 0
		for _, line := range w.audit(running.name) {
			if line.Number == number {
				lines++
			}
		}
		if lines == 2 { // before and after
			return
		}
		<-clock.RealClock{}.After(10 * time.Millisecond)
	}
	w.t.Fatalf("call %d is not made", number)
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
