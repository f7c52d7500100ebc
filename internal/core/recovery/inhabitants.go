package recovery

import (
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// given is what every cluster has in namespace default, by resource.
func given() map[string][]string {
	return map[string][]string{
		"serviceaccounts":                 {"default"},
		"configmaps":                      {"kube-root-ca.crt"},
		"services":                        {"kubernetes"},
		"endpoints":                       {"kubernetes"},
		"endpointslices.discovery.k8s.io": {"kubernetes"},
	}
}

// tokenOfDefault begins the name of the Secret that older releases of Kubernetes make for a service account.
const tokenOfDefault = "default-token-"

// IsGiven tells whether an object of namespace default is there in a cluster in which nobody lives: what Kubernetes puts there
// itself, and what is of no kind that is ever backed up.
func IsGiven(kind core.Kind, name string) bool {
	if _, never := selection.Never(kind); never {
		return true
	}
	resource := kind.GroupResource().String()
	return slices.Contains(given()[resource], name) || resource == "secrets" && strings.HasPrefix(name, tokenOfDefault)
}
