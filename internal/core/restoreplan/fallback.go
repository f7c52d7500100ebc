package restoreplan

import (
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
)

// sameForm are kinds of Kubernetes of which these versions differ in their names alone, so that an object of one is an object
// of the next. Others, such as Ingress and PodDisruptionBudget, changed their fields or what these mean, and nobody but an API
// server that has both versions can convert them. Source: the deprecated API migration guide of Kubernetes.
func sameForm() map[string][]string {
	const (
		rbac    = "rbac.authorization.k8s.io"
		storage = "storage.k8s.io"
	)
	return map[string][]string{
		"cronjobs.batch":                                           {"v1beta1", "v1"},
		"horizontalpodautoscalers.autoscaling":                     {"v2beta2", "v2"},
		"runtimeclasses.node.k8s.io":                               {"v1beta1", "v1"},
		"priorityclasses.scheduling.k8s.io":                        {"v1beta1", "v1"},
		"ingressclasses.networking.k8s.io":                         {"v1beta1", "v1"},
		"roles." + rbac:                                            {"v1beta1", "v1"},
		"rolebindings." + rbac:                                     {"v1beta1", "v1"},
		"clusterroles." + rbac:                                     {"v1beta1", "v1"},
		"clusterrolebindings." + rbac:                              {"v1beta1", "v1"},
		"storageclasses." + storage:                                {"v1beta1", "v1"},
		"csidrivers." + storage:                                    {"v1beta1", "v1"},
		"apiservices.apiregistration.k8s.io":                       {"v1beta1", "v1"},
		"flowschemas.flowcontrol.apiserver.k8s.io":                 {"v1beta3", "v1"},
		"prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": {"v1beta3", "v1"},
	}
}

// Interchangeable tells whether an object of a kind, as it is, is also one of another version. definition is that of a custom
// resource in the cluster; nil where there is none. One that says that its versions are converted by their names alone (strategy
// None) makes the API server do just that with the objects that it has.
func Interchangeable(kind core.Kind, version string, definition map[string]any) bool {
	if definition != nil {
		spec, _ := definition["spec"].(map[string]any)
		conversion, _ := spec["conversion"].(map[string]any)
		strategy, _ := conversion["strategy"].(string)
		return strategy == "" || strategy == "None"
	}
	versions := sameForm()[kind.GroupResource().String()]
	return slices.Contains(versions, kind.Version) && slices.Contains(versions, version)
}

// SendAs makes the plan send the objects of a kind in another version than the one in which they were backed up.
func (p *Plan) SendAs(kind core.Kind, version string) {
	for _, wave := range p.Waves {
		for _, item := range wave.Items {
			if item.info.GroupResource() == kind.GroupResource() {
				item.info.Version = version // Shared by all items of the kind.
				return
			}
		}
	}
}
