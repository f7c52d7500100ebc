package reconcile_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/reconcile"
)

func TestGate(t *testing.T) {
	gate := reconcile.NewGate(2)
	enter := func(group string, want bool) func() {
		t.Helper()
		leave, ok := gate.Enter(group)
		if ok != want {
			t.Fatalf("%s: %t", group, ok)
		}
		return leave
	}
	first := enter("a", true)
	enter("a", true)
	enter("a", false)
	enter("b", true)
	first()
	first() // Once is enough.
	enter("a", true)
	enter("a", false)
}
