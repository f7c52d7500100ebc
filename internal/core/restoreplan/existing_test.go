package restoreplan_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

func TestToRecreate(t *testing.T) {
	cases := map[string]struct {
		reason     string
		group      string
		resource   string
		finalizers []string
		refused    bool
		orphan     bool
	}{
		"ConfigMap":   {"nothing hangs on it", "", "configmaps", nil, false, false},
		"Deployment":  {"its pods live on, under the new one", "apps", "deployments", nil, false, true},
		"StatefulSet": {"its claims must not go with it", "apps", "statefulsets", nil, false, true},
		"Namespace":   {"all in it would go", "", "namespaces", nil, true, false},
		"Definition":  {"all of its kind would go", "apiextensions.k8s.io", "customresourcedefinitions", nil, true, false},
		"Volume":      {"data could go", "", "persistentvolumes", nil, true, false},
		"Claim":       {"data could go", "", "persistentvolumeclaims", nil, true, false},
		"Custom":      {"nobody knows what goes with it", "example.com", "databases", nil, true, false},
		"Finalizer":   {"something would be undone", "", "configmaps", []string{"example.com/x"}, true, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := restoreplan.ToRecreate(core.Living{
				Kind: core.Kind{Group: tc.group, Resource: tc.resource}, Finalizers: tc.finalizers,
			})
			if (got.Refused != "") != tc.refused || got.Orphan != tc.orphan {
				t.Errorf("%s: got %+v", tc.reason, got)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	cases := map[string]struct {
		reason               string
		resource, group      string
		object, living, want string
		taken                []string
	}{
		"Identity": {
			reason:   "the living object is written over, and no other",
			resource: "configmaps",
			object:   `{"metadata":{"name":"x"},"data":{"a":"1"}}`,
			living:   `{"metadata":{"name":"x","uid":"u","resourceVersion":"7","labels":{"a":"b"}},"data":{"a":"2","b":"3"}}`,
			want:     `{"metadata":{"name":"x","uid":"u","resourceVersion":"7"},"data":{"a":"1"}}`,
		},
		"GeneratedName": {
			reason:   "an object does not differ in how it got its name",
			resource: "namespaces",
			object:   `{"metadata":{"name":"x-1","generateName":"x-"}}`,
			living:   `{"metadata":{"name":"x-1","uid":"u","resourceVersion":"7"}}`,
			want:     `{"metadata":{"name":"x-1","uid":"u","resourceVersion":"7"}}`,
		},
		"NameThatWasGenerated": {
			reason:   "nor the other way round",
			resource: "namespaces",
			object:   `{"metadata":{"name":"x-1"}}`,
			living:   `{"metadata":{"name":"x-1","generateName":"x-","uid":"u","resourceVersion":"7"}}`,
			want:     `{"metadata":{"name":"x-1","generateName":"x-","uid":"u","resourceVersion":"7"}}`,
		},
		"Taken": {
			reason:   "what was taken because it was the old object's is the living one's now",
			resource: "jobs", group: "batch",
			object: `{"metadata":{"labels":{"a":"b"}},"spec":{"template":{"metadata":{}}}}`,
			living: `{"metadata":{"labels":{"controller-uid":"new"}},"spec":{"selector":{"x":"y"},` +
				`"template":{"metadata":{"labels":{"batch.kubernetes.io/job-name":"j"}}}}}`,
			want: `{"metadata":{"labels":{"a":"b","controller-uid":"new"},"uid":null,"resourceVersion":null},` +
				`"spec":{"selector":{"x":"y"},"template":{"metadata":{"labels":{"batch.kubernetes.io/job-name":"j"}}}}}`,
			taken: []string{
				"metadata.labels.controller-uid", "spec.selector", "spec.ports[0].nodePort",
				"spec.template.metadata.labels['batch.kubernetes.io/job-name']",
			},
		},
		"Labels of a Job": {
			reason:   "a Job that has the labels of its template has them again, and not those that somebody gave it since",
			resource: "jobs", group: "batch",
			object: `{"metadata":{},"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}`,
			living: `{"metadata":{"labels":{"a":"c","controller-uid":"new","mine":"yes"}},` +
				`"spec":{"template":{"metadata":{"labels":{"a":"b","controller-uid":"new"}}}}}`,
			want: `{"metadata":{"labels":{"a":"b","controller-uid":"new"},"uid":null,"resourceVersion":null},` +
				`"spec":{"template":{"metadata":{"labels":{"a":"b","controller-uid":"new"}}}}}`,
			taken: []string{"metadata.labels", "spec.template.metadata.labels.controller-uid"},
		},
		"Labels of a transform": {
			reason:   "a Job that was labelled on its way has no others",
			resource: "jobs", group: "batch",
			object: `{"metadata":{"labels":{"mine":"yes"}},"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}`,
			living: `{"metadata":{"labels":{"a":"c"}},"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}`,
			want: `{"metadata":{"labels":{"mine":"yes"},"uid":null,"resourceVersion":null},` +
				`"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}`,
			taken: []string{"metadata.labels"},
		},
		"Claim": {
			reason:   "a claim stays with its volume",
			resource: "persistentvolumeclaims",
			object:   `{"metadata":{},"spec":{"a":1}}`,
			living:   `{"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","other":"x"}},"spec":{"volumeName":"v"}}`,
			want: `{"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes"},"uid":null,"resourceVersion":null},` +
				`"spec":{"a":1,"volumeName":"v"}}`,
		},
		"Unbound": {
			reason:   "what the living one does not have leaves no trace, which would be a change of its own",
			resource: "persistentvolumeclaims",
			object:   `{"metadata":{},"spec":{"a":1}}`,
			living:   `{"metadata":{"annotations":{"other":"x"}},"spec":{}}`,
			want:     `{"metadata":{"uid":null,"resourceVersion":null},"spec":{"a":1}}`,
			taken:    []string{"metadata.labels.controller-uid"},
		},
		"Volume": {
			reason:   "a volume is not taken from the claim that it has, to be given to a copy of that",
			resource: "persistentvolumes",
			object:   `{"metadata":{},"spec":{"a":1,"claimRef":{"namespace":"copy","name":"c"}}}`,
			living:   `{"metadata":{},"spec":{"claimRef":{"namespace":"shop","name":"c","uid":"u"}}}`,
			want:     `{"metadata":{"uid":null,"resourceVersion":null},"spec":{"a":1,"claimRef":{"namespace":"shop","name":"c","uid":"u"}}}`,
		},
		"Free volume": {
			reason:   "one that has none is reserved for that of the backup",
			resource: "persistentvolumes",
			object:   `{"metadata":{},"spec":{"claimRef":{"namespace":"shop","name":"c"}}}`,
			living:   `{"metadata":{},"spec":{}}`,
			want:     `{"metadata":{"uid":null,"resourceVersion":null},"spec":{"claimRef":{"namespace":"shop","name":"c"}}}`,
		},
		"Finalizers": {
			reason:   "what keeps a living object is not taken from it, and its owners neither",
			resource: "configmaps",
			object:   `{"metadata":{"finalizers":["a","b"]}}`,
			living:   `{"metadata":{"uid":"u","resourceVersion":"1","finalizers":["b","c"],"ownerReferences":[{"uid":"o"}]}}`,
			want:     `{"metadata":{"uid":"u","resourceVersion":"1","finalizers":["a","b","c"],"ownerReferences":[{"uid":"o"}]}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			object, living, want := decoded(t, tc.object), decoded(t, tc.living), decoded(t, tc.want)
			restoreplan.Merge(core.Kind{Group: tc.group, Resource: tc.resource}, object, living, tc.taken)
			if diff := cmp.Diff(want, object); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func decoded(t *testing.T, content string) map[string]any {
	t.Helper()
	var found map[string]any
	if err := json.Unmarshal([]byte(content), &found); err != nil {
		t.Fatal(err)
	}
	return found
}
