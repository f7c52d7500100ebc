package kill_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lease returns the lease of the manager that leads, or nil.
func (w *world) lease() *coordinationv1.Lease {
	w.t.Helper()
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: kahuNamespace, Name: "kahu-manager"}
	if err := w.client.Get(w.t.Context(), key, lease); err != nil || lease.Spec.HolderIdentity == nil {
		return nil
	}
	return lease
}

// leader returns who leads, as the lease says.
func (w *world) leader() string {
	w.t.Helper()
	if lease := w.lease(); lease != nil {
		return *lease.Spec.HolderIdentity
	}
	return ""
}

// depose gives the lease to somebody who does not exist, until it ends.
func (w *world) depose() {
	w.t.Helper()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error { // It may just have been renewed.
		lease := w.lease()
		if lease == nil {
			w.t.Fatal("nobody leads")
		}
		lease.Spec.HolderIdentity = new("somebody")
		lease.Spec.RenewTime = &metav1.MicroTime{Time: clock.RealClock{}.Now()}
		return w.client.Update(w.t.Context(), lease)
	})
	if err != nil {
		w.t.Fatal(err)
	}
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

// awaitPoint returns true when the process has ended or is stopped, and false when its run is over without that.
func (w *world) awaitPoint(running *process, over func() bool) bool {
	w.t.Helper()
	state := fmt.Sprintf("/proc/%d/stat", running.command.Process.Pid)
	halted := func() bool {
		content, err := os.ReadFile(state)
		return err == nil && strings.Contains(string(content), ") T ")
	}
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); { //nolint:forbidigo // A process is waited for.
		ending := over()
		select {
		case <-running.ended:
			return true
		case <-clock.RealClock{}.After(20 * time.Millisecond):
		}
		if halted() {
			return true
		}
		if !ending {
			continue
		}
		select { // It may be at the last of its points just now.
		case <-running.ended:
			return true
		case <-clock.RealClock{}.After(500 * time.Millisecond):
			return halted()
		}
	}
	return false
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
