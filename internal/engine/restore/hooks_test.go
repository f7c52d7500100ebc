package restore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/restore/hooks"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// hooked is a cluster in which every pod runs at once, and what happens there, in its order.
type hooked struct {
	*fakecluster.Cluster

	w     *world.World
	fails map[string]bool

	mu     sync.Mutex
	events []string
}

func podsAndSets() []core.Kind {
	return []core.Kind{hook.PodKind(), fakecluster.Kind("apps", "ReplicaSet", "replicasets", true)}
}

const isReady = `{"status":{"phase":"Running","containerStatuses":[{"name":"main","ready":true,"state":{"running":{}}}]}}`

func newHooked(t *testing.T, w *world.World) *hooked {
	t.Helper()
	h := &hooked{Cluster: fakecluster.New(append(world.AllKinds(), podsAndSets()...)...), w: w, fails: map[string]bool{}}
	h.Intercept = func(call fakecluster.Call) error {
		switch {
		case call.Verb == "create":
			h.happens("create " + call.Key.Resource + " " + call.Key.Name)
		case call.Verb == "list" && call.Key.Resource == "pods":
			for name := range h.Contents() {
				if _, pod, is := strings.Cut(name, "pods "); is {
					namespace, name, _ := strings.Cut(pod, "/")
					h.Change(t, hook.PodKind(), namespace, name, isReady)
				}
			}
		}
		return nil
	}
	return h
}

func (h *hooked) happens(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, what)
}

// happened returns what has happened to pods; other objects are made beside them, in any order.
func (h *hooked) happened() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.events), func(what string) bool {
		return strings.HasPrefix(what, "create ") && !strings.HasPrefix(what, "create pods")
	})
}

func (h *hooked) Run(_ context.Context, pod hook.Pod, command hook.Command) hook.Result {
	h.happens("run " + command.Words[0] + " in " + pod.Name)
	now := clock.RealClock{}.Now()
	outcome := hook.Completed
	if h.fails[command.Words[0]] {
		outcome = hook.CommandFailed
	}
	return hook.Result{Outcome: outcome, Container: "main", Began: now, Ended: now}
}

func (h *hooked) Begin(context.Context, quiesce.Begun) error {
	h.happens("begin")
	return nil
}

func (h *hooked) Before(context.Context, quiesce.Outcome) error {
	h.happens("before")
	return nil
}

func (h *hooked) After(context.Context, quiesce.Outcome) error {
	h.happens("after")
	return nil
}

// restore restores backup one with hooks.
func (h *hooked) restore(wish restore.Request, sets ...hook.Set) (restore.Result, error) {
	runner := &hooks.Runner{Cluster: h, Commands: h, Clock: clock.RealClock{}, AtOnce: 1, Patience: time.Nanosecond}
	wish.Hooks = runner.Session(hooks.Request{Sets: sets, Record: h})
	return attemptWish(h.w, h.Cluster, wish)
}

// ofDeployment is a set for the pods of a Deployment: a command before, an init container, and a command after.
func ofDeployment(name string) hook.Set {
	return hook.Set{
		Field:   "spec.hook.resources[0]",
		Filters: selection.Filters{IncludeResources: []selection.ResourceFilter{{Name: name, Kind: "deployments"}}},
		Pre:     []hook.Command{{Words: []string{"drain"}, Timeout: time.Second}},
		Init:    []hook.Init{{Origin: "spec.hook.resources[0].post[0].init", Containers: []any{map[string]any{"name": "own", "image": "tools"}}}},
		Post:    []hook.Command{{Words: []string{"warm"}, Timeout: time.Second, Wait: time.Minute}},
	}
}

// family puts a Deployment with its ReplicaSet and two pods into the cluster of the backup, and one pod of nobody.
func family(w *world.World, kinds []core.Kind) {
	t := w.T
	t.Helper()
	w.Cluster = fakecluster.New(append(world.AllKinds(), kinds...)...)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	owned := func(kind core.Kind, name string) string {
		living, err := w.Cluster.Living(t.Context(), kind, "shop", name)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`"ownerReferences":[{"apiVersion":"apps/v1","kind":%q,"name":%q,"uid":%q,"controller":true}]`, kind.Name, name, living.UID)
	}
	w.Cluster.Put(t, world.Deployments, "shop", "web", `{"spec":{"replicas":0,"template":{"spec":{"containers":[{"name":"main"}]}}}}`)
	w.Cluster.Put(t, kinds[1], "shop", "web-5d8", `{"metadata":{`+owned(world.Deployments, "web")+`,"labels":{"pod-template-hash":"5d8"}}}`)
	for _, name := range []string{"web-5d8-a", "web-5d8-b"} {
		w.Cluster.Put(t, hook.PodKind(), "shop", name,
			`{"metadata":{`+owned(kinds[1], "web-5d8")+`,"labels":{"pod-template-hash":"5d8"}},"spec":{"containers":[{"name":"main"}]}}`)
	}
	w.Cluster.Put(t, hook.PodKind(), "shop", "lone", `{"spec":{"containers":[{"name":"main"}]}}`)
}

func backedUp(w *world.World, filters selection.Filters) {
	w.T.Helper()
	if _, err := w.Backup("one", filters); err != nil {
		w.T.Fatal(err)
	}
}

// TestHooksAroundARestore: commands before run in what is there before anything is created, those after when all is.
func TestHooksAroundARestore(t *testing.T) {
	t.Parallel()
	lone := hook.Set{
		Field:   "spec.hook.resources[0]",
		Filters: selection.Filters{IncludeResources: []selection.ResourceFilter{{Name: "lone", Kind: "pods"}, {Name: "old", Kind: "pods"}}},
		Pre:     []hook.Command{{Words: []string{"drain"}, Timeout: time.Second}},
		Post:    []hook.Command{{Words: []string{"warm"}, Timeout: time.Second, Wait: time.Minute}},
	}
	cases := map[string]struct {
		wish  restore.Request
		fails string
		want  []string
		err   bool
	}{
		"well": {want: []string{
			"begin", "run drain in old", "before", "create pods lone", "run warm in lone", "after",
		}},
		"the command before fails": {fails: "drain", want: []string{"begin", "run drain in old", "before"}, err: true},
		"the command after fails": {fails: "warm", want: []string{
			"begin", "run drain in old", "before", "create pods lone", "run warm in lone", "after",
		}, err: true},
		"a dry run": {wish: restore.Request{DryRun: true}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			family(w, podsAndSets())
			backedUp(w, selection.Filters{})
			h := newHooked(t, w)
			h.fails[test.fails] = true
			h.Put(t, world.Namespaces, "", "there", `{}`)
			h.Put(t, hook.PodKind(), "there", "old", `{"spec":{"containers":[{"name":"main"}]},`+isReady[1:])
			wish := test.wish
			wish.Transform = transform.Options{NamespaceMapping: map[string]string{"shop": "there"}}
			_, err := h.restore(wish, lone)
			if diff := cmp.Diff(test.want, h.happened()); diff != "" || (err != nil) != test.err {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestHooksOfPodsWithoutTheirReplicaSet: pods that are restored beside their Deployment, or alone, are still its pods, also in the
// attempt after the one that made them.
func TestHooksOfPodsWithoutTheirReplicaSet(t *testing.T) {
	t.Parallel()
	only := func(kinds ...string) selection.Filters {
		var filters selection.Filters
		for _, kind := range kinds {
			filters.IncludeResources = append(filters.IncludeResources, selection.ResourceFilter{Kind: kind})
		}
		return filters
	}
	cases := map[string]struct{ backup, restore selection.Filters }{
		"the ReplicaSet is left out":       {restore: only("deployments", "pods")},
		"the Deployment is left out, too":  {restore: only("pods")},
		"the ReplicaSet is not backed up":  {backup: only("deployments", "pods")},
		"only the pods have been, at that": {backup: only("pods")},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			family(w, podsAndSets())
			backedUp(w, test.backup)
			h := newHooked(t, w)
			for _, attempt := range []restore.Request{
				{Attempt: "first", Filters: test.restore}, {Attempt: "second", Filters: test.restore, Resumed: true},
			} {
				result, err := h.restore(attempt, ofDeployment("web"))
				if err != nil || result.FailedTotal > 0 {
					t.Fatalf("%v %+v", err, result)
				}
				got := slices.DeleteFunc(h.happened(), func(what string) bool { return !strings.HasPrefix(what, "run warm") })
				slices.Sort(got)
				if diff := cmp.Diff([]string{"run warm in web-5d8-a", "run warm in web-5d8-b"}, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", attempt.Attempt, diff)
				}
				h.events = nil
			}
			for _, pod := range []string{"web-5d8-a", "web-5d8-b", "lone"} {
				content, there := h.Contents()["pods shop/"+pod]
				if want := pod != "lone"; !there || strings.Contains(content, `"image":"tools"`) != want {
					t.Errorf("%s has an init container, %t is not so: %s", pod, want, content)
				}
			}
		})
	}
}

// TestAnnotatedRestore: what annotations of a pod, or of a template, ask for is done where no set speaks.
func TestAnnotatedRestore(t *testing.T) {
	t.Parallel()
	const annotated = `{"metadata":{"annotations":{` +
		`"init.hook.restore.kahu.io/container-image":"tools","init.hook.restore.kahu.io/command":"[\"chown\",\"1\"]",` +
		`"post.hook.restore.kahu.io/command":"warm"}},"spec":{"containers":[{"name":"main"}]}}`
	w := world.New(t)
	family(w, podsAndSets())
	w.Cluster.Put(t, hook.PodKind(), "shop", "lone", annotated)
	w.Cluster.Put(t, world.Deployments, "shop", "web", `{"spec":{"replicas":0,"template":`+annotated+`}}`)
	w.Cluster.Put(t, hook.PodKind(), "shop", "wrong", `{"metadata":{"annotations":{"init.hook.restore.kahu.io/command":"chown"}}}`)
	backedUp(w, selection.Filters{})
	h := newHooked(t, w)
	result, err := h.restore(restore.Request{})
	if err != nil || result.FailedTotal != 1 || result.Failed[0].Key.Name != "wrong" {
		t.Errorf("%v %+v", err, result.Failed)
	}
	want := []string{"create pods lone", "run warm in lone", "after"}
	if diff := cmp.Diff(want, h.happened()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, name := range []string{"pods shop/lone", "deployments.apps shop/web"} {
		if content := h.Contents()[name]; !strings.Contains(content, `"initContainers":[{"command":["chown","1"],"image":"tools","name":"kahu-init"}]`) {
			t.Errorf("%s is %s", name, content)
		}
	}
}

// TestUnhookedRestoreAsksForNoPods: a restore about which nothing speaks of hooks looks for neither pods nor workloads; one with a
// template somewhere in an object of an operator does.
func TestUnhookedRestoreAsksForNoPods(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		widget string
		sets   []hook.Set
		asks   bool
	}{
		"nothing":               {widget: `{}`},
		"a set without a pod":   {widget: `{}`, sets: []hook.Set{{Field: "a", Init: ofDeployment("web").Init}}},
		"a word that is a text": {widget: `{"spec":{"note":"post.hook.restore.kahu.io/command"}}`},
		"an operator's object": {
			widget: `{"spec":{"members":[{"podAnnotations":{"post.hook.restore.kahu.io/command":"warm"}}]}}`, asks: true,
		},
		"a set": {widget: `{}`, sets: []hook.Set{ofDeployment("web")}, asks: true},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			family(w, podsAndSets())
			w.Cluster.Put(t, world.Widgets, "shop", "a", test.widget)
			backedUp(w, selection.Filters{})
			h := newHooked(t, w)
			if result, err := h.restore(restore.Request{}, test.sets...); err != nil || result.FailedTotal > 0 {
				t.Fatalf("%v %+v", err, result)
			}
			if lists := h.Calls("list"); (len(lists) > 0) != test.asks {
				t.Errorf("it asks for %+v", lists)
			}
		})
	}
}
