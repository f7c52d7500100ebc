// Package fakeapi is a client that keeps Kahu's kinds in memory, for tests that need no API server.
package fakeapi

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// New begins a client that knows Kahu's kinds, and those that others add.
func New(tb testing.TB, others ...func(*runtime.Scheme) error) *fake.ClientBuilder {
	tb.Helper()
	scheme := runtime.NewScheme()
	for _, add := range append(others, kahuv1.AddToScheme) {
		if err := add(scheme); err != nil {
			tb.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme)
}
