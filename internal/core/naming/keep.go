package naming

import (
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// keeper tells why an object keeps its name; nothing where it does not.
type keeper func(kind core.Kind, namespace, name string, labels map[string]string) string

// keepers are the reasons for which objects keep their names, the first one wins. docs/restore.md has the same list.
func keepers() []keeper {
	return []keeper{keepsAtCluster, keepsOfCluster, keepsOfEveryNamespace}
}

// Keeps returns why an object of the backup keeps its name whatever the prefix is; empty where it gets the prefix.
func Keeps(kind core.Kind, namespace, name string, labels map[string]string) string {
	for _, keeps := range keepers() {
		if why := keeps(kind, namespace, name, labels); why != "" {
			return why
		}
	}
	return ""
}

// Chooses tells whether objects of a kind choose pods by labels, which a prefix does not change: two of different names in one
// namespace choose the same.
func Chooses(kind core.Kind) bool {
	switch kind.GroupResource().String() {
	case "services", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy", "networkpolicies.networking.k8s.io":
		return true
	}
	return false
}

// bootstrapped is the label of roles and bindings that the API server makes itself.
const bootstrapped = "kubernetes.io/bootstrapping"

// keepsAtCluster: at cluster scope only what gives rights gets the prefix, as the rights of accounts with other names hang
// on it.
func keepsAtCluster(kind core.Kind, _, name string, labels map[string]string) string {
	if kind.Namespaced {
		return ""
	}
	switch kind.GroupResource().String() {
	case "clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io":
		if labels[bootstrapped] != "" || strings.HasPrefix(name, "system:") {
			return "the API server makes it, and looks for it by its name"
		}
		return ""
	case "namespaces":
		return "a namespace gets another name by namespaceMapping"
	case "persistentvolumes", "volumesnapshotcontents.snapshot.storage.k8s.io",
		"volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io":
		return "it stands for a piece of storage: two of different names would stand for the same data"
	}
	return "at cluster scope a name is an identity: of a class, a definition, or a rule for the whole cluster"
}

// keepsOfCluster: what is in the namespaces of Kubernetes itself is looked for by name.
func keepsOfCluster(kind core.Kind, namespace, name string, labels map[string]string) string {
	const why = "the cluster itself looks for it by its name"
	switch {
	case slices.Contains([]string{"kube-system", "kube-public", "kube-node-lease"}, namespace):
		return why
	case namespace == "default" && name == "kubernetes" && slices.Contains(
		[]string{"services", "endpoints", "endpointslices.discovery.k8s.io"}, kind.GroupResource().String()):
		return why
	case labels[bootstrapped] != "":
		return why
	}
	return ""
}

// keepsOfEveryNamespace: what Kubernetes makes in every namespace has one name everywhere.
func keepsOfEveryNamespace(kind core.Kind, namespace, name string, _ map[string]string) string {
	const why = "Kubernetes makes one of this name in every namespace"
	switch kind.GroupResource().String() {
	case "serviceaccounts":
		if namespace != "" && name == "default" {
			return why
		}
	case "configmaps":
		if name == "kube-root-ca.crt" {
			return why
		}
	}
	return ""
}
