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
