package manager

import (
	"testing"

	"k8s.io/client-go/rest"
)

// TestLeaseHasItsOwnConnection: clients of equal configs share a transport, and with it a connection; the one of the lease
// shares none.
func TestLeaseHasItsOwnConnection(t *testing.T) {
	config := &rest.Config{Host: "https://127.0.0.1:1", TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	transport := func(config *rest.Config) any {
		made, err := rest.TransportFor(config)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	if transport(config) != transport(rest.CopyConfig(config)) {
		t.Error("equal configs share no transport: nothing is shown here")
	}
	if transport(config) == transport(leaseConfig(config)) {
		t.Error("the lease shares the connection of everything else")
	}
}
