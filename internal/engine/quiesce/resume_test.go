package quiesce_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
)

// promised is what is on record of plans.
func promised(plans []hook.Plan) quiesce.Owed {
	owed := quiesce.Owed{Pods: len(plans)}
	for i := range plans {
		owed.Promises = append(owed.Promises, hook.PromiseOf(&plans[i]))
	}
	return owed
}

// TestResume: what pods were promised runs in them, whatever their labels and annotations say by then; where that cannot be known,
// they may be held still, and it is not said that all is well.
func TestResume(t *testing.T) {
	t.Parallel()
	const asks = `{"metadata":{"labels":{"app":"db"},"annotations":{"pre.hook.backup.kahu.io/command":"hold","post.hook.backup.kahu.io/command":"LET"}},` +
		`"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Running"}}`
	const nothing = `{"metadata":{"labels":null,"annotations":null}}`
	long := `["go","` + strings.Repeat("x", 4096) + `"]`
	quoted := strings.ReplaceAll(long, `"`, `\"`)
	cases := map[string]struct {
		annotated bool   // not chosen by a set
		command   string // of the annotation
		change    string // of the pod meanwhile
		kept      int    // pods on record by name, of 2
		ended     bool   // the pod b
		want      []string
		stranded  int
	}{
		"as it was":                         {kept: 2, want: []string{"a thaw", "a tell", "b thaw", "b tell"}},
		"labels were taken away":            {kept: 2, change: nothing, want: []string{"a thaw", "a tell", "b thaw", "b tell"}},
		"annotations as they were":          {annotated: true, command: "let", kept: 2, want: []string{"a let", "b let"}},
		"annotations were taken away":       {annotated: true, command: "let", kept: 2, change: nothing, want: []string{"a let", "b let"}},
		"annotations are others":            {annotated: true, command: "let", kept: 2, change: `{"metadata":{"annotations":{"post.hook.backup.kahu.io/command":"no"}}}`, want: []string{"a let", "b let"}},
		"too long, and as it was":           {annotated: true, command: quoted, kept: 2, want: []string{"a go " + strings.Repeat("x", 4096), "b go " + strings.Repeat("x", 4096)}},
		"too long, and taken away":          {annotated: true, command: quoted, kept: 2, change: nothing, want: []string{"a go " + strings.Repeat("x", 4096)}, stranded: 1},
		"a pod has ended":                   {kept: 2, change: `{"status":{"phase":"Failed"}}`, want: []string{"a thaw", "a tell"}},
		"one not by name":                   {kept: 1, want: []string{"a thaw", "a tell", "b thaw", "b tell"}},
		"one not by name, which is another": {kept: 1, change: nothing, want: []string{"a thaw", "a tell"}, stranded: 1},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			for _, pod := range []string{"a", "b"} {
				s.cluster.Put(t, hook.PodKind(), "shop", pod, strings.ReplaceAll(asks, "LET", test.command))
			}
			request := s.request()
			if request.Sets[0].Labels = labels.SelectorFromSet(labels.Set{"app": "db"}); test.annotated {
				request.Sets = nil
			}
			// It dies while the volumes are cut.
			dying, die := context.WithCancel(t.Context())
			s.answer = func(_ context.Context, what string) string {
				if dying.Err() != nil {
					return hook.Unreachable
				}
				return ""
			}
			if _, err := s.around(dying, t, request, func(context.Context) error { die(); return nil }); err == nil {
				t.Fatal("it did not die")
			}
			owed := promised(s.begun.Pods)
			owed.Promises = owed.Promises[:test.kept]
			if s.answer, s.events = nil, nil; test.change != "" {
				s.cluster.Change(t, hook.PodKind(), "shop", "b", test.change)
			}
			outcome, err := s.runner().Resume(t.Context(), request, owed)
			if diff := cmp.Diff(test.want, s.events); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if len(outcome.Stranded) != test.stranded || (outcome.Reason == hook.Changed) != (test.stranded > 0) {
				t.Errorf("outcome is %+v", outcome)
			}
		})
	}
}

// TestResumeWithoutThePod: a pod that is gone is held still by nobody.
func TestResumeWithoutThePod(t *testing.T) {
	t.Parallel()
	s := newStage(t, "a")
	owed := quiesce.Owed{Pods: 1, Promises: []hook.Promise{{Namespace: "shop", Name: "a", UID: "another", Sets: []string{"a"}}}}
	outcome, err := s.runner().Resume(t.Context(), s.request(), owed)
	if err != nil || len(s.events) > 0 || len(outcome.Stranded) > 0 || outcome.Reason != "" {
		t.Errorf("%v, %q, %+v", err, s.events, outcome)
	}
	if !slices.ContainsFunc(outcome.Rows, func(row quiesce.Row) bool { return row.Pod == "a" && row.Post == hook.PodGone }) {
		t.Errorf("outcome is %+v", outcome)
	}
}
