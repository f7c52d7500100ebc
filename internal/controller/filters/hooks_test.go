package filters_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// restoreHook reads hooks as a manifest has them.
func restoreHook(t *testing.T, manifest string) *kahuv1.RestoreHook {
	t.Helper()
	read := &kahuv1.RestoreHook{}
	if err := yaml.UnmarshalStrict([]byte(manifest), read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestOfRestoreHook(t *testing.T) {
	t.Parallel()
	sets, err := filters.OfRestoreHook(restoreHook(t, `
resources:
- name: whole
  includeNamespaces: [shop]
  excludeNamespaces: [bank]
  includeResources: [{kind: deployments, name: web}]
  excludeResources: [{kind: pods, name: "^old", isRegex: true}]
  labelSelector: {matchLabels: {app: web}}
  continueHookIfContainerNotFound: true
  pre:
  - exec: {container: main, command: [drain, now], onError: Continue, timeout: 3s}
  post:
  - init:
      timeout: 7s
      initContainers: [{name: own, image: tools, securityContext: {runAsUser: 0}}]
  - exec: {command: [warm], onError: Fail, timeout: 4s, waitTimeout: 5s}
  - {}
- name: defaults
  post:
  - exec: {command: [warm]}
  - init: {initContainers: [{name: own, image: tools}]}
  - init: {initContainers: null}
  - init: {initContainers: []}
  - init: {}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []hook.Set{
		{
			Field: "spec.hook.resources[0]", Name: "whole", Labels: labels.SelectorFromSet(labels.Set{"app": "web"}),
			Filters: selection.Filters{
				IncludeNamespaces: []string{"shop"}, ExcludeNamespaces: []string{"bank"},
				IncludeResources: []selection.ResourceFilter{{Kind: "deployments", Name: "web"}},
				ExcludeResources: []selection.ResourceFilter{{Kind: "pods", Name: "^old", IsRegex: true}},
			},
			Pre: []hook.Command{{
				Origin: "spec.hook.resources[0].pre[0].exec", Container: "main", Words: []string{"drain", "now"},
				Continue: true, SkipMissing: true, Timeout: 3 * time.Second,
			}},
			Init: []hook.Init{{
				Origin: "spec.hook.resources[0].post[0].init", Timeout: 7 * time.Second,
				Containers: []any{map[string]any{"name": "own", "image": "tools", "securityContext": map[string]any{"runAsUser": int64(0)}}},
			}},
			Post: []hook.Command{{
				Origin: "spec.hook.resources[0].post[1].exec", Words: []string{"warm"}, SkipMissing: true,
				Timeout: 4 * time.Second, Wait: 5 * time.Second,
			}},
		},
		{
			Field: "spec.hook.resources[1]", Name: "defaults",
			Post: []hook.Command{{
				Origin: "spec.hook.resources[1].post[0].exec", Words: []string{"warm"}, Timeout: hook.DefaultTimeout, Wait: hook.DefaultWait,
			}},
			Init: []hook.Init{{
				Origin: "spec.hook.resources[1].post[1].init", Timeout: hook.DefaultInit,
				Containers: []any{map[string]any{"name": "own", "image": "tools"}},
			}},
		},
	}
	same := cmp.Comparer(func(x, y labels.Selector) bool {
		return (x == nil) == (y == nil) && (x == nil || x.String() == y.String())
	})
	if diff := cmp.Diff(want, sets, same, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInitContainersThatAreNone: the API server takes anything there, and a Restore with it is read all the same, and refused by
// the field.
func TestInitContainersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, containers := range map[string]string{
		"a text": `tools`, "an object": `{name: own}`, "a number for a name": `[{name: 5, image: tools}]`, "a text for a container": `[tools]`,
		"a slip in a field": `[{name: own, image: tools, comand: [chown]}]`, "too many": "[" + strings.Repeat("{name: a},", 32) + "{name: a}]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := filters.OfRestoreHook(restoreHook(t, "resources: [{name: a, post: [{init: {initContainers: "+containers+"}}]}]"))
			if err == nil || !strings.HasPrefix(err.Error(), "spec.hook.resources[0].post[0].init.initContainers: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRestoreHookWithWrongLabels(t *testing.T) {
	t.Parallel()
	wrong := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
	_, err := filters.OfRestoreHook(&kahuv1.RestoreHook{Resources: []kahuv1.RestoreResourceHook{{LabelSelector: wrong}}})
	if err == nil || !strings.HasPrefix(err.Error(), "spec.hook.resources[0].labelSelector: ") {
		t.Errorf("got %v", err)
	}
}
