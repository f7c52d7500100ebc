package provider_test

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/provider"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

// TestClocksMayDiffer: a sidecar that renews its lease is alive whatever its clock says, and one that does not is not.
func TestClocksMayDiffer(t *testing.T) {
	t.Parallel()
	const duration = 15
	for name, test := range map[string]struct {
		ahead time.Duration // by how much the sidecar's clock is ahead of the manager's
		first kahuv1.ProviderState
	}{
		"Same":   {0, kahuv1.ProviderStateAvailable},
		"Ahead":  {time.Hour, kahuv1.ProviderStateAvailable},
		"Behind": {-time.Hour, kahuv1.ProviderStateUnavailable}, // until a renewal is seen: it may be an old lease
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := clocktesting.NewFakeClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
			state, renew := world(t, clock, test.ahead, duration)
			if got := state(); got != test.first {
				t.Errorf("at first it is %s, want %s", got, test.first)
			}
			clock.Step(5 * time.Second)
			renew()
			if got := state(); got != kahuv1.ProviderStateAvailable {
				t.Errorf("after a renewal it is %s", got)
			}
			clock.Step((duration + 1) * time.Second)
			if got := state(); got != kahuv1.ProviderStateUnavailable {
				t.Errorf("without a renewal it is %s", got)
			}
		})
	}
}

// world returns what judges the only provider, and what renews its lease.
func world(t *testing.T, clock *clocktesting.FakeClock, ahead time.Duration, duration int32) (state func() kahuv1.ProviderState, renew func()) {
	t.Helper()
	registered := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "files"}}
	registered.Status.LeaseName, registered.Status.Endpoint.Address = "files", "127.0.0.1:1"
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "kahu-system", Name: "files", UID: "an-uid"}}
	lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &duration, &metav1.MicroTime{Time: clock.Now().Add(ahead)}
	to := fakeapi.New(t, coordinationv1.AddToScheme).WithObjects(registered, lease).WithStatusSubresource(registered).Build()
	loop := (&provider.Controller{Client: to, Leases: to, Namespace: "kahu-system", Clock: clock}).Loop()
	state = func() kahuv1.ProviderState {
		t.Helper()
		if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "files"}}); err != nil {
			t.Fatal(err)
		}
		seen := &kahuv1.Provider{}
		if err := to.Get(t.Context(), client.ObjectKey{Name: "files"}, seen); err != nil {
			t.Fatal(err)
		}
		return seen.Status.State
	}
	renew = func() {
		t.Helper()
		lease.Spec.RenewTime = &metav1.MicroTime{Time: clock.Now().Add(ahead)}
		if err := to.Update(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
	}
	return state, renew
}
