package cluster_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestCreate(t *testing.T) {
	namespace := testcluster.Namespace(t)
	client := newClient(t, testcluster.Config(t), cluster.Options{Version: "1.2.3"})
	uid, err := client.Create(t.Context(), configMaps(), configMap(namespace, "a", map[string]any{"k": "v"}), "test")
	if err != nil {
		t.Fatal(err)
	}
	living, err := reference(t).Resource(configMaps().GroupVersionResource()).Namespace(namespace).Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if uid == "" || uid != living.GetUID() {
		t.Errorf("got UID %q, want %q", uid, living.GetUID())
	}
	if managers := living.GetManagedFields(); len(managers) != 1 || managers[0].Manager != "test" {
		t.Errorf("got managed fields %+v, want those of the manager that was given", managers)
	}
	if diff := cmp.Diff(map[string]any{"k": "v"}, living.Object["data"]); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

// TestCreateUnknownFields shows that nothing is dropped silently, whatever the kind.
func TestCreateUnknownFields(t *testing.T) {
	const group = "strict.kahu.test"
	namespace := testcluster.Namespace(t)
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	create(t, client, definitions(), definition(group))
	if err := client.WaitEstablished(t.Context(), []string{"widgets." + group}); err != nil {
		t.Fatal(err)
	}
	deployments := core.Kind{Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Namespaced: true}
	labels := map[string]any{"app": "a"}
	cases := map[string]struct {
		kind   core.Kind
		object map[string]any
		field  string
	}{
		"Builtin": {
			kind: deployments,
			object: map[string]any{
				"selector": map[string]any{"matchLabels": labels},
				"template": map[string]any{
					"metadata": map[string]any{"labels": labels},
					"spec": map[string]any{
						"containers": []any{map[string]any{"name": "c", "image": "i", "futureField": true}},
					},
				},
			},
			field: `"spec.template.spec.containers[0].futureField"`,
		},
		"Custom": {kind: widgets(group), object: map[string]any{"size": int64(1), "futureField": "x"}, field: `"spec.futureField"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": tc.kind.APIVersion(), "kind": tc.kind.Name,
				"metadata": map[string]any{"namespace": namespace, "name": "a"}, "spec": tc.object,
			}}
			_, err := client.Create(t.Context(), tc.kind, object, "test")
			checkClass(t, err, core.ErrInvalid)
			if err != nil && !strings.Contains(err.Error(), "unknown field "+tc.field) {
				t.Errorf("the error does not name %s: %v", tc.field, err)
			}
			if _, err := client.Get(t.Context(), tc.kind, namespace, "a"); !errors.Is(err, core.ErrNotFound) {
				t.Errorf("after the refusal: got error %v, want %v", err, core.ErrNotFound)
			}
		})
	}
}

func TestReplace(t *testing.T) {
	namespace := testcluster.Namespace(t)
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	create(t, client, configMaps(), configMap(namespace, "a", map[string]any{"old": "x"}))
	before, err := client.Get(t.Context(), configMaps(), namespace, "a")
	if err != nil {
		t.Fatal(err)
	}

	next := configMap(namespace, "a", map[string]any{"new": "y"})
	next.SetUID("of-another-cluster")
	next.SetResourceVersion("1")
	same := next.DeepCopy()
	if err := client.Replace(t.Context(), configMaps(), next, "test"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(same, next); diff != "" {
		t.Errorf("the caller's object changed (-before +after):\n%s", diff)
	}
	after, err := client.Get(t.Context(), configMaps(), namespace, "a")
	if err != nil {
		t.Fatal(err)
	}
	if after.UID != before.UID || !strings.Contains(string(after.JSON), `"data":{"new":"y"}`) {
		t.Errorf("got %s", after.JSON)
	}

	err = client.Replace(t.Context(), configMaps(), configMap(namespace, "missing", nil), "test")
	checkClass(t, err, core.ErrNotFound)
	unknown := configMap(namespace, "a", nil)
	unknown.Object["detail"] = "x"
	checkClass(t, client.Replace(t.Context(), configMaps(), unknown, "test"), core.ErrInvalid)
}

func TestReplaceWhileOthersChange(t *testing.T) {
	namespace := testcluster.Namespace(t)
	direct := newClient(t, testcluster.Config(t), cluster.Options{})
	create(t, direct, configMaps(), configMap(namespace, "a", nil))
	for name, tc := range map[string]struct {
		others int
		class  error
	}{
		"AFewTimes": {others: 4},
		"Always":    {others: 1000, class: core.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			var puts counter
			// Whoever is in between writes with a client of its own, so that the one under test sees a real conflict.
			client := newClient(t, inFront(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == http.MethodPut {
					if n := puts.add("put"); n <= tc.others {
						other := configMap(namespace, "a", map[string]any{"n": strings.Repeat("i", n), "test": name})
						if err := direct.Replace(r.Context(), configMaps(), other, "test"); err != nil {
							t.Error(err)
						}
					}
				}
				next.ServeHTTP(w, r)
			}), cluster.Options{})
			err := client.Replace(t.Context(), configMaps(), configMap(namespace, "a", map[string]any{"mine": "x"}), "test")
			checkClass(t, err, tc.class)
			if got := puts.of("put"); got != 5 {
				t.Errorf("got %d attempts, want 5", got)
			}
		})
	}
}

// TestParallel uses one client from many sides.
func TestParallel(t *testing.T) {
	namespace := testcluster.Namespace(t)
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			name := "object-" + string(rune('a'+i))
			if _, err := client.Create(t.Context(), configMaps(), configMap(namespace, name, nil), "test"); err != nil {
				t.Error(err)
			}
			if _, err := client.Get(t.Context(), configMaps(), namespace, name); err != nil {
				t.Error(err)
			}
			request := core.ListRequest{Kind: configMaps(), Namespace: namespace}
			if err := client.List(t.Context(), request, func(core.Page) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
