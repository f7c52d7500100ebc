package cluster_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func kindsOf(t *testing.T, client *cluster.Client) map[string]core.Kind {
	t.Helper()
	kinds, unserved, err := client.Kinds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(unserved) > 0 {
		t.Errorf("got unserved groups %+v", unserved)
	}
	return byName(t, kinds)
}

func byName(t *testing.T, kinds []core.Kind) map[string]core.Kind {
	t.Helper()
	named := map[string]core.Kind{}
	for i, kind := range kinds {
		name := kind.GroupResource().String()
		if _, twice := named[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		named[name] = kind
		if i > 0 && (kinds[i-1].Group > kind.Group || kinds[i-1].Group == kind.Group && kinds[i-1].Resource >= kind.Resource) {
			t.Errorf("%s comes before %s", kinds[i-1], kind)
		}
	}
	return named
}

// defineWidgets creates a definition and waits until it is served.
func defineWidgets(t *testing.T, group string) {
	t.Helper()
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	create(t, client, definitions(), definition(group))
	if err := client.WaitEstablished(t.Context(), []string{"widgets." + group}); err != nil {
		t.Fatal(err)
	}
}

func TestKinds(t *testing.T) {
	const group = "kinds.kahu.test"
	defineWidgets(t, group)
	got := kindsOf(t, newClient(t, testcluster.Config(t), cluster.Options{}))
	for name, want := range map[string]core.Kind{
		"deployments.apps": {
			Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Singular: "deployment",
			ShortNames: []string{"deploy"}, Namespaced: true,
		},
		"namespaces": {
			Version: "v1", Name: "Namespace", Resource: "namespaces", Singular: "namespace", ShortNames: []string{"ns"},
		},
		"horizontalpodautoscalers.autoscaling": {
			Group: "autoscaling", Version: "v2", Name: "HorizontalPodAutoscaler", Resource: "horizontalpodautoscalers",
			Singular: "horizontalpodautoscaler", ShortNames: []string{"hpa"}, Namespaced: true,
		},
		"widgets." + group: widgets(group),
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, kind := range got {
		if strings.Contains(kind.Resource, "/") {
			t.Errorf("%s is a part of another kind", name)
		}
		if kind.Custom != strings.HasSuffix(kind.Group, ".kahu.test") {
			t.Errorf("%s: custom is %v", name, kind.Custom)
		}
	}
	for _, name := range []string{"bindings", "tokenreviews.authentication.k8s.io", "componentstatuses"} {
		if _, there := got[name]; there {
			t.Errorf("%s cannot be listed, got and created", name)
		}
	}
}

// TestKindsAgainstClientGo compares with the discovery of client-go.
func TestKindsAgainstClientGo(t *testing.T) {
	api, err := discovery.NewDiscoveryClientForConfig(testcluster.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	lists, err := discovery.ServerPreferredResources(api)
	if err != nil {
		t.Fatal(err)
	}
	verbs := discovery.SupportsAllVerbs{Verbs: []string{"list", "get", "create"}}
	var want []string
	for _, list := range discovery.FilteredBy(verbs, lists) {
		for _, resource := range list.APIResources {
			want = append(want, list.GroupVersion+" "+resource.Kind+" "+resource.Name)
		}
	}
	var got []string
	for _, kind := range kindsOf(t, newClient(t, testcluster.Config(t), cluster.Options{})) {
		got = append(got, kind.APIVersion()+" "+kind.Name+" "+kind.Resource)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

// TestKindsElsewhere shows that an older server and less rights give the same kinds.
func TestKindsElsewhere(t *testing.T) {
	defineWidgets(t, "elsewhere.kahu.test")
	want := kindsOf(t, newClient(t, testcluster.Config(t), cluster.Options{}))
	deny := func(paths ...string) meddler {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if slices.ContainsFunc(paths, func(path string) bool { return strings.HasSuffix(r.URL.Path, path) }) {
				answer(w, http.StatusForbidden, status(403, "Forbidden", "no", ""))
				return
			}
			next.ServeHTTP(w, r)
		}
	}
	for name, meddle := range map[string]meddler{
		"NoAggregatedDiscovery": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Set("Accept", "application/json")
			next.ServeHTTP(w, r)
		},
		"Beta": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Set("Accept", strings.ReplaceAll(r.Header.Get("Accept"), "v=v2;", "v=v3;"))
			next.ServeHTTP(w, r)
		},
		"NoDefinitions": deny("/customresourcedefinitions"),
		"NoAPIServices": deny("/apiservices"),
		"Neither":       deny("/customresourcedefinitions", "/apiservices"),
	} {
		t.Run(name, func(t *testing.T) {
			got := kindsOf(t, newClient(t, inFront(t, meddle), cluster.Options{}))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("Failing", func(t *testing.T) {
		config := inFront(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/customresourcedefinitions") {
				answer(w, http.StatusInternalServerError, status(500, "InternalError", "oops", ""))
				return
			}
			next.ServeHTTP(w, r)
		})
		_, _, err := newClient(t, config, cluster.Options{Attempts: 1}).Kinds(t.Context())
		checkClass(t, err, core.ErrUnavailable)
	})
}

// TestKindsOfVersions shows which version of a kind is taken.
func TestKindsOfVersions(t *testing.T) {
	resource := func(name string, verbs string) string {
		return `{"resource":"` + name + `","responseKind":{"group":"","version":"","kind":"` + strings.ToUpper(name) +
			`"},"scope":"Cluster","singularResource":"","verbs":["` + strings.ReplaceAll(verbs, " ", `","`) + `"]}`
	}
	const all = "list get create"
	groups := `{"items":[{"metadata":{"name":"g.test"},"versions":[` +
		`{"version":"v2","freshness":"Current","resources":[` + resource("a", all) + `,` + resource("c", "list get") + `]},` +
		`{"version":"v1","freshness":"Current","resources":[` + resource("a", all) + `,` + resource("b", all) + `]},` +
		`{"version":"v1beta1","freshness":"Stale","resources":[` + resource("z", all) + `]},` +
		`{"version":"v1alpha1","freshness":"Stale","resources":[` + resource("y", all) + `]}]}]}`
	config := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api", "/apis":
			body := groups
			if r.URL.Path == "/api" {
				body = `{"items":[]}`
			}
			w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
			_, _ = w.Write([]byte(body))
		case "/apis/g.test/v1beta1":
			answer(w, http.StatusServiceUnavailable, status(503, "ServiceUnavailable", "the backend is down", ""))
		case "/apis/g.test/v1alpha1":
			answer(w, http.StatusOK, `{"kind":"APIResourceList","resources":[`+
				`{"name":"x","kind":"X","namespaced":true,"verbs":["list","get","create"]},`+
				`{"name":"x/status","kind":"X","verbs":["list","get","create"]}]}`)
		default:
			http.NotFound(w, r)
		}
	})
	client := newClient(t, config, cluster.Options{Clock: &impatientClock{}})
	kinds, unserved, err := client.Kinds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, kind := range kinds {
		got = append(got, kind.Version+"/"+kind.Resource)
	}
	if diff := cmp.Diff([]string{"v2/a", "v1/b", "v1alpha1/x"}, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if len(unserved) != 1 || unserved[0].GroupVersion != "g.test/v1beta1" ||
		!strings.Contains(unserved[0].Message, "the backend is down") {
		t.Errorf("got unserved groups %+v, want g.test/v1beta1 and the server's words", unserved)
	}
}

// TestKindsBrokenGroup registers an API server that is not there.
func TestKindsBrokenGroup(t *testing.T) {
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	create(t, client, apiServices(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1",
		"kind":       "APIService",
		"metadata":   map[string]any{"name": "v1.broken.kahu.test"},
		"spec": map[string]any{
			"group": "broken.kahu.test", "version": "v1", "groupPriorityMinimum": int64(100), "versionPriority": int64(10),
			"insecureSkipTLSVerify": true,
			"service":               map[string]any{"namespace": "default", "name": "missing"},
		},
	}})
	for _, config := range []string{"aggregated", "names"} {
		accept := map[string]meddler{
			"aggregated": func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) },
			"names": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				r.Header.Set("Accept", "application/json")
				next.ServeHTTP(w, r)
			},
		}[config]
		t.Run(config, func(t *testing.T) {
			client := newClient(t, inFront(t, accept), cluster.Options{Clock: &impatientClock{}})
			soon, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for {
				kinds, unserved, err := client.Kinds(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(unserved) == 0 && soon.Err() == nil {
					continue // The server announces the group in its own time, which cannot be watched.
				}
				if len(unserved) != 1 || unserved[0].GroupVersion != "broken.kahu.test/v1" || unserved[0].Message == "" {
					t.Errorf("got unserved groups %+v, want broken.kahu.test/v1", unserved)
				}
				if _, there := byName(t, kinds)["deployments.apps"]; !there {
					t.Error("the other kinds are not there")
				}
				return
			}
		})
	}
}

// TestKindsAggregated shows that what another API server serves is custom.
func TestKindsAggregated(t *testing.T) {
	config := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, known := map[string]string{
			"/api":  `{"kind":"APIVersions","versions":["v1"]}`,
			"/apis": `{"kind":"APIGroupList","groups":[{"name":"g.test","versions":[{"version":"v1"},{"version":"v2"}],"preferredVersion":{"version":"v2"}}]}`,
			"/api/v1": `{"resources":[{"name":"pods","kind":"Pod","namespaced":true,"shortNames":["po"],"singularName":"pod",` +
				`"verbs":["list","get","create"]}]}`,
			"/apis/g.test/v1": `{"resources":[{"name":"a","kind":"A","verbs":["list","get","create"]}]}`,
			"/apis/g.test/v2": `{"resources":[{"name":"a","kind":"A","verbs":["list","get","create"]}]}`,
			"/apis/apiextensions.k8s.io/v1/customresourcedefinitions": `{"metadata":{},"items":[]}`,
			"/apis/apiregistration.k8s.io/v1/apiservices": `{"metadata":{},"items":[` +
				`{"metadata":{"name":"v1."},"spec":{"version":"v1","service":null}},` +
				`{"metadata":{"name":"v2.g.test"},"spec":{"group":"g.test","version":"v2","service":{"name":"s"}}}]}`,
		}[r.URL.Path]
		if !known {
			t.Errorf("unexpected request %s", r.URL.Path)
		}
		answer(w, http.StatusOK, body)
	})
	got := kindsOf(t, newClient(t, config, cluster.Options{}))
	want := map[string]core.Kind{
		"pods": {
			Version: "v1", Name: "Pod", Resource: "pods", Singular: "pod", ShortNames: []string{"po"}, Namespaced: true,
		},
		"a.g.test": {Group: "g.test", Version: "v2", Name: "A", Resource: "a", Custom: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}
