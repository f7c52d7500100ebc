package transform_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

const podSpec = `"restartPolicy": "Never", "containers": [{"name": "a", "image": "example.org/a"}]`

// Objects that are read, deleted and created again are what they were, but for the fields that are named here.
func TestComeBack(t *testing.T) {
	t.Parallel()
	job, pod, service := kindOf("jobs.batch.v1", true), kindOf("pods", true), kindOf("services", true)
	cases := map[string]struct {
		kind    core.Kind
		before  string // an object that must be there
		of      core.Kind
		object  string
		settled func(object *unstructured.Unstructured) bool
		options transform.Options
		without [][]string
	}{
		"job without labels": {
			kind:   job,
			object: `{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": {"spec": {` + podSpec + `}}}}`,
		},
		"job with labels in its template": {
			kind: job,
			object: `{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {
				"template": {"metadata": {"labels": {"app": "a"}}, "spec": {` + podSpec + `}}}}`,
		},
		"job with labels of its own": {
			kind: job,
			object: `{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", "labels": {"team": "b"}}, "spec": {
				"template": {"metadata": {"labels": {"app": "a"}}, "spec": {` + podSpec + `}}}}`,
		},
		"job with a selector of its own": {
			kind: job,
			object: `{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"manualSelector": true,
				"selector": {"matchLabels": {"app": "a"}},
				"template": {"metadata": {"labels": {"app": "a"}}, "spec": {` + podSpec + `}}}}`,
		},
		"pod": {
			kind:   pod,
			object: `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {` + podSpec + `}}`,
		},
		"pod on a node": {
			kind:    pod,
			object:  `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"nodeName": "n1", ` + podSpec + `}}`,
			without: [][]string{{"spec", "nodeName"}},
		},
		"pod of a runtime class": {
			kind: pod, of: kindOf("runtimeclasses.node.k8s.io.v1", false),
			before: `{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "NS"}, "handler": "h",
				"overhead": {"podFixed": {"cpu": "10m"}}, "scheduling": {"nodeSelector": {"runtime": "h"}}}`,
			object: `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"runtimeClassName": "NS", ` + podSpec + `}}`,
		},
		"pod of a priority class": {
			kind: pod, of: kindOf("priorityclasses.scheduling.k8s.io.v1", false),
			before: `{"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "NS"}, "value": 7,
				"preemptionPolicy": "Never"}`,
			object: `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"priorityClassName": "NS", ` + podSpec + `}}`,
		},
		"service": {
			kind:    service,
			object:  `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}`,
			without: [][]string{{"spec", "clusterIP"}, {"spec", "clusterIPs"}},
		},
		"service with its address and ports": {
			kind:    service,
			options: transform.Options{PreserveClusterIPs: true, PreserveNodePorts: true},
			object: `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "LoadBalancer",
				"externalTrafficPolicy": "Local", "ports": [{"port": 80}]}}`,
		},
		"service of a load balancer": {
			kind: service,
			object: `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "LoadBalancer",
				"externalTrafficPolicy": "Local", "ports": [{"port": 80}]}}`,
			without: [][]string{
				{"spec", "clusterIP"}, {"spec", "clusterIPs"}, {"spec", "ports"}, {"spec", "healthCheckNodePort"},
			},
		},
		"headless service": {
			kind: service,
			object: `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"clusterIP": "None",
				"selector": {"app": "a"}, "ports": [{"port": 80}]}}`,
		},
		"service that is a name": {
			kind: service,
			object: `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "ExternalName",
				"externalName": "example.org"}}`,
		},
		"token of a service account": {
			kind: kindOf("secrets", true),
			object: `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "annotations": {
				"kubernetes.io/service-account.name": "default"}}, "type": "kubernetes.io/service-account-token",
				"data": {"mine": "eA=="}}`,
			settled: func(object *unstructured.Unstructured) bool {
				token, found, _ := unstructured.NestedString(object.Object, "data", "token")
				return found && token != ""
			},
			without: [][]string{{"data", "token"}},
		},
		"stateful set": {
			kind: kindOf("statefulsets.apps.v1", true),
			object: `{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}, "spec": {"replicas": 0,
				"serviceName": "a", "selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}},
				"spec": {"containers": [{"name": "a", "image": "example.org/a"}]}}, "volumeClaimTemplates": [
				{"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}]}}`,
		},
		"definition": {
			kind: kindOf("customresourcedefinitions.apiextensions.k8s.io.v1", false),
			object: `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
				"metadata": {"name": "wells.NS.example.org"}, "spec": {"group": "NS.example.org", "scope": "Namespaced",
				"names": {"plural": "wells", "kind": "Well"}, "versions": [{"name": "v1", "served": true, "storage": true,
				"schema": {"openAPIV3Schema": {"type": "object"}}}]}}`,
			settled: established,
		},
		"API service": {
			kind: kindOf("apiservices.apiregistration.k8s.io.v1", false),
			object: `{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.NS.example.com"},
				"spec": {"group": "NS.example.com", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10,
				"caBundle": "LS0t", "service": {"namespace": "NS", "name": "a"}}}`,
		},
		"budget": {
			kind: kindOf("poddisruptionbudgets.policy.v1", true),
			object: `{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "a"}, "spec": {
				"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}}`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if test.before != "" {
				needed := w.object(test.before)
				w.create(test.of, needed, nil)
				t.Cleanup(func() { w.clean(test.of, needed.GetName()) })
			}
			before := w.create(test.kind, w.object(test.object), test.settled)
			w.remove(test.kind, before.GetName())
			after := w.create(test.kind, w.back(test.kind, before, test.options), test.settled)
			if !test.kind.Namespaced {
				t.Cleanup(func() { w.clean(test.kind, before.GetName()) })
			}
			if before.GetUID() == after.GetUID() {
				t.Fatal("the object was never away")
			}
			want, got := plain(t, before, test.without...), plain(t, after, test.without...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("object (-before +after):\n%s", diff)
			}
		})
	}
}

// clean deletes an object at cluster scope after the test, whatever became of that.
func (w *world) clean(kind core.Kind, name string) {
	ctx := context.WithoutCancel(w.t.Context()) // the test's own has ended
	if err := w.of(kind).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		w.t.Logf("deleting %s %s: %v", kind, name, err)
	}
}

func established(object *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, element := range conditions {
		condition, _ := element.(map[string]any)
		if condition["type"] == "Established" && condition["status"] == "True" {
			return true
		}
	}
	return false
}
