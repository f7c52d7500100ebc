package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/restore"
)

const migrate = `{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {"template": {"spec": {` + podSpec + `}}}}`

const single = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "single"}, "spec": {` + podSpec + `}}`

// finish ends a pod as its kubelet would.
func (s *story) finish(pod string) {
	s.t.Helper()
	patch := []byte(`{"status": {"phase": "Succeeded"}}`)
	if _, err := s.of(kindOf("pods", true)).Patch(s.t.Context(), pod, types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) pods() []string {
	s.t.Helper()
	list, err := s.of(kindOf("pods", true)).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	names := []string{}
	for i := range list.Items {
		names = append(names, list.Items[i].GetName())
	}
	return names
}

func complete(job *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(job.Object, "status", "conditions")
	for _, item := range conditions {
		if condition, _ := item.(map[string]any); condition["type"] == "Complete" && condition["status"] == "True" {
			return true
		}
	}
	return false
}

func anything(*unstructured.Unstructured) bool { return true }

// finishedWork makes a Job and a Pod that have finished, backs them up and loses them.
func finishedWork(t *testing.T) (s *story, job *unstructured.Unstructured) {
	t.Helper()
	s = newStory(t)
	jobs := kindOf("jobs.batch.v1", true)
	s.create(jobs, s.object(migrate), func(job *unstructured.Unstructured) bool {
		active, _, _ := unstructured.NestedInt64(job.Object, "status", "active")
		return active == 1
	})
	s.create(kindOf("pods", true), s.object(single), nil)
	for _, pod := range s.pods() {
		s.finish(pod)
	}
	job = s.read(jobs, "migrate", complete)
	s.backup()
	s.lose()
	return s, job
}

// A Job that had finished comes back finished, with its status, and runs nothing; a Pod that had finished does not come.
func TestFinishedStaysFinished(t *testing.T) {
	t.Parallel()
	s, before := finishedWork(t)
	result := s.restored(nil)
	jobs := kindOf("jobs.batch.v1", true)
	after := s.read(jobs, "migrate", complete)
	if diff := cmp.Diff(plain(t, before), plain(t, after)); diff != "" {
		t.Errorf("job (-before +after):\n%s", diff)
	}
	for _, field := range []string{"succeeded", "startTime", "completionTime", "conditions"} {
		if diff := cmp.Diff(before.Object["status"].(map[string]any)[field], after.Object["status"].(map[string]any)[field]); diff != "" {
			t.Errorf("status (-before +after):\n%s", diff)
		}
	}
	if result.Counts.Finished != 1 {
		t.Errorf("counted are %+v; want one that had finished", result.Counts)
	}
	// The controller has seen the Job by the time it deals with one that was made after it.
	later := s.object(migrate)
	later.SetName("later")
	s.create(jobs, later, func(job *unstructured.Unstructured) bool {
		active, _, _ := unstructured.NestedInt64(job.Object, "status", "active")
		return active == 1
	})
	if pods := s.pods(); len(pods) != 1 || pods[0][:5] != "later" {
		t.Errorf("pods are %v; want those of the later job alone", pods)
	}
	if final := s.read(jobs, "migrate", anything); !complete(final) {
		t.Errorf("it is not complete any more: %v", final.Object["status"])
	}
}

// Where it is asked for, both run again.
func TestFinishedRunsAgain(t *testing.T) {
	t.Parallel()
	s, _ := finishedWork(t)
	s.restored(func(request *restore.Request) { request.RunFinished = true })
	s.read(kindOf("jobs.batch.v1", true), "migrate", func(job *unstructured.Unstructured) bool {
		active, _, _ := unstructured.NestedInt64(job.Object, "status", "active")
		return active == 1
	})
	s.read(kindOf("pods", true), "single", anything)
}

const wells = `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "wells.NS.example.org"},
	"spec": {"group": "NS.example.org", "scope": "Namespaced", "names": {"plural": "wells", "kind": "Well"},
	"versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
		"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}`

// The status of an object comes back where that is asked for, and otherwise not.
func TestStatusOfChosenKinds(t *testing.T) {
	t.Parallel()
	for name, chosen := range map[string]bool{"chosen": true, "not chosen": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			definitions := kindOf("customresourcedefinitions.apiextensions.k8s.io.v1", false)
			definition := s.create(definitions, s.object(wells), established)
			t.Cleanup(func() { s.clean(definitions, definition.GetName()) })
			if err := s.adapter.WaitEstablished(t.Context(), []string{definition.GetName()}); err != nil {
				t.Fatal(err)
			}
			kind := kindOf("wells."+s.namespace+".example.org.v1", true)
			s.create(kind, s.object(`{"apiVersion": "NS.example.org/v1", "kind": "Well", "metadata": {"name": "a"}}`), nil)
			patch := []byte(`{"status": {"depth": 7, "phases": ["dug", "wet"]}}`)
			before, err := s.of(kind).Patch(t.Context(), "a", types.MergePatchType, patch, metav1.PatchOptions{}, "status")
			if err != nil {
				t.Fatal(err)
			}
			s.backup()
			s.remove(kind, "a")
			s.restored(func(request *restore.Request) {
				if chosen {
					request.Status = &selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Well." + s.namespace + ".example.org"}}}
				}
			})
			after := s.read(kind, "a", anything)
			var want any
			if chosen {
				want = before.Object["status"]
			}
			if diff := cmp.Diff(want, after.Object["status"]); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}
