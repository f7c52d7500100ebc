package transform_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

// ruledKinds are the kinds with rules, and two without.
func ruledKinds() []core.Kind {
	return []core.Kind{
		kind("configmaps"), custom("wells.example.org"),
		kind("namespaces"), kind("secrets"), kind("persistentvolumes"), kind("persistentvolumeclaims"), kind("services"),
		kind("pods"), kind("podgroups.scheduling.k8s.io"), kind("jobs.batch"),
		kind("rolebindings.rbac.authorization.k8s.io"), kind("clusterrolebindings.rbac.authorization.k8s.io"),
		kind("networkpolicies.networking.k8s.io"), kind("apiservices.apiregistration.k8s.io"),
		kind("customresourcedefinitions.apiextensions.k8s.io"),
		kind("validatingwebhookconfigurations.admissionregistration.k8s.io"),
		kind("mutatingwebhookconfigurations.admissionregistration.k8s.io"),
		kind("clusterroles.rbac.authorization.k8s.io"), kind("flowschemas.flowcontrol.apiserver.k8s.io"),
		kind("storageclasses.storage.k8s.io"), kind("volumesnapshotcontents.snapshot.storage.k8s.io"),
		kind("validatingadmissionpolicybindings.admissionregistration.k8s.io"), kind("deployments.apps"),
	}
}

// everything has every field that any rule is about, and neighbours of each that none is about.
const everything = `{"kind": "X", "type": "kubernetes.io/service-account-token",
	"metadata": {"name": "shop", "namespace": "shop", "uid": "1", "resourceVersion": "2", "generation": 3,
		"creationTimestamp": "t", "deletionTimestamp": "t", "deletionGracePeriodSeconds": 1, "selfLink": "s",
		"managedFields": [], "finalizers": ["f"], "ownerReferences": [{"uid": "1"}],
		"labels": {"kubernetes.io/metadata.name": "shop", "controller-uid": "1", "job-name": "a", "app": "a"},
		"annotations": {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes",
			"volume.kubernetes.io/selected-node": "n", "kubernetes.io/service-account.uid": "1",
			"kubernetes.io/service-account.name": "a"}},
	"data": {"token": "a", "ca.crt": "a", "namespace": "shop", "other": "a"},
	"spec": {"volumeName": "v", "claimRef": {"uid": "1", "resourceVersion": "2", "namespace": "shop", "name": "a"},
		"type": "NodePort", "clusterIP": "1", "clusterIPs": ["1"], "ports": [{"nodePort": 1, "port": 2}],
		"healthCheckNodePort": 3, "nodeName": "n", "priority": 1, "priorityClassName": "p", "preemptionPolicy": "p",
		"overhead": {}, "ephemeralContainers": [], "containers": [{"name": "a"}],
		"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "1", "app": "a"}},
		"template": {"metadata": {"labels": {"controller-uid": "1", "job-name": "a", "app": "a"}},
			"spec": {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["shop", "a"]}]}}}},
		"service": {"namespace": "shop"},
		"conversion": {"webhook": {"clientConfig": {"service": {"namespace": "shop"}}}},
		"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]}],
		"egress": [{"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"},
			"matchExpressions": [{"key": "kubernetes.io/metadata.name", "values": ["shop", 1]}, {"key": "a", "values": ["shop"]}]}}]}],
		"volumeSnapshotRef": {"uid": "1", "resourceVersion": "2", "namespace": "shop", "name": "a"},
		"paramRef": {"namespace": "shop", "name": "shop"},
		"rules": [{"subjects": [{"group": {"name": "system:serviceaccounts:shop"}, "serviceAccount": {"namespace": "shop"}}],
			"resourceRules": [{"namespaces": ["shop"]}]}]},
	"subjects": [{"kind": "ServiceAccount", "namespace": "shop"}, {"kind": "Group", "name": "system:serviceaccounts:shop"}],
	"rules": [{"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["shop", "a"]}],
	"parameters": {"csi.storage.k8s.io/provisioner-secret-namespace": "shop", "namespace": "shop"},
	"webhooks": [{"clientConfig": {"service": {"namespace": "shop"}}, "namespaceSelector": {"matchLabels":
		{"kubernetes.io/metadata.name": "shop"}}}],
	"status": {"phase": "a"}}`

// FuzzApply checks on any JSON and all kinds that what Apply changes is what it says, that what it removes was there,
// and that it finds nothing to do when it has done its work.
func FuzzApply(f *testing.F) {
	f.Add([]byte(everything), true)
	f.Add([]byte(everything), false)
	f.Add([]byte(`{"metadata": {"finalizers": ["a", "orphan", 1, "orphan"]}, "spec": {"ipFamilyPolicy": "PreferDualStack",
		"ipFamilies": ["IPv4", "IPv6"]}}`), false)
	f.Add([]byte(`{"metadata": 1, "spec": [], "subjects": {}, "webhooks": [1, null, []], "status": null}`), true)
	f.Add([]byte(`{"metadata": {"labels": {"job-name": {}}, "namespace": 7, "annotations": []},
		"spec": {"ports": [1, {"nodePort": {}}], "manualSelector": "x", "template": {"metadata": {"labels": {"job-name": {}}}}}}`), true)
	f.Add([]byte(`{"metadata": {"labels": {"app": "a"}}, "spec": {"template": {"metadata": {"labels":
		{"app": "a", "controller-uid": "1", "job-name": "a"}}}}}`), false)
	f.Fuzz(func(t *testing.T, text []byte, mapped bool) {
		var probe map[string]any
		if json.Unmarshal(text, &probe) != nil {
			t.Skip()
		}
		options := transform.Options{}
		if mapped {
			options.NamespaceMapping = map[string]string{"shop": "stage", "stage": "shop"}
		}
		transformer := transform.New(options)
		for _, kind := range ruledKinds() {
			before, after := object(t, string(text)), object(t, string(text))
			changes := transformer.Apply(kind, after)
			checkSaid(t, kind, difference("", before, after), changes)
			if again := transform.New(transform.Options{}).Apply(kind, after); len(again) > 0 {
				t.Errorf("%s: applied once more, it changes %v", kind, again)
			}
		}
	})
}

// FuzzNamespaces maps any two namespaces to each other in any object of all kinds: to do so twice gives back the object,
// and a namespace that is mapped to itself changes nothing.
func FuzzNamespaces(f *testing.F) {
	f.Add([]byte(everything), "shop", "stage")
	f.Add([]byte(everything), "a", "shop")
	f.Add([]byte(everything), "shop", "kube-system")
	f.Add([]byte(`{"metadata": {"namespace": "shop", "name": "stage"}, "webhooks": [{"namespaceSelector": {"matchExpressions":
		[{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "stage", "shop"]}]}}]}`), "shop", "stage")
	f.Add([]byte(`{"subjects": [{"kind": "User", "name": "system:serviceaccount:shop:shop"}, {"kind": "Group",
		"name": "system:serviceaccounts:shop"}], "roleRef": {"name": "shop"}}`), "shop", "shop2")
	f.Fuzz(func(t *testing.T, text []byte, one, other string) {
		var probe map[string]any
		if json.Unmarshal(text, &probe) != nil || len(validation.IsDNS1123Label(one)) > 0 || len(validation.IsDNS1123Label(other)) > 0 {
			t.Skip()
		}
		same := transform.New(transform.Options{NamespaceMapping: map[string]string{one: one}})
		swap := transform.New(transform.Options{NamespaceMapping: map[string]string{one: other, other: one}})
		for _, kind := range ruledKinds() {
			plain := object(t, string(text))
			transform.New(transform.Options{}).Apply(kind, plain)
			if kind.Resource == "persistentvolumeclaims" { // In another namespace a claim is another one, and binds anew.
				swap.Apply(kind, plain)
				swap.Apply(kind, plain)
			}
			mapped := runtime.DeepCopyJSON(plain)
			if changes := same.Apply(kind, mapped); len(changes) > 0 || !cmp.Equal(plain, mapped) {
				t.Errorf("%s: mapped to itself: %v", kind, changes)
			}
			swap.Apply(kind, mapped)
			swap.Apply(kind, mapped)
			if diff := cmp.Diff(plain, mapped); diff != "" {
				t.Errorf("%s: mapped there and back (-want +got):\n%s", kind, diff)
			}
		}
	})
}

// checkSaid compares the paths that were changed with those that were said to be.
func checkSaid(t *testing.T, kind core.Kind, changed []string, said []transform.Change) {
	t.Helper()
	var paths []string
	for _, change := range said {
		paths = append(paths, change.Path)
	}
	slices.Sort(paths)
	slices.Sort(changed)
	if diff := cmp.Diff(changed, paths); diff != "" {
		t.Errorf("%s: changed paths (-in truth +said):\n%s", kind, diff)
	}
}

// difference returns the paths of what was removed from or changed in a value. Lists must keep their lengths.
func difference(path string, before, after any) []string {
	switch before := before.(type) {
	case map[string]any:
		after, isMap := after.(map[string]any)
		if !isMap {
			return []string{path}
		}
		var paths []string
		for _, key := range slices.Sorted(maps.Keys(before)) {
			inner := path + "." + key
			if strings.ContainsAny(key, "./'") {
				inner = path + "['" + key + "']"
			}
			inner = strings.TrimPrefix(inner, ".")
			value, found := after[key]
			if !found {
				paths = append(paths, inner)
				continue
			}
			paths = append(paths, difference(inner, before[key], value)...)
		}
		for key := range after {
			if _, found := before[key]; !found {
				paths = append(paths, path+" has a new key "+key)
			}
		}
		return paths
	case []any:
		after, isList := after.([]any)
		if !isList || len(after) != len(before) {
			return []string{path}
		}
		var paths []string
		for i := range before {
			paths = append(paths, difference(fmt.Sprintf("%s[%d]", path, i), before[i], after[i])...)
		}
		return paths
	}
	if before != after {
		return []string{path}
	}
	return nil
}

// An object that has everything loses what the rules for its kind say.
func TestEverything(t *testing.T) {
	t.Parallel()
	common := []string{
		"metadata.creationTimestamp", "metadata.deletionGracePeriodSeconds", "metadata.deletionTimestamp",
		"metadata.generation", "metadata.managedFields", "metadata.resourceVersion", "metadata.selfLink", "metadata.uid",
	}
	want := map[string][]string{
		"configmaps": {"status"},
		"secrets": {
			"data.namespace", "data.token", "data['ca.crt']", "metadata.annotations['kubernetes.io/service-account.uid']",
			"status",
		},
		"persistentvolumes":      {"spec.claimRef.resourceVersion", "spec.claimRef.uid", "status"},
		"persistentvolumeclaims": {"metadata.annotations['pv.kubernetes.io/bind-completed']", "status"},
		"services": {
			"spec.clusterIP", "spec.clusterIPs", "spec.healthCheckNodePort", "spec.ports[0].nodePort", "status",
		},
		"pods": {
			"spec.ephemeralContainers", "spec.nodeName", "spec.overhead", "spec.preemptionPolicy", "spec.priority", "status",
		},
		"jobs.batch": {
			"metadata.labels.controller-uid", "spec.selector.matchLabels['batch.kubernetes.io/controller-uid']",
			"spec.template.metadata.labels.controller-uid", "spec.template.metadata.labels.job-name", "status",
		},
		"namespaces": {"status"},
	}
	for name, paths := range want {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := object(t, everything), object(t, everything)
			transform.New(transform.Options{}).Apply(kind(name), after)
			got := difference("", before, after)
			wanted := append(slices.Clone(common), paths...)
			slices.Sort(got)
			slices.Sort(wanted)
			if diff := cmp.Diff(wanted, got); diff != "" {
				t.Errorf("changed paths (-want +got):\n%s", diff)
			}
		})
	}
}
