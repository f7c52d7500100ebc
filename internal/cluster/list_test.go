package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// fill creates many config maps side by side.
func fill(t *testing.T, namespace string, count int, data map[string]any) {
	t.Helper()
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	const workers = 8
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < count; i += workers {
				object := configMap(namespace, fmt.Sprintf("object-%05d", i), data)
				object.SetLabels(map[string]string{"half": fmt.Sprint(i % 2)})
				if _, err := client.Create(t.Context(), configMaps(), object, "test"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if group.Wait(); t.Failed() {
		t.FailNow()
	}
}

func listAll(t *testing.T, client *cluster.Client, request core.ListRequest) []core.Page {
	t.Helper()
	var pages []core.Page
	err := client.List(t.Context(), request, func(page core.Page) error {
		pages = append(pages, page)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func objectsOf(pages []core.Page) []core.Object {
	var objects []core.Object
	for _, page := range pages {
		objects = append(objects, page.Objects...)
	}
	return objects
}

// checkAgainst compares with what another client sees, field by field.
func checkAgainst(t *testing.T, kind core.Kind, namespace string, objects []core.Object) {
	t.Helper()
	list, err := reference(t).Resource(kind.GroupVersionResource()).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != len(objects) {
		t.Fatalf("got %d objects, want %d", len(objects), len(list.Items))
	}
	for i, want := range list.Items {
		got := objects[i]
		if got.Name != want.GetName() || got.Namespace != want.GetNamespace() || got.UID != want.GetUID() ||
			got.ResourceVersion != want.GetResourceVersion() || !cmp.Equal(got.Labels, want.GetLabels()) {
			t.Fatalf("object %d: got %s %s %s %v, want %s", i, got.Key(), got.UID, got.ResourceVersion, got.Labels, want.GetName())
		}
		want.SetManagedFields(nil)
		want.SetResourceVersion("")
		var content unstructured.Unstructured
		if err := content.UnmarshalJSON(got.JSON); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Object, content.Object); diff != "" {
			t.Fatalf("object %s (-want +got):\n%s", got.Key(), diff)
		}
	}
}

func TestListPages(t *testing.T) {
	const count = 1300
	namespace := testcluster.Namespace(t)
	fill(t, namespace, count, map[string]any{"content": "<&>\u2028é"})
	client := newClient(t, testcluster.Config(t), cluster.Options{})

	t.Run("All", func(t *testing.T) {
		pages := listAll(t, client, core.ListRequest{Kind: configMaps(), Namespace: namespace})
		objects := objectsOf(pages)
		checkAgainst(t, configMaps(), namespace, objects)
		after := int64(len(objects))
		for i, page := range pages {
			if len(page.Objects) > 500 {
				t.Errorf("page %d has %d objects", i, len(page.Objects))
			}
			if page.ResourceVersion == "" || page.ResourceVersion != pages[0].ResourceVersion {
				t.Errorf("page %d is of version %q, the first of %q", i, page.ResourceVersion, pages[0].ResourceVersion)
			}
			after -= int64(len(page.Objects))
			if page.Remaining != after {
				t.Errorf("page %d: got %d remaining, want %d", i, page.Remaining, after)
			}
		}
		for i := 1; i < len(objects); i++ {
			if objects[i-1].Key().Compare(objects[i].Key()) >= 0 {
				t.Errorf("%s comes before %s", objects[i-1].Key(), objects[i].Key())
			}
		}
	})
	t.Run("Selected", func(t *testing.T) {
		request := core.ListRequest{Kind: configMaps(), Namespace: namespace, LabelSelector: "half=1"}
		pages := listAll(t, client, request)
		objects := objectsOf(pages)
		if len(objects) != count/2 {
			t.Errorf("got %d objects, want %d", len(objects), count/2)
		}
		for _, object := range objects {
			if object.Labels["half"] != "1" {
				t.Errorf("%s was not selected", object.Key())
			}
		}
		if pages[0].Remaining != -1 {
			t.Errorf("got %d remaining, and the server does not say", pages[0].Remaining)
		}
	})
	t.Run("OneMoment", func(t *testing.T) {
		late := configMap(namespace, "zzz-late", nil)
		var names []string
		err := client.List(t.Context(), core.ListRequest{Kind: configMaps(), Namespace: namespace}, func(page core.Page) error {
			if names == nil {
				if _, err := client.Create(t.Context(), configMaps(), late, "test"); err != nil {
					return err
				}
			}
			for _, object := range page.Objects {
				names = append(names, object.Name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if names[len(names)-1] == late.GetName() {
			t.Error("an object that was created after the first page is in the list")
		}
	})
}

func TestListPrefetchesOnePage(t *testing.T) {
	namespace := testcluster.Namespace(t)
	fill(t, namespace, 1100, nil)
	var requests counter
	second := make(chan struct{})
	client := newClient(t, inFront(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if requests.add("list") == 2 {
			close(second)
		}
		next.ServeHTTP(w, r)
	}), cluster.Options{})
	soon, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	page := 0
	err := client.List(t.Context(), core.ListRequest{Kind: configMaps(), Namespace: namespace}, func(core.Page) error {
		page++
		select {
		case <-second:
		case <-soon.Done():
			t.Error("the second page was not asked for while the first one was visited")
		}
		if asked := requests.of("list"); asked > page+1 {
			t.Errorf("at page %d, %d were asked for", page, asked)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if page != 4 {
		t.Errorf("got %d pages, want 4", page)
	}
}

// TestListLargeObjects shows that a page of the server is neither held nor lost when it breaks off in the middle.
func TestListLargeObjects(t *testing.T) {
	const count, size = 45, 512 << 10
	namespace := testcluster.Namespace(t)
	fill(t, namespace, count, map[string]any{"content": strings.Repeat("x", size)})
	var requests counter
	client := newClient(t, inFront(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Get("continue") != "" && requests.add("second page") == 1 {
			w = &cutWriter{ResponseWriter: w, left: 11 * size}
		}
		next.ServeHTTP(w, r)
	}), cluster.Options{Clock: &impatientClock{}})
	pages := listAll(t, client, core.ListRequest{Kind: configMaps(), Namespace: namespace})
	objects := objectsOf(pages)
	checkAgainst(t, configMaps(), namespace, objects)
	if asked := requests.of("second page"); asked != 2 {
		t.Errorf("the second page was asked for %d times, want 2", asked)
	}
	for i, page := range pages[1:] {
		total := 0
		for _, object := range page.Objects {
			total += len(object.JSON)
		}
		if total > 5<<20 {
			t.Errorf("page %d holds %d bytes", i+1, total)
		}
	}
	if last := pages[len(pages)-1].Remaining; last != 0 {
		t.Errorf("got %d remaining at the end", last)
	}
}

func TestListCustom(t *testing.T) {
	const group, count = "list.kahu.test", 60
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	create(t, client, definitions(), definition(group))
	if err := client.WaitEstablished(t.Context(), []string{"widgets." + group}); err != nil {
		t.Fatal(err)
	}
	namespace := testcluster.Namespace(t)
	kind := widgets(group)
	for i := range count {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": kind.APIVersion(),
			"kind":       kind.Name,
			"metadata":   map[string]any{"namespace": namespace, "name": fmt.Sprintf("widget-%02d", i)},
			"spec":       map[string]any{"size": 0.5 + float64(i), "any": map[string]any{"z": "<>", "a": int64(1) << 60}},
		}}
		if _, err := client.Create(t.Context(), kind, object, "test"); err != nil {
			t.Fatal(err)
		}
	}
	pages := listAll(t, client, core.ListRequest{Kind: kind, Namespace: namespace})
	checkAgainst(t, kind, namespace, objectsOf(pages))
	for i, page := range pages {
		if page.ResourceVersion == "" {
			t.Errorf("page %d of %d has no version", i, len(pages))
		}
	}
	checkGet(t, client, objectsOf(pages))
}

// checkGet makes sure that Get gives the same objects as List.
func checkGet(t *testing.T, client *cluster.Client, objects []core.Object) {
	t.Helper()
	for _, want := range objects {
		got, err := client.Get(t.Context(), want.Kind, want.Namespace, want.Name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs (-list +get):\n%s", want.Key(), diff)
		}
	}
}

// TestGetAsListed reads all that a fresh cluster holds both ways.
func TestGetAsListed(t *testing.T) {
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	kinds, _, err := client.Kinds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, kind := range kinds {
		if kind.Resource == "events" || kind.Resource == "leases" {
			continue // These change all the time.
		}
		for _, want := range objectsOf(listAll(t, client, core.ListRequest{Kind: kind})) {
			got, err := client.Get(t.Context(), want.Kind, want.Namespace, want.Name)
			if errors.Is(err, core.ErrNotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.ResourceVersion != want.ResourceVersion {
				continue
			}
			checked++
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s differs (-list +get):\n%s", want.Key(), diff)
			}
			if kind.Resource != "namespaces" && !json.Valid(got.JSON) {
				t.Errorf("%s is no JSON", want.Key())
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d objects were compared", checked)
	}
}

func TestListEmpty(t *testing.T) {
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	request := core.ListRequest{Kind: secrets(), Namespace: testcluster.Namespace(t)}
	pages := listAll(t, client, request)
	if len(pages) != 1 || len(pages[0].Objects) != 0 || pages[0].ResourceVersion == "" || pages[0].Remaining != 0 {
		t.Errorf("got %+v, want one empty page with a version", pages)
	}
}
