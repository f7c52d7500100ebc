package quiesce_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// TestSetsWithoutPods: a set that is for no pod is warned of by its field and name; one whose pods do not run is not.
func TestSetsWithoutPods(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	pod := func(namespace, phase string) string {
		return `{"metadata":{"labels":{"app":"` + namespace + `"}},"spec":{"containers":[{"name":"main"}]},"status":{"phase":"` + phase + `"}}`
	}
	s.cluster.Put(t, hook.PodKind(), "shop", "db", pod("shop", "Running"))
	s.cluster.Put(t, hook.PodKind(), "shop", "waits", pod("waits", "Pending"))
	s.cluster.Put(t, hook.PodKind(), "shop", "ended", pod("ended", "Succeeded"))
	s.cluster.Put(t, hook.PodKind(), "bank", "db", pod("bank", "Running"))
	request := s.request()
	request.Filters = selection.Filters{Labels: labels.NewSelector()}
	request.Filters.ExcludeNamespaces = []string{"bank"}
	request.Sets = nil
	for _, app := range []string{"shop", "waits", "ended", "bank", "mistyped"} {
		request.Sets = append(request.Sets, hook.Set{
			Field: "set of " + app, Name: "a name", Labels: labels.SelectorFromSet(labels.Set{"app": app}), Post: words("go"),
		})
	}
	request.Sets = append(request.Sets, hook.Set{Field: "set of nothing"})
	ledger, err := s.around(t.Context(), t, request, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(ledger.Warnings, "\n")
	for field, want := range map[string]string{
		"set of shop": "", "set of waits": "", "set of nothing": "", "set of ended": "see whether its names and labels are right",
		"set of mistyped": "see whether its names and labels are right", "set of bank": "see whether the filters of the spec are right",
	} {
		about := field + ` "a name" chooses no pod of the backup`
		at := strings.Index(text, about)
		if (at >= 0) != (want != "") || at >= 0 && !strings.Contains(strings.SplitN(text[at:], "\n", 2)[0], want) {
			t.Errorf("%s: %s", field, text)
		}
	}
}

// TestNothingAfter: that nothing has an application go on is a warning, and the backup goes on.
func TestNothingAfter(t *testing.T) {
	t.Parallel()
	s := newStage(t, "db")
	request := s.request()
	request.Sets[0].Post = nil
	ledger, err := s.around(t.Context(), t, request, nil)
	if text := strings.Join(ledger.Warnings, "\n"); err != nil || !strings.Contains(text, "none after it, as in Pod shop/db") {
		t.Errorf("%v: it warns of %q", err, text)
	}
}

// TestMistypedAnnotation: a pod with a mistyped annotation fails the backup, before anything is held still, and is named.
func TestMistypedAnnotation(t *testing.T) {
	t.Parallel()
	s := newStage(t, "db")
	s.cluster.Put(t, hook.PodKind(), "shop", "web", `{"metadata":{"annotations":{"pre.hook.backup.kahu.io/comand":"freeze"}},`+
		`"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Running"}}`)
	request := s.request()
	request.Sets[0].Filters.IncludeResources = []selection.ResourceFilter{{Kind: "pods", Name: "db"}}
	_, err := s.around(t.Context(), t, request, nil)
	if invalid, is := errors.AsType[*engine.InvalidError](err); !is || len(s.events) > 0 || !strings.Contains(invalid.Error(), "Pod shop/web, annotation pre.hook.backup.kahu.io/comand") {
		t.Errorf("%v: %q", err, s.events)
	}
}
