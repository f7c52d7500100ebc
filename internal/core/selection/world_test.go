package selection_test

import (
	"encoding/json"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soda-cdm/kahu/internal/core"
)

// kinds is what the cluster of these tests serves.
func kinds() []core.Kind {
	custom := func(kind core.Kind) core.Kind {
		kind.Custom = true
		return kind
	}
	return []core.Kind{
		namespaced("", "v1", "ConfigMap", "configmaps", "cm"),
		namespaced("", "v1", "Event", "events", "ev"),
		clustered("", "v1", "Namespace", "namespaces", "ns"),
		clustered("", "v1", "Node", "nodes", "no"),
		namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc"),
		clustered("", "v1", "PersistentVolume", "persistentvolumes", "pv"),
		namespaced("", "v1", "Pod", "pods", "po"),
		namespaced("", "v1", "Secret", "secrets"),
		namespaced("", "v1", "ServiceAccount", "serviceaccounts", "sa"),
		namespaced("", "v1", "Service", "services", "svc"),
		clustered("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "crd", "crds"),
		clustered("apiregistration.k8s.io", "v1", "APIService", "apiservices"),
		namespaced("apps", "v1", "Deployment", "deployments", "deploy"),
		namespaced("apps", "v1", "StatefulSet", "statefulsets", "sts"),
		namespaced("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa"),
		clustered("certificates.k8s.io", "v1beta1", "ClusterTrustBundle", "clustertrustbundles"),
		namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
		namespaced("extensions", "v1beta1", "Deployment", "deployments", "deploy"),
		namespaced("extensions", "v1beta1", "Ingress", "ingresses", "ing"),
		custom(clustered("kahu.io", "v1beta1", "Backup", "backups", "kbak")),
		namespaced("networking.k8s.io", "v1", "Ingress", "ingresses", "ing"),
		namespaced("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol"),
		namespaced("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb"),
		clustered("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles"),
		clustered("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings"),
		namespaced("rbac.authorization.k8s.io", "v1", "Role", "roles"),
		namespaced("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
		clustered("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc"),
		custom(namespaced("serving.example.com", "v1", "Service", "services", "ksvc")),
		custom(namespaced("shop.example.com", "v1", "Widget", "widgets", "wd")),
		clustered("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc"),
	}
}

func namespaced(group, version, name, resource string, short ...string) core.Kind {
	kind := clustered(group, version, name, resource, short...)
	kind.Namespaced = true
	return kind
}

func clustered(group, version, name, resource string, short ...string) core.Kind {
	return core.Kind{Group: group, Version: version, Name: name, Resource: resource, ShortNames: short}
}

// kind returns one of the kinds, by resource.group or the resource of the core group.
func kind(t *testing.T, called string) core.Kind {
	t.Helper()
	all := kinds()
	at := slices.IndexFunc(all, func(kind core.Kind) bool { return kind.GroupResource().String() == called })
	if at < 0 {
		t.Fatalf("the test names %q, which is not among its kinds", called)
	}
	return all[at]
}

// object returns an object of the kind with the content that is given as YAML.
func object(t *testing.T, called, namespace, name, content string) core.Object {
	t.Helper()
	fields := map[string]any{}
	if err := yaml.Unmarshal([]byte(content), &fields); err != nil {
		t.Fatalf("reading the YAML of the test: %v", err)
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return core.Object{Kind: kind(t, called), Namespace: namespace, Name: name, JSON: encoded}
}
