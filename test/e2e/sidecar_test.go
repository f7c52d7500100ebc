package e2e_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestProviderDiesAndComesBack follows a provider and its location through the death of each of its two processes.
func TestProviderDiesAndComesBack(t *testing.T) {
	w, running := newFileWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	for name, child := range map[string]string{"Driver": "provider", "Sidecar": "meta-service"} {
		t.Run(name, func(t *testing.T) {
			w := w.during(t)
			pid := running.child(child, 1)
			// A process that is frozen is not started again by its supervisor, so it stays away until it is killed.
			running.signal(pid, syscall.SIGSTOP)
			began := clock.RealClock{}.Now()
			w.awaitProvider(kahuv1.ProviderStateUnavailable)
			// The sidecar asks the driver before the lease ends, and a call that hangs has a limit of its own.
			took := clock.RealClock{}.Since(began)
			if took > 2*leaseTime+5*time.Second {
				t.Errorf("it took %s to find the provider unavailable, with a lease of %s", took, leaseTime)
			}
			location := w.awaitLocation("main", metav1.ConditionFalse)
			if found := reason(location.Status.Conditions, kahuv1.ConditionReady); found != kahuv1.ReasonProviderUnavailable {
				t.Errorf("the location's reason is %s", found)
			}
			running.signal(pid, syscall.SIGKILL)
			w.awaitProvider(kahuv1.ProviderStateAvailable)
			w.awaitLocation("main", metav1.ConditionTrue)
			w.completedBackup("after-"+child, only(namespace))
		})
	}
}

// TestOneOfTwoManagersWorks runs a second manager beside that of the tree: it waits until the first one has gone.
func TestOneOfTwoManagersWorks(t *testing.T) {
	w, running := newFileWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	lease := w.leader("")

	// It shares the certificates of the tree, as a second replica does.
	output := newLines()
	second := exec.CommandContext(t.Context(), program(t, "kahu"), "manager", "--kubeconfig", testcluster.Kubeconfig(t),
		"--pki", filepath.Join(running.state, "manager"), "--location-interval", lookEvery.String())
	second.Stdout, second.Stderr = output, output
	second.Cancel = func() error { return second.Process.Signal(syscall.SIGTERM) }
	second.WaitDelay = endLimit
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Wait() }()
	t.Cleanup(func() {
		_ = second.Process.Signal(syscall.SIGTERM) // fails if it has ended, which is as good
		<-ended
		if t.Failed() {
			t.Logf("the second manager said:\n%s", output)
		}
	})
	output.await(t, "the second manager", func(text string) bool { return strings.Contains(text, "Attempting to acquire leader lease") })
	w.completedBackup("first", only(namespace))
	if now := w.leader(""); now != lease {
		t.Errorf("the leader was %s and is %s", lease, now)
	}
	if strings.Contains(output.String(), "Starting workers") {
		t.Error("the second manager works")
	}
	running.stopChild("manager")
	if now := w.leader(lease); now == lease {
		t.Errorf("the leader is still %s", now)
	}
	w.completedBackup("second", only(namespace))
}

// leader returns who holds the lease of the managers, once that is somebody, and not the one that is given.
func (a *api) leader(not string) string {
	a.t.Helper()
	return *await(a, &coordinationv1.Lease{ObjectMeta: in(kahuNamespace, "kahu-manager")}, func(lease *coordinationv1.Lease) bool {
		holder := lease.Spec.HolderIdentity
		return holder != nil && *holder != "" && *holder != not
	}).Spec.HolderIdentity
}
