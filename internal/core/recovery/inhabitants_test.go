package recovery_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/recovery"
)

func TestIsGiven(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		group, resource, name string
		want                  bool
	}{
		"the API itself":          {"", "services", "kubernetes", true},
		"where the API is":        {"discovery.k8s.io", "endpointslices", "kubernetes", true},
		"who nobody is":           {"", "serviceaccounts", "default", true},
		"an authority":            {"", "configmaps", "kube-root-ca.crt", true},
		"a token of old":          {"", "secrets", "default-token-x7k2p", true},
		"what happened":           {"", "events", "anything", true},
		"who leads":               {"coordination.k8s.io", "leases", "anything", true},
		"a service":               {"", "services", "web", false},
		"an account":              {"", "serviceaccounts", "web", false},
		"settings":                {"", "configmaps", "settings", false},
		"a secret":                {"", "secrets", "password", false},
		"a workload":              {"apps", "deployments", "web", false},
		"one with a name of ours": {"apps", "deployments", "kubernetes", false},
		"of another group":        {"example.com", "services", "kubernetes", false},
		"of a kind of its own":    {"example.com", "widgets", "w", false},
	} {
		kind := core.Kind{Group: test.group, Version: "v1", Resource: test.resource, Namespaced: true}
		if got := recovery.IsGiven(kind, test.name); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
