package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

func TestApply(t *testing.T) {
	t.Parallel()
	swap := transform.Options{NamespaceMapping: map[string]string{"shop": "stage", "stage": "shop"}}
	chain := transform.Options{NamespaceMapping: map[string]string{"shop": "stage", "stage": "old"}}
	cases := map[string]struct {
		reason  string
		options transform.Options
		kind    core.Kind
		object  string
		want    string
		paths   []string
	}{
		"metadata": {
			reason: "what the API server wrote goes, what the author wrote stays",
			kind:   kind("configmaps"),
			object: `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
				"name": "a", "generateName": "a-", "namespace": "shop", "uid": "1", "resourceVersion": "7", "generation": 3,
				"creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
				"deletionGracePeriodSeconds": 30, "selfLink": "/x", "managedFields": [{"manager": "kubectl"}],
				"labels": {"app": "a"}, "annotations": {"note": "b"}, "finalizers": ["example.org/keep"],
				"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "b", "uid": "2"}]},
				"data": {"key": "value"}, "immutable": true}`,
			want: `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
				"name": "a", "generateName": "a-", "namespace": "shop",
				"labels": {"app": "a"}, "annotations": {"note": "b"}, "finalizers": ["example.org/keep"],
				"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "b", "uid": "2"}]},
				"data": {"key": "value"}, "immutable": true}`,
			paths: []string{
				"metadata.uid", "metadata.resourceVersion", "metadata.generation", "metadata.creationTimestamp",
				"metadata.selfLink", "metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds",
				"metadata.managedFields",
			},
		},
		"finalizers": {
			reason: "what deleted the old object does not wait in the new one; what else sets finalizers is there or is restored",
			kind:   custom("wells.example.org"),
			object: `{"metadata": {"finalizers": ["example.org/keep", "foregroundDeletion", "orphan",
				"kubernetes.io/pvc-protection", "batch.kubernetes.io/job-tracking"]}}`,
			want:  `{"metadata": {"finalizers": ["example.org/keep", "kubernetes.io/pvc-protection"]}}`,
			paths: []string{"metadata.finalizers"},
		},
		"finalizers that all go": {
			kind:   kind("services"),
			object: `{"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}}`,
			want:   `{"metadata": {}}`,
			paths:  []string{"metadata.finalizers"},
		},
		"status of a built-in kind": {
			reason: "the API server does not take it",
			kind:   kind("deployments.apps"),
			object: `{"metadata": {"name": "a"}, "spec": {"replicas": 2}, "status": {"replicas": 2}}`,
			want:   `{"metadata": {"name": "a"}, "spec": {"replicas": 2}}`,
			paths:  []string{"status"},
		},
		"status of a custom kind": {
			reason: "a definition without a status subresource keeps its own data there",
			kind:   custom("wells.example.org"),
			object: `{"metadata": {"name": "a"}, "status": {"depth": 2}}`,
			want:   `{"metadata": {"name": "a"}, "status": {"depth": 2}}`,
		},
		"definition": {
			reason: "the status goes, the conversion stays",
			kind:   kind("customresourcedefinitions.apiextensions.k8s.io"),
			object: `{"metadata": {"name": "wells.example.org"}, "status": {"storedVersions": ["v1"]},
				"spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {
				"caBundle": "Q0E=", "service": {"namespace": "shop", "name": "hook"}}}}}}`,
			want: `{"metadata": {"name": "wells.example.org"},
				"spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {
				"caBundle": "Q0E=", "service": {"namespace": "shop", "name": "hook"}}}}}}`,
			paths: []string{"status"},
		},
		"definition whose conversion is in a mapped namespace": {
			options: swap,
			kind:    kind("customresourcedefinitions.apiextensions.k8s.io"),
			object:  `{"spec": {"conversion": {"webhook": {"clientConfig": {"service": {"namespace": "shop"}}}}}}`,
			want:    `{"spec": {"conversion": {"webhook": {"clientConfig": {"service": {"namespace": "stage"}}}}}}`,
			paths:   []string{"spec.conversion.webhook.clientConfig.service.namespace"},
		},
		"namespaced object, one of a swap": {
			options: swap, kind: kind("configmaps"),
			object: `{"metadata": {"name": "a", "namespace": "shop"}}`,
			want:   `{"metadata": {"name": "a", "namespace": "stage"}}`,
			paths:  []string{"metadata.namespace"},
		},
		"namespaced object, the other one of a swap": {
			options: swap, kind: kind("configmaps"),
			object: `{"metadata": {"name": "a", "namespace": "stage"}}`,
			want:   `{"metadata": {"name": "a", "namespace": "shop"}}`,
			paths:  []string{"metadata.namespace"},
		},
		"namespaced object, the beginning of a chain": {
			reason:  "the mapping is applied once",
			options: chain, kind: kind("configmaps"),
			object: `{"metadata": {"name": "a", "namespace": "shop"}}`,
			want:   `{"metadata": {"name": "a", "namespace": "stage"}}`,
			paths:  []string{"metadata.namespace"},
		},
		"object with the name of a mapped namespace": {
			options: swap, kind: kind("clusterroles.rbac.authorization.k8s.io"),
			object: `{"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}}}`,
			want:   `{"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}}}`,
		},
		"namespace": {
			kind: kind("namespaces"),
			object: `{"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}},
				"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}`,
			want: `{"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}},
				"spec": {"finalizers": ["kubernetes"]}}`,
			paths: []string{"status"},
		},
		"mapped namespace": {
			options: swap, kind: kind("namespaces"),
			object: `{"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop", "team": "shop"}}}`,
			want:   `{"metadata": {"name": "stage", "labels": {"kubernetes.io/metadata.name": "stage", "team": "shop"}}}`,
			paths:  []string{"metadata.name", "metadata.labels['kubernetes.io/metadata.name']"},
		},
		"bindings": {
			reason:  "service accounts are mapped in all the ways in which they are named, nothing else is",
			options: swap, kind: kind("clusterrolebindings.rbac.authorization.k8s.io"),
			object: `{"roleRef": {"kind": "ClusterRole", "name": "shop"}, "subjects": [
				{"kind": "ServiceAccount", "name": "shop", "namespace": "shop"},
				{"kind": "ServiceAccount", "name": "a", "namespace": "stage"},
				{"kind": "ServiceAccount", "name": "a", "namespace": "other"},
				{"kind": "Group", "name": "system:serviceaccounts:shop"},
				{"kind": "Group", "name": "system:serviceaccounts"},
				{"kind": "Group", "name": "shop"},
				{"kind": "User", "name": "system:serviceaccount:stage:shop"},
				{"kind": "User", "name": "shop"}]}`,
			want: `{"roleRef": {"kind": "ClusterRole", "name": "shop"}, "subjects": [
				{"kind": "ServiceAccount", "name": "shop", "namespace": "stage"},
				{"kind": "ServiceAccount", "name": "a", "namespace": "shop"},
				{"kind": "ServiceAccount", "name": "a", "namespace": "other"},
				{"kind": "Group", "name": "system:serviceaccounts:stage"},
				{"kind": "Group", "name": "system:serviceaccounts"},
				{"kind": "Group", "name": "shop"},
				{"kind": "User", "name": "system:serviceaccount:shop:shop"},
				{"kind": "User", "name": "shop"}]}`,
			paths: []string{
				"subjects[0].namespace", "subjects[1].namespace", "subjects[3].name", "subjects[6].name",
			},
		},
		"role binding in a mapped namespace": {
			options: swap, kind: kind("rolebindings.rbac.authorization.k8s.io"),
			object: `{"metadata": {"namespace": "shop"}, "subjects": [{"kind": "ServiceAccount", "namespace": "shop"}]}`,
			want:   `{"metadata": {"namespace": "stage"}, "subjects": [{"kind": "ServiceAccount", "namespace": "stage"}]}`,
			paths:  []string{"metadata.namespace", "subjects[0].namespace"},
		},
		"webhooks": {
			reason:  "the service and the selector are mapped, the certificates stay",
			options: swap, kind: kind("validatingwebhookconfigurations.admissionregistration.k8s.io"),
			object: `{"webhooks": [
				{"clientConfig": {"url": "https://shop"}},
				{"clientConfig": {"caBundle": "Q0E=", "service": {"namespace": "shop", "name": "a"}},
				"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "stage"}}}]}`,
			want: `{"webhooks": [
				{"clientConfig": {"url": "https://shop"}},
				{"clientConfig": {"caBundle": "Q0E=", "service": {"namespace": "stage", "name": "a"}},
				"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]}`,
			paths: []string{
				"webhooks[1].clientConfig.service.namespace",
				"webhooks[1].namespaceSelector.matchLabels['kubernetes.io/metadata.name']",
			},
		},
		"API service": {
			options: swap, kind: kind("apiservices.apiregistration.k8s.io"),
			object: `{"spec": {"caBundle": "Q0E=", "service": {"namespace": "shop", "name": "a"}}}`,
			want:   `{"spec": {"caBundle": "Q0E=", "service": {"namespace": "stage", "name": "a"}}}`,
			paths:  []string{"spec.service.namespace"},
		},
		"network policy": {
			options: swap, kind: kind("networkpolicies.networking.k8s.io"),
			object: `{"spec": {
				"ingress": [{"from": [{"podSelector": {}},
					{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop", "app": "shop"}}}]}],
				"egress": [{}, {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "stage"}}}]}]}}`,
			want: `{"spec": {
				"ingress": [{"from": [{"podSelector": {}},
					{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "stage", "app": "shop"}}}]}],
				"egress": [{}, {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]}]}}`,
			paths: []string{
				"spec.ingress[0].from[1].namespaceSelector.matchLabels['kubernetes.io/metadata.name']",
				"spec.egress[1].to[0].namespaceSelector.matchLabels['kubernetes.io/metadata.name']",
			},
		},
		"network policy with expressions": {
			reason:  "a namespace is named by its label in expressions as well",
			options: chain, kind: kind("networkpolicies.networking.k8s.io"),
			object: `{"spec": {"ingress": [{"from": [{"namespaceSelector": {"matchExpressions": [
				{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["other", "shop", "stage"]},
				{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]},
				{"key": "kubernetes.io/metadata.name", "operator": "Exists"},
				{"key": "team", "operator": "In", "values": ["shop"]}]}}]}]}}`,
			want: `{"spec": {"ingress": [{"from": [{"namespaceSelector": {"matchExpressions": [
				{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["other", "stage", "old"]},
				{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["stage"]},
				{"key": "kubernetes.io/metadata.name", "operator": "Exists"},
				{"key": "team", "operator": "In", "values": ["shop"]}]}}]}]}}`,
			paths: []string{
				"spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values[1]",
				"spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values[2]",
				"spec.ingress[0].from[0].namespaceSelector.matchExpressions[1].values[0]",
			},
		},
		"role": {
			reason:  "rights to single namespaces follow them, rights to other things of that name do not",
			options: swap, kind: kind("clusterroles.rbac.authorization.k8s.io"),
			object: `{"rules": [
				{"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["shop", "other"]},
				{"apiGroups": ["*"], "resources": ["*"], "resourceNames": ["stage"]},
				{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["shop"]},
				{"apiGroups": ["apps"], "resources": ["namespaces"], "resourceNames": ["shop"]}]}`,
			want: `{"rules": [
				{"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["stage", "other"]},
				{"apiGroups": ["*"], "resources": ["*"], "resourceNames": ["shop"]},
				{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["shop"]},
				{"apiGroups": ["apps"], "resources": ["namespaces"], "resourceNames": ["shop"]}]}`,
			paths: []string{"rules[0].resourceNames[0]", "rules[1].resourceNames[0]"},
		},
		"flow schema": {
			options: swap, kind: kind("flowschemas.flowcontrol.apiserver.k8s.io"),
			object: `{"spec": {"rules": [{"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "shop", "name": "*"}},
				{"kind": "Group", "group": {"name": "system:serviceaccounts:shop"}},
				{"kind": "User", "user": {"name": "system:serviceaccount:stage:a"}}],
				"resourceRules": [{"namespaces": ["shop", "*"]}]}]}}`,
			want: `{"spec": {"rules": [{"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "stage", "name": "*"}},
				{"kind": "Group", "group": {"name": "system:serviceaccounts:stage"}},
				{"kind": "User", "user": {"name": "system:serviceaccount:shop:a"}}],
				"resourceRules": [{"namespaces": ["stage", "*"]}]}]}}`,
			paths: []string{
				"spec.rules[0].subjects[1].group.name", "spec.rules[0].subjects[2].user.name",
				"spec.rules[0].subjects[0].serviceAccount.namespace", "spec.rules[0].resourceRules[0].namespaces[0]",
			},
		},
		"storage class": {
			reason:  "patterns are filled in by the driver, and other parameters are its own",
			options: swap, kind: kind("storageclasses.storage.k8s.io"),
			object: `{"parameters": {"csi.storage.k8s.io/provisioner-secret-namespace": "shop", "namespace": "shop",
				"csi.storage.k8s.io/node-stage-secret-namespace": "${pvc.namespace}"}}`,
			want: `{"parameters": {"csi.storage.k8s.io/provisioner-secret-namespace": "stage", "namespace": "shop",
				"csi.storage.k8s.io/node-stage-secret-namespace": "${pvc.namespace}"}}`,
			paths: []string{"parameters['csi.storage.k8s.io/provisioner-secret-namespace']"},
		},
		"content of a snapshot": {
			options: swap, kind: kind("volumesnapshotcontents.snapshot.storage.k8s.io"),
			object: `{"spec": {"volumeSnapshotRef": {"namespace": "shop", "name": "a", "uid": "1", "resourceVersion": "2"}}}`,
			want:   `{"spec": {"volumeSnapshotRef": {"namespace": "stage", "name": "a"}}}`,
			paths: []string{
				"spec.volumeSnapshotRef.uid", "spec.volumeSnapshotRef.resourceVersion", "spec.volumeSnapshotRef.namespace",
			},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkApply(t, transform.New(test.options), test.kind, [2]string{test.object, test.want}, test.paths)
		})
	}
}

// checkApply applies the transformer to the first object and expects the second one and changes at these paths.
func checkApply(t *testing.T, transformer *transform.Transformer, kind core.Kind, objects [2]string, paths []string) {
	t.Helper()
	got := object(t, objects[0])
	var found []string
	for _, change := range transformer.Apply(kind, got) {
		if change.Reason == "" {
			t.Errorf("%s was changed without a reason", change.Path)
		}
		found = append(found, change.Path)
	}
	if diff := cmp.Diff(object(t, objects[1]), got); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(paths, found); diff != "" {
		t.Errorf("changed paths (-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	transformer := transform.New(transform.Options{NamespaceMapping: map[string]string{"a": "b", "b": "a", "c": ""}})
	for name, want := range map[string]string{"a": "b", "b": "a", "c": "c", "d": "d", "": ""} {
		if got := transformer.Namespace(name); got != want {
			t.Errorf("namespace %q is %q, want %q", name, got, want)
		}
		if got := transformer.Key(kind("namespaces"), core.Key{Name: name}).Name; got != want {
			t.Errorf("the name of namespace %q is %q, want %q", name, got, want)
		}
		if got := transformer.Key(kind("configmaps"), core.Key{Name: name}).Name; got != name {
			t.Errorf("the name of config map %q is %q", name, got)
		}
		if got := transformer.Key(custom("namespaces.example.org"), core.Key{Name: name}).Name; got != name {
			t.Errorf("the name of a foreign kind's object %q is %q", name, got)
		}
	}
}

func TestCollision(t *testing.T) {
	t.Parallel()
	mapping := map[string]string{"a": "b", "b": "a", "c": "d"}
	cases := map[string]struct {
		namespaces []string
		want       [3]string
	}{
		"nothing":                         {},
		"swap":                            {namespaces: []string{"a", "b", "c", "e"}},
		"onto one that is not mapped":     {namespaces: []string{"a", "c", "d"}, want: [3]string{"c", "d", "d"}},
		"onto one that is not restored":   {namespaces: []string{"c"}},
		"one that is named twice is none": {namespaces: []string{"c", "c"}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second, target := transform.New(transform.Options{NamespaceMapping: mapping}).Collision(test.namespaces)
			if got := [3]string{first, second, target}; got != test.want {
				t.Errorf("collision is %v, want %v", got, test.want)
			}
		})
	}
}

// An object is made one of the version in which it is sent.
func TestVersion(t *testing.T) {
	t.Parallel()
	made := object(t, `{"apiVersion": "example.org/v1alpha1", "kind": "Well"}`)
	changes := transform.New(transform.Options{}).Apply(custom("wells.example.org"), made)
	if made["apiVersion"] != "example.org/v1" || len(changes) != 1 || changes[0].Path != "apiVersion" {
		t.Errorf("got %v with the changes %v", made, changes)
	}
}
