package transform_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// Whatever names a namespace names the mapped one when it comes back, where namespaces change places and where one takes
// the name of the next: the API server accepts what comes, and has nothing else to say about it.
func TestReferencesToMappedNamespaces(t *testing.T) {
	t.Parallel()
	const pod = `"spec": {"containers": [{"name": "a", "image": "example.org/a"}], "affinity": {"podAntiAffinity": {
		"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone", "namespaces": ["NS", "OTHER"],
			"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["OTHER"]}]}}]}}}`
	const webhooks = `"webhooks": [{"name": "a.example.org", "sideEffects": "None", "admissionReviewVersions": ["v1"],
		"clientConfig": {"service": {"namespace": "OTHER", "name": "a"}},
		"rules": [{"apiGroups": ["nobody.example.org"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}],
		"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "NS"},
			"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["NS", "OTHER", "elsewhere"]}]}}]`
	const subjects = `"subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "NS"},
		{"kind": "ServiceAccount", "name": "a", "namespace": "OTHER"},
		{"kind": "ServiceAccount", "name": "a", "namespace": "elsewhere"},
		{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccount:OTHER:a"},
		{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts:NS"}]`
	cases := map[string]struct {
		kind   core.Kind
		object string
	}{
		"network policy": {kindOf("networkpolicies.networking.k8s.io.v1", true), `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
			"metadata": {"name": "a"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"],
			"ingress": [{"from": [{"namespaceSelector": {"matchExpressions": [
				{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["NS", "OTHER"]}]}}]}],
			"egress": [{"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "OTHER"}}}]}]}}`},
		"role binding": {kindOf("rolebindings.rbac.authorization.k8s.io.v1", true), `{"apiVersion": "rbac.authorization.k8s.io/v1",
			"kind": "RoleBinding", "metadata": {"name": "a"},
			"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}, ` + subjects + `}`},
		"cluster role binding": {kindOf("clusterrolebindings.rbac.authorization.k8s.io.v1", false), `{"apiVersion": "rbac.authorization.k8s.io/v1",
			"kind": "ClusterRoleBinding", "metadata": {"name": "SELF"},
			"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"}, ` + subjects + `}`},
		"cluster role": {kindOf("clusterroles.rbac.authorization.k8s.io.v1", false), `{"apiVersion": "rbac.authorization.k8s.io/v1",
			"kind": "ClusterRole", "metadata": {"name": "SELF"},
			"rules": [{"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["NS", "elsewhere"], "verbs": ["get"]}]}`},
		"validating webhooks": {kindOf("validatingwebhookconfigurations.admissionregistration.k8s.io.v1", false), `{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "SELF"}, ` + webhooks + `}`},
		"mutating webhooks": {kindOf("mutatingwebhookconfigurations.admissionregistration.k8s.io.v1", false), `{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "SELF"}, ` + webhooks + `}`},
		"binding of an admission policy": {kindOf("validatingadmissionpolicybindings.admissionregistration.k8s.io.v1", false), `{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "SELF"},
			"spec": {"policyName": "nobody", "validationActions": ["Deny"],
			"paramRef": {"name": "a", "namespace": "NS", "parameterNotFoundAction": "Deny"},
			"matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "OTHER"}}}}}`},
		"API service": {kindOf("apiservices.apiregistration.k8s.io.v1", false), `{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
			"metadata": {"name": "v1.SELF.example.com"}, "spec": {"group": "SELF.example.com", "version": "v1",
			"groupPriorityMinimum": 10, "versionPriority": 10, "service": {"namespace": "NS", "name": "a"}}}`},
		"definition": {kindOf("customresourcedefinitions.apiextensions.k8s.io.v1", false), `{"apiVersion": "apiextensions.k8s.io/v1",
			"kind": "CustomResourceDefinition", "metadata": {"name": "wells.SELF.example.org"}, "spec": {"group": "SELF.example.org",
			"scope": "Namespaced", "names": {"plural": "wells", "kind": "Well"},
			"conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
				"clientConfig": {"service": {"namespace": "NS", "name": "a"}}}},
			"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}`},
		"volume": {kindOf("persistentvolumes", false), `{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "SELF"}, "spec": {
			"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "SELF", "persistentVolumeReclaimPolicy": "Retain",
			"claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "NS", "name": "nobody"},
			"csi": {"driver": "example.org", "volumeHandle": "a", "nodeStageSecretRef": {"namespace": "OTHER", "name": "a"}}}}`},
		"pod": {kindOf("pods", true), `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, ` + pod + `}`},
		"workload": {kindOf("deployments.apps.v1", true), `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {
			"replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}}, ` + pod + `}}}`},
		"storage class": {kindOf("storageclasses.storage.k8s.io.v1", false), `{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
			"metadata": {"name": "SELF"}, "provisioner": "example.org", "parameters": {
			"csi.storage.k8s.io/provisioner-secret-name": "a", "csi.storage.k8s.io/provisioner-secret-namespace": "OTHER"}}`},
		"ingress class": {kindOf("ingressclasses.networking.k8s.io.v1", false), `{"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
			"metadata": {"name": "SELF"}, "spec": {"controller": "example.org/c", "parameters": {"kind": "ConfigMap", "name": "a",
			"scope": "Namespace", "namespace": "NS"}}}`},
		"flow schema": {kindOf("flowschemas.flowcontrol.apiserver.k8s.io.v1", false), `{"apiVersion": "flowcontrol.apiserver.k8s.io/v1",
			"kind": "FlowSchema", "metadata": {"name": "SELF"}, "spec": {"matchingPrecedence": 9000, "priorityLevelConfiguration": {"name": "catch-all"},
			"rules": [{"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "a", "namespace": "NS"}}],
			"resourceRules": [{"apiGroups": [""], "resources": ["nothings"], "verbs": ["get"], "namespaces": ["OTHER"]}]}]}}`},
		"slice of addresses": {kindOf("endpointslices.discovery.k8s.io.v1", true), `{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
			"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"],
			"targetRef": {"kind": "Pod", "namespace": "OTHER", "name": "a"}}]}`},
	}
	for name, test := range cases {
		for mapping, targets := range map[string][2]string{"swap": {"OTHER", "NS"}, "chain": {"OTHER", "THIRD"}} {
			t.Run(name+" in a "+mapping, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				names := strings.NewReplacer("OTHER", cluster.Namespace(t), "THIRD", cluster.Namespace(t), "SELF", w.namespace+"-"+mapping, "NS", w.namespace)
				options := transform.Options{NamespaceMapping: map[string]string{
					w.namespace: names.Replace(targets[0]), names.Replace("OTHER"): names.Replace(targets[1]),
				}}
				before := w.create(test.kind, w.object(names.Replace(test.object)), seen)
				w.remove(test.kind, before.GetName())
				object := w.back(test.kind, before, options)
				if test.kind.Namespaced {
					w.namespace = names.Replace(targets[0])
				} else {
					t.Cleanup(func() { w.clean(test.kind, before.GetName()) })
				}
				after := w.create(test.kind, object, seen)
				want := mapped(t, plain(t, before), options)
				if diff := cmp.Diff(want, plain(t, after)); diff != "" {
					t.Errorf("object (-mapped before +after):\n%s", diff)
				}
			})
		}
	}
}

// seen tells that what a controller writes into the object itself is in it, and not on its way.
func seen(object *unstructured.Unstructured) bool {
	return object.GetKind() != "Deployment" || object.GetAnnotations()["deployment.kubernetes.io/revision"] != ""
}

// mapped is the object with all names in it mapped at once, wherever they stand, but for its own.
func mapped(t *testing.T, object map[string]any, options transform.Options) map[string]any {
	t.Helper()
	var pairs []string
	for from, to := range options.NamespaceMapping {
		for _, end := range []string{`"`, `:`} {
			pairs = append(pairs, from+end, to+end)
		}
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	made := &unstructured.Unstructured{}
	if err := made.UnmarshalJSON([]byte(strings.NewReplacer(pairs...).Replace(string(text)))); err != nil {
		t.Fatal(err)
	}
	return made.Object
}
