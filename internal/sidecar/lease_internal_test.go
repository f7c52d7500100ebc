package sidecar

import (
	"testing"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// TestLeaseWantedByTwo: of two sidecars that find the Lease of a provider as it was, one gets it. The other one hears of it at
// once, and does not write over it.
func TestLeaseWantedByTwo(t *testing.T) {
	to := fake.NewClientBuilder().Build()
	sidecars := make([]*registrar, 2)
	for i, holder := range []string{"first", "second"} {
		options := Options{Holder: holder, Place: holder, Namespace: "kahu-system", LeaseDuration: 15 * time.Second}
		sidecars[i] = &registrar{
			cluster: to, options: options, claim: &claim{holder: holder, place: holder, clock: clock.RealClock{}},
		}
	}
	first, second := sidecars[0], sidecars[1]
	for _, when := range []string{"where there is none", "where one was given back"} {
		t.Run(when, func(t *testing.T) {
			found, err := first.lease(t.Context(), "driver")
			if err != nil {
				t.Fatal(err)
			}
			if err := second.renew(t.Context(), "driver", time.Unix(1_700_000_000, 0)); err != nil {
				t.Fatal(err)
			}
			if err := first.hold(t.Context(), found, map[string]any{"holderIdentity": "first"}); err == nil {
				t.Error("both have the Lease")
			}
			held, err := first.lease(t.Context(), "driver")
			if err != nil || *held.Spec.HolderIdentity != "second" || held.Annotations[placeAnnotation] != "second" {
				t.Errorf("held by %v, %v", held.Spec, err)
			}
			if err := second.giveBack(t.Context(), "driver"); err != nil {
				t.Fatal(err)
			}
		})
	}
}
