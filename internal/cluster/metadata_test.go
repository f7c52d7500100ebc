package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// metadataOf returns the pages of a list of metadata.
func metadataOf(t *testing.T, client *cluster.Client, request core.ListRequest) []core.MetadataPage {
	t.Helper()
	var pages []core.MetadataPage
	if err := client.ListMetadata(t.Context(), request, func(page core.MetadataPage) error {
		pages = append(pages, page)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return pages
}

// TestListMetadata compares the metadata of a list with the list, and each page with the page that is read whole.
func TestListMetadata(t *testing.T) {
	namespace := testcluster.Namespace(t)
	fill(t, namespace, 1200, map[string]any{"content": strings.Repeat("x", 100)})
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	kinds, _, err := client.Kinds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	for _, kind := range kinds {
		if kind.Resource == "leases" || kind.Resource == "events" {
			continue // They change meanwhile.
		}
		request := core.ListRequest{Kind: kind}
		if kind.Resource == "configmaps" {
			request.Namespace, request.LabelSelector = namespace, "half=1"
		}
		whole := objectsOf(listAll(t, client, request))
		var found []core.Object
		for _, page := range metadataOf(t, client, request) {
			found = append(found, page.Objects...)
			comparePage(t, client, request, page)
			pages++
		}
		for i := range whole {
			whole[i].JSON = nil
		}
		if diff := cmp.Diff(whole, found, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-whole +metadata):\n%s", kind, diff)
		}
	}
	t.Logf("%d kinds, %d pages", len(kinds), pages)
}

// comparePage reads a page whole and compares it with its metadata.
func comparePage(t *testing.T, client *cluster.Client, request core.ListRequest, page core.MetadataPage) {
	t.Helper()
	var found []core.Object
	if err := client.ListPage(t.Context(), request, page.Position, func(part core.Page) error {
		found = append(found, part.Objects...)
		return nil
	}); err != nil {
		t.Fatalf("%s: %v", request.Kind, err)
	}
	for i := range found {
		if len(found[i].JSON) == 0 {
			t.Errorf("%s has no content", found[i].Key())
		}
		found[i].JSON = nil
	}
	if diff := cmp.Diff(page.Objects, found, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-metadata +whole):\n%s", request.Kind, diff)
	}
}

// TestListPageIsOfTheSameMoment reads pages of a list after the objects were changed.
func TestListPageIsOfTheSameMoment(t *testing.T) {
	namespace := testcluster.Namespace(t)
	fill(t, namespace, 520, map[string]any{"content": "before"})
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	request := core.ListRequest{Kind: configMaps(), Namespace: namespace, LabelSelector: "half"}
	pages := metadataOf(t, client, request)
	if len(pages) != 2 || len(pages[0].Objects) != 500 || pages[0].Remaining != 20 && pages[0].Remaining != -1 || pages[1].Remaining != 0 {
		t.Fatalf("%d pages", len(pages))
	}
	for _, name := range []string{"object-00000", "object-00510"} {
		if err := client.Replace(t.Context(), configMaps(), configMap(namespace, name, map[string]any{"content": "after"}), "test"); err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range pages {
		comparePage(t, client, request, page)
	}
}

// TestListMetadataFromOthers: a server that does not know the form answers in JSON, or with whole objects.
func TestListMetadataFromOthers(t *testing.T) {
	kind := configMaps()
	item := func(name string) map[string]any {
		return map[string]any{"metadata": map[string]any{
			"name": name, "namespace": "n", "uid": "u", "resourceVersion": "5", "labels": map[string]string{"a": "b"},
		}, "data": map[string]string{"x": "y"}}
	}
	config := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "application/json") {
			t.Errorf("accepts %s only", r.Header.Get("Accept"))
		}
		page, next := item("one"), "next"
		if r.URL.Query().Get("continue") == "next" {
			page, next = item("two"), ""
		}
		content, err := json.Marshal(map[string]any{
			"kind": "ConfigMapList", "metadata": map[string]string{"resourceVersion": "9", "continue": next}, "items": []any{page},
		})
		if err != nil {
			t.Error(err)
		}
		answer(w, http.StatusOK, string(content))
	})
	var names []string
	err := newClient(t, config, cluster.Options{}).ListMetadata(t.Context(), core.ListRequest{Kind: kind}, func(page core.MetadataPage) error {
		for _, object := range page.Objects {
			names = append(names, fmt.Sprint(object.Name, object.Labels, page.ResourceVersion, page.Position.Token))
		}
		return nil
	})
	if diff := cmp.Diff([]string{"onemap[a:b]9", "twomap[a:b]9next"}, names); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestListMetadataInLongPages: pages of small objects become as long as they may, and an answer that is too long is asked for
// again with fewer objects.
func TestListMetadataInLongPages(t *testing.T) {
	const total, heavyFrom = 12_000, 9_000 // the objects from there on are too long to be read many at once
	var limits []int
	config := serve(t, func(w http.ResponseWriter, r *http.Request) {
		start, limit := 0, 0
		_, _ = fmt.Sscan(r.URL.Query().Get("continue"), &start)
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		limits = append(limits, limit)
		end, next := min(start+limit, total), ""
		if end < total {
			next = fmt.Sprint(end)
		}
		_, _ = fmt.Fprintf(w, `{"kind":"ConfigMapList","metadata":{"resourceVersion":"9","continue":%q},"items":[`, next)
		comma := ""
		for i := start; i < end; i++ {
			padding := 50
			if i >= heavyFrom {
				padding = 60 << 10
			}
			_, _ = fmt.Fprintf(w, `%s{"metadata":{"name":"o%d","annotations":{"a":"%*d"}}}`, comma, i, padding, 1)
			comma = ","
		}
		_, _ = fmt.Fprint(w, "]}")
	})
	found := 0
	if err := newClient(t, config, cluster.Options{}).ListMetadata(t.Context(), core.ListRequest{Kind: configMaps()}, func(page core.MetadataPage) error {
		if len(page.Objects) != page.Position.Objects {
			t.Errorf("a page of %d objects says that it has %d", len(page.Objects), page.Position.Objects)
		}
		for _, object := range page.Objects {
			if want := fmt.Sprint("o", found); object.Name != want {
				t.Fatalf("object %q instead of %s", object.Name, want)
			}
			found++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if found != total {
		t.Errorf("%d objects", found)
	}
	// Twice the server sends more than can be held; then the limit follows the size.
	if want := []int{500, 5000, 5000, 2500, 5000, 2500, 1250, 169, 34}; len(limits) < len(want) || !slices.Equal(limits[:len(want)], want) {
		t.Errorf("limits %v, they should begin with %v", limits, want)
	}
	if last := limits[len(limits)-1]; last > 40 {
		t.Errorf("the last page, of objects of 60 KiB, was asked for with a limit of %d", last)
	}
}

// TestListPageOfManyPages reads a long page of metadata whole, in the shorter pages of whole objects.
func TestListPageOfManyPages(t *testing.T) {
	namespace := testcluster.Namespace(t)
	fill(t, namespace, 1700, map[string]any{"content": "x"})
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	request := core.ListRequest{Kind: configMaps(), Namespace: namespace}
	pages := metadataOf(t, client, request)
	if len(pages) != 2 || pages[0].Position.Objects != 500 || pages[1].Position.Objects < 1200 {
		t.Fatalf("%d pages", len(pages))
	}
	for _, page := range pages {
		comparePage(t, client, request, page)
	}
}

func TestListMetadataFails(t *testing.T) {
	stop := errors.New("stop")
	cases := map[string]struct {
		handle http.HandlerFunc
		want   error
	}{
		"NoList":  {func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `[]`) }, core.ErrCorrupt},
		"NoName":  {func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{"items":[{"metadata":{}}]}`) }, core.ErrCorrupt},
		"Expired": {func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusGone, `{}`) }, core.ErrExpired},
		"Garbage": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
			answer(w, http.StatusOK, "k8s\x00garbage")
		}, core.ErrCorrupt},
		"SamePageForEver": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, `{"metadata":{"continue":"c"},"items":[]}`)
		}, core.ErrCorrupt},
		"Stopped": {func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{"items":[]}`) }, stop},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, serve(t, tc.handle), cluster.Options{Attempts: 1})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := client.ListMetadata(ctx, core.ListRequest{Kind: configMaps()}, func(core.MetadataPage) error {
				if errors.Is(tc.want, stop) {
					return stop
				}
				return nil
			})
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}
