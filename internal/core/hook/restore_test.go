package hook_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// warm is a set of a restore.
func warm(field string, filters selection.Filters) hook.Set {
	made := set(field, filters)
	for i := range made.Post {
		made.Post[i].Wait = time.Minute
	}
	made.Init = []hook.Init{{Origin: field + ".init", Containers: []any{map[string]any{"name": "a", "image": "b"}}, Timeout: time.Second}}
	return made
}

func TestRestored(t *testing.T) {
	t.Parallel()
	all := []string{"a.post[0]", "a.post[1]", "b.post[0]", "b.post[1]"}
	cases := map[string]struct {
		sets []hook.Set
		post []string
		wait time.Duration
		init int
	}{
		"nothing":                   {},
		"sets come in their order":  {[]hook.Set{warm("a", selection.Filters{}), warm("b", selection.Filters{})}, all, time.Minute + 2*time.Second, 2},
		"one by its workload":       {[]hook.Set{warm("a", resources("deployments", "db")), warm("b", resources("deployments", "web"))}, all[:2], time.Minute + time.Second, 1},
		"another namespace":         {[]hook.Set{warm("a", selection.Filters{IncludeNamespaces: []string{"bank"}})}, nil, 0, 0},
		"those of backups are none": {[]hook.Set{{Field: "a", Pre: set("a", selection.Filters{}).Pre}}, nil, 0, 0},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, problems := hook.Compile(test.sets, kinds())
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			pod := db()
			asked, problems := rules.Restored(&pod)
			if diff := cmp.Diff(test.post, origins(asked.Post)); diff != "" || len(problems) > 0 || len(asked.Init) != test.init {
				t.Errorf("%v, %d init (-want +got):\n%s", problems, len(asked.Init), diff)
			}
			for _, command := range asked.Post {
				if command.Wait != test.wait {
					t.Errorf("%s waits for %s", command.Origin, command.Wait)
				}
			}
		})
	}
}

// TestRestoredTwice: what init containers may take is added once, however often it is asked.
func TestRestoredTwice(t *testing.T) {
	t.Parallel()
	rules, _ := hook.Compile([]hook.Set{warm("a", selection.Filters{})}, kinds())
	pod := db()
	first, _ := rules.Restored(&pod)
	second, _ := rules.Restored(&pod)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

func TestRestoreAnnotations(t *testing.T) {
	t.Parallel()
	const post, init = "post.hook.restore.kahu.io/", "init.hook.restore.kahu.io/"
	command := hook.Command{Origin: "annotation " + post + "command", Words: []string{"a"}, Timeout: hook.DefaultTimeout, Wait: hook.DefaultWait}
	full := hook.Command{
		Origin: command.Origin, Container: "c", Words: []string{"a", "b"}, Continue: true, Timeout: time.Second, Wait: time.Minute + time.Hour,
	}
	contained := func(timeout time.Duration, fields map[string]any) []hook.Init {
		return []hook.Init{{Origin: "annotation " + init + "container-image", Containers: []any{fields}, Timeout: timeout}}
	}
	cases := map[string]struct {
		annotations map[string]string
		want        hook.Restored
		wrong       string
	}{
		"none":         {},
		"of backups":   {annotations: map[string]string{"post.hook.backup.kahu.io/command": "a"}},
		"a command":    {annotations: map[string]string{post + "command": "a"}, want: hook.Restored{Post: []hook.Command{command}}},
		"an image":     {annotations: map[string]string{init + "container-image": "i"}, want: hook.Restored{Init: contained(hook.DefaultInit, map[string]any{"name": "kahu-init", "image": "i"})}},
		"no image":     {annotations: map[string]string{init + "command": "a"}, wrong: init + "container-image"},
		"a name alone": {annotations: map[string]string{init + "container-name": "a"}, wrong: init + "container-image"},
		"mistyped":     {annotations: map[string]string{post + "comand": "a"}, wrong: post + "comand"},
		"no such key":  {annotations: map[string]string{init + "container-image": "i", init + "on-error": "Fail"}, wrong: init + "on-error"},
		"a mode alone": {annotations: map[string]string{post + "on-error": "Continue"}, wrong: post + "command"},
		"no duration":  {annotations: map[string]string{post + "command": "a", post + "wait-timeout": "long"}, wrong: post + "wait-timeout"},
		"no exec time": {annotations: map[string]string{post + "command": "a", post + "exec-timeout": "-1s"}, wrong: post + "exec-timeout"},
		"no array":     {annotations: map[string]string{init + "container-image": "i", init + "command": "["}, wrong: init + "command"},
		"everything": {
			annotations: map[string]string{
				post + "command": `["a","b"]`, post + "container": "c", post + "on-error": "Continue", post + "exec-timeout": "1s", post + "wait-timeout": "1m",
				init + "container-image": "i", init + "container-name": "n", init + "command": `["x","y"]`, init + "timeout": "1h",
			},
			want: hook.Restored{Post: []hook.Command{full}, Init: contained(time.Hour, map[string]any{"name": "n", "image": "i", "command": []any{"x", "y"}})},
		},
	}
	rules, _ := hook.Compile(nil, kinds())
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := db()
			pod.Annotations = test.annotations
			got, problems := rules.Restored(&pod)
			if test.wrong != "" {
				if about := strings.HasPrefix(test.wrong, post); about && len(got.Post) != 1 || !rules.MayRestored(&pod) {
					t.Errorf("nobody waits for it, to tell of it: %v", got)
				}
				if len(problems) != 1 || problems[0].Field != "Pod shop/db-1-2, annotation "+test.wrong {
					t.Errorf("problems are %v", problems)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" || len(problems) > 0 {
				t.Errorf("%v (-want +got):\n%s", problems, diff)
			}
		})
	}
}

// TestKnown: filters speak of the names of the backup.
func TestKnown(t *testing.T) {
	t.Parallel()
	pod := db()
	pod.Namespace, pod.Owners[1].Name = "there", "blue-db"
	known := pod.Known(func(_ core.Kind, _, name string) (string, string) {
		if name == "blue-db" {
			name = "db"
		}
		return "shop", name
	})
	rules, _ := hook.Compile([]hook.Set{warm("a", selection.Filters{IncludeNamespaces: []string{"shop"}, IncludeResources: resources("deployments", "db").IncludeResources})}, kinds())
	if got, _ := rules.Before(&known); len(got) != 2 || pod.Owners[1].Name != "blue-db" {
		t.Errorf("chosen are %v, and the pod is %v", got, pod)
	}
	if got, _ := rules.Before(&pod); len(got) != 0 {
		t.Errorf("by its names here, chosen are %v", got)
	}
}

func TestCheckInit(t *testing.T) {
	t.Parallel()
	problems := hook.CheckInit("init", []any{map[string]any{"name": "a", "image": "b"}, map[string]any{"image": "b"}})
	if len(problems) != 1 || problems[0].Field != "init[1].name" {
		t.Errorf("problems are %v", problems)
	}
}
