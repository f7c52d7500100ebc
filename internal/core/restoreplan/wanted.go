package restoreplan

import "github.com/soda-cdm/kahu/internal/core"

// Wanted returns what the API server wants to see before it takes an object, besides its namespace and its kind: the account
// and the classes of a Pod, and the role of a binding. What a restore makes of it before the object is made in time, although a
// dry run of the object is refused.
func Wanted(kind core.Kind, object map[string]any) []core.Key {
	metadata, _ := object["metadata"].(map[string]any)
	namespace, _ := metadata["namespace"].(string)
	switch kind.GroupResource().String() {
	case podKind:
		return wantedByPod(namespace, object)
	case "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io":
		return wantedByBinding(namespace, object)
	}
	return nil
}

func wantedByPod(namespace string, object map[string]any) []core.Key {
	spec, _ := object["spec"].(map[string]any)
	var wanted []core.Key
	if account, _ := spec["serviceAccountName"].(string); account != "" {
		wanted = append(wanted, core.Key{Resource: "serviceaccounts", Namespace: namespace, Name: account})
	}
	for _, class := range podNeeds(spec) {
		wanted = append(wanted, core.Key{Group: class.Resource.Group, Resource: class.Resource.Resource, Name: class.Name})
	}
	return wanted
}

func wantedByBinding(namespace string, object map[string]any) []core.Key {
	role, _ := object["roleRef"].(map[string]any)
	key := core.Key{Group: "rbac.authorization.k8s.io", Resource: "clusterroles"}
	if role["kind"] == "Role" {
		key.Resource, key.Namespace = "roles", namespace
	}
	key.Name, _ = role["name"].(string)
	return []core.Key{key}
}
