package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestListFails(t *testing.T) {
	namespace := testcluster.Namespace(t)
	fill(t, namespace, 60, map[string]any{"content": strings.Repeat("x", 1000)})
	const expired = `{"kind":"Status","apiVersion":"v1","metadata":{"continue":"another-moment"},"status":"Failure",` +
		`"message":"The provided continue parameter is too old","reason":"Expired","code":410}`
	cases := map[string]struct {
		reason string
		meddle meddler
		class  error
		// requests is the number of lists that the server sees for each continue token, none for the first page.
		requests map[bool]int
	}{
		"Expired": {
			reason: "The server's offer of another moment must not be taken.",
			meddle: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Query().Get("continue") != "" {
					answer(w, http.StatusGone, expired)
					return
				}
				next.ServeHTTP(w, r)
			},
			class:    core.ErrExpired,
			requests: map[bool]int{false: 1, true: 1},
		},
		"BreaksOffAlways": {
			reason: "A page that never arrives whole ends the list, and nothing of it counts.",
			meddle: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Query().Get("continue") != "" {
					w = &cutWriter{ResponseWriter: w, left: 5000}
				}
				next.ServeHTTP(w, r)
			},
			class:    core.ErrUnavailable,
			requests: map[bool]int{false: 1, true: 3},
		},
		"Corrupt": {
			reason: "What is no list is refused.",
			meddle: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				answer(w, http.StatusOK, `{"kind":"ConfigMapList","apiVersion":"v1","items":[{"metadata":{"name":"a"},}]}`)
			},
			class:    core.ErrCorrupt,
			requests: map[bool]int{false: 1},
		},
		"SamePageForEver": {
			reason: "A list must come to an end.",
			meddle: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				answer(w, http.StatusOK, `{"metadata":{"continue":"again"},"items":[{"metadata":{"name":"a"}}]}`)
			},
			class:    core.ErrCorrupt,
			requests: map[bool]int{false: 1, true: 1},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var requests counter
			client := newClient(t, inFront(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				requests.add(fmt.Sprint(r.URL.Query().Get("continue") != ""))
				tc.meddle(w, r, next)
			}), cluster.Options{Attempts: 3, Clock: &impatientClock{}})
			request := core.ListRequest{Kind: configMaps(), Namespace: namespace}
			err := client.List(t.Context(), request, func(core.Page) error { return nil })
			if !errors.Is(err, tc.class) {
				t.Errorf("%s\nList: got error %v, want %v", tc.reason, err, tc.class)
			}
			for again, want := range maps.All(tc.requests) {
				if got := requests.of(fmt.Sprint(again)); got != want {
					t.Errorf("%s\nrequests with continue=%v: got %d, want %d", tc.reason, again, got, want)
				}
			}
		})
	}
}

func TestListFirstPageBrokenOff(t *testing.T) {
	namespace := testcluster.Namespace(t)
	fill(t, namespace, 30, nil)
	var requests counter
	client := newClient(t, inFront(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if requests.add("list") == 1 {
			w = &cutWriter{ResponseWriter: w, left: 3000}
		}
		next.ServeHTTP(w, r)
	}), cluster.Options{Clock: &impatientClock{}})
	pages := listAll(t, client, core.ListRequest{Kind: configMaps(), Namespace: namespace})
	checkAgainst(t, configMaps(), namespace, objectsOf(pages))
	if got := requests.of("list"); got != 3 {
		t.Errorf("got %d requests, want 3", got)
	}
}

func TestListStops(t *testing.T) {
	namespace := testcluster.Namespace(t)
	fill(t, namespace, 60, nil)
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	request := core.ListRequest{Kind: configMaps(), Namespace: namespace}

	enough := errors.New("enough")
	visits := 0
	err := client.List(t.Context(), request, func(core.Page) error {
		visits++
		return enough
	})
	if !errors.Is(err, enough) || visits != 1 {
		t.Errorf("got %d visits and error %v, want 1 and the error of the visit", visits, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	err = client.List(ctx, request, func(core.Page) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: got error %v", err)
	}
}

// TestListOtherPage shows that objects of two moments never get into one list.
func TestListOtherPage(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	items := func(prefix string, count int, content string) string {
		var all []string
		for i := range count {
			all = append(all, fmt.Sprintf(`{"metadata":{"name":"%s-%03d","namespace":"n"},"data":{"x":%q}}`, prefix, i, content))
		}
		return strings.Join(all, ",")
	}
	first := `{"metadata":{"resourceVersion":"1","continue":"c"},"items":[` + items("a", 25, "") + `]}`
	second := `{"metadata":{"resourceVersion":"1"},"items":[` + items("b", 9, large)
	cases := map[string]struct {
		reason string
		// pages are the answers one after the other; one without an end breaks off.
		pages []string
		class error
	}{
		"Same":    {"The same page goes on where it broke off.", []string{first, second, second + `]}`}, nil},
		"Others":  {"Other objects are another moment.", []string{first, second, strings.ReplaceAll(second, "b-", "c-") + `]}`}, core.ErrExpired},
		"Fewer":   {"Fewer objects are another moment.", []string{first, second, `{"metadata":{"resourceVersion":"1"},"items":[]}`}, core.ErrExpired},
		"NoToken": {"The first page has no moment yet.", []string{`{"items":[` + items("a", 600, ""), `{"items":[` + items("a", 600, "") + `]}`}, core.ErrExpired},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var requests counter
			config := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				page := tc.pages[requests.add("list")-1]
				_, _ = w.Write([]byte(page))
				if !strings.HasSuffix(page, "]}") {
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				}
			})
			client := newClient(t, config, cluster.Options{Clock: &impatientClock{}})
			seen := map[string]int{}
			err := client.List(t.Context(), core.ListRequest{Kind: configMaps()}, func(page core.Page) error {
				for _, object := range page.Objects {
					seen[object.Name]++
				}
				return nil
			})
			checkClass(t, err, tc.class)
			for name, times := range seen {
				if times > 1 {
					t.Errorf("%s\n%s came %d times", tc.reason, name, times)
				}
			}
			if err == nil && len(seen) != 34 {
				t.Errorf("%s\ngot %d objects, want 34", tc.reason, len(seen))
			}
		})
	}
}
