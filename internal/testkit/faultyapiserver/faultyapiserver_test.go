package faultyapiserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/soda-cdm/kahu/internal/testkit/faultyapiserver"
)

// behind is an API server of which a test knows what it was asked.
type behind struct{ carried atomic.Int32 }

func (b *behind) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	switch {
	case request.Method == http.MethodPost:
		b.carried.Add(1)
		writer.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(writer, `{"metadata":{"name":"one","uid":"u"}}`)
	case request.URL.Query().Get("watch") != "":
		flusher, _ := writer.(http.Flusher)
		_, _ = io.WriteString(writer, `{"type":"ADDED","object":{}}`+"\n")
		flusher.Flush()
		<-request.Context().Done()
	default:
		number := b.carried.Add(1)
		_, _ = fmt.Fprintf(writer, `{"items":[%s],"number":%d}`, strings.Repeat(`"x",`, 500)+`"x"`, number)
	}
}

func start(t *testing.T) (*faultyapiserver.Server, *behind) {
	t.Helper()
	handler := &behind{}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return faultyapiserver.Start(t, &rest.Config{Host: server.URL}), handler
}

// answer is what came of a request.
type answer struct {
	code  int
	body  string
	after string
	err   error
}

func ask(t *testing.T, proxy *faultyapiserver.Server, method, path string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, proxy.Config().Host+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	// Without connections that are kept, the client repeats nothing by itself.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(content), response.Header.Get("Retry-After"), err}
}

// TestFaults: each fault is what its name says, and is counted.
func TestFaults(t *testing.T) {
	t.Parallel()
	const list, page, watched = "/api/v1/pods?limit=5", "/api/v1/pods?limit=5&continue=x", "/api/v1/pods?watch=true"
	isReset := func(found answer) bool {
		return errors.Is(found.err, syscall.ECONNRESET) || errors.Is(found.err, io.EOF)
	}
	refused := func(code int) func(answer) bool {
		return func(found answer) bool {
			var status struct {
				Kind string `json:"kind"`
				Code int    `json:"code"`
			}
			return json.Unmarshal([]byte(found.body), &status) == nil && status.Kind == "Status" && status.Code == code && found.code == code
		}
	}
	for name, test := range map[string]struct {
		faults       faultyapiserver.Faults
		method, path string
		is           func(answer) bool
		carried      bool
	}{
		"slow":        {faultyapiserver.Faults{Slow: 1}, "GET", list, func(found answer) bool { return found.code == 200 }, true},
		"reset":       {faultyapiserver.Faults{Reset: 1}, "POST", "/api/v1/pods", isReset, false},
		"too many":    {faultyapiserver.Faults{TooMany: 1}, "POST", "/api/v1/pods", refused(429), false},
		"failed":      {faultyapiserver.Faults{Failed: 1}, "GET", list, refused(500), false},
		"unavailable": {faultyapiserver.Faults{Unavailable: 1}, "GET", list, refused(503), false},
		"timed out":   {faultyapiserver.Faults{TimedOut: 1}, "GET", list, refused(504), false},
		"gone page":   {faultyapiserver.Faults{Gone: 1}, "GET", page, refused(410), false},
		"conflict":    {faultyapiserver.Faults{Conflict: 1}, "PUT", "/api/v1/pods/a", refused(409), false},
		"lost": {faultyapiserver.Faults{Lost: 1}, "POST", "/api/v1/pods", func(found answer) bool {
			return isReset(found) || refused(504)(found)
		}, true},
		"cut list": {faultyapiserver.Faults{Cut: 1}, "GET", list, func(found answer) bool {
			return found.code == 200 && found.err != nil && len(found.body) < 2000 || isReset(found)
		}, true},
		"cut watch": {faultyapiserver.Faults{Cut: 1}, "GET", watched, func(found answer) bool {
			return found.code == 200 && found.err != nil
		}, false},
		"gone watch": {faultyapiserver.Faults{Gone: 1}, "GET", watched, func(found answer) bool {
			return found.code == 200 && found.err == nil && strings.Contains(found.body, `"ADDED"`) && strings.Contains(found.body, `"code":410`)
		}, false},
		"lagging": {faultyapiserver.Faults{Lagging: 1, Gone: 1}, "GET", watched, func(found answer) bool { return found.code == 200 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, handler := start(t)
			proxy.Set(1, test.faults)
			if found := ask(t, proxy, test.method, test.path); !test.is(found) {
				t.Errorf("got %+v", found)
			}
			if (handler.carried.Load() > 0) != test.carried {
				t.Errorf("carried out %d times", handler.carried.Load())
			}
			if proxy.Happened()[name] != 1 || !slices.Contains(faultyapiserver.Names(), name) {
				t.Errorf("counted %v", proxy.Happened())
			}
			if created := proxy.Created()["/api/v1/pods/one"]; (created == 1) != (test.carried && test.method == "POST") {
				t.Errorf("created %v", proxy.Created())
			}
		})
	}
}

// TestAdvice: half of those who are too many are told when to come again.
func TestAdvice(t *testing.T) {
	t.Parallel()
	proxy, _ := start(t)
	proxy.Set(1, faultyapiserver.Faults{TooMany: 1})
	advised := 0
	for range 40 {
		if ask(t, proxy, "GET", "/api/v1/pods").after != "" {
			advised++
		}
	}
	if advised < 8 || advised > 32 || proxy.Happened()["too many, no advice"] != 40-advised {
		t.Errorf("%d of 40 were advised, %v", advised, proxy.Happened())
	}
}

// TestStale: a stale list is the one of an earlier time, and Kahu's own kinds are never stale when they are asked for
// as they are now.
func TestStale(t *testing.T) {
	t.Parallel()
	for path, stale := range map[string]bool{
		"/api/v1/pods?limit=5": true, "/apis/kahu.io/v1beta1/backups?limit=5": false,
		"/apis/kahu.io/v1beta1/backups?resourceVersion=0": true, "/api/v1/pods/one": false,
	} {
		proxy, _ := start(t)
		first := ask(t, proxy, "GET", path)
		proxy.Set(1, faultyapiserver.Faults{Stale: 1})
		if second := ask(t, proxy, "GET", path); (second.body == first.body) != stale || proxy.Happened()["stale"] > 0 != stale {
			t.Errorf("%s: %s, and then %s", path, first.body[len(first.body)-10:], second.body[len(second.body)-10:])
		}
	}
}

// TestSeed: the same seed lets the same requests fail, in whatever order they come, and another one others.
func TestSeed(t *testing.T) {
	t.Parallel()
	paths := make([]string, 60)
	for i := range paths {
		paths[i] = fmt.Sprintf("/api/v1/pods/%d", i)
	}
	fates := func(seed uint64, paths []string) string {
		proxy, _ := start(t)
		proxy.Set(seed, faultyapiserver.Faults{Failed: 0.3})
		fate := map[string]int{}
		for _, path := range paths {
			fate[path] = ask(t, proxy, "GET", path).code
		}
		return fmt.Sprint(fate)
	}
	backwards := slices.Clone(paths)
	slices.Reverse(backwards)
	first := fates(1, paths)
	if first != fates(1, backwards) {
		t.Error("the order matters")
	}
	if first == fates(2, paths) {
		t.Error("the seed does not matter")
	}
	if failed := strings.Count(first, "500"); failed < 6 || failed > 32 {
		t.Errorf("%d of 60 failed, 18 should", failed)
	}
}

// TestCalm: without faults the proxy is none.
func TestCalm(t *testing.T) {
	t.Parallel()
	proxy, handler := start(t)
	for range 20 {
		if found := ask(t, proxy, "POST", "/api/v1/pods"); found.code != http.StatusCreated || found.err != nil {
			t.Fatalf("got %+v", found)
		}
	}
	if len(proxy.Happened()) > 0 || handler.carried.Load() != 20 || proxy.Created()["/api/v1/pods/one"] != 20 {
		t.Errorf("%v, %v", proxy.Happened(), proxy.Created())
	}
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy.Config().Host+"/api/v1/pods?watch=true", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	event := make([]byte, 10)
	if _, err := io.ReadFull(response.Body, event); err != nil {
		t.Errorf("an event does not come at once: %v", err)
	}
	cancel()
	_ = response.Body.Close()
}

// TestFaultsOfWatchThatGoesOn: a watch that began without faults has those that come later.
func TestFaultsOfWatchThatGoesOn(t *testing.T) {
	t.Parallel()
	proxy, _ := start(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, proxy.Config().Host+"/api/v1/pods?watch=true", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	proxy.Set(1, faultyapiserver.Faults{Cut: 1})
	if _, err := io.ReadAll(response.Body); err == nil || proxy.Happened()["cut watch"] != 1 {
		t.Errorf("got %v, %v", err, proxy.Happened())
	}
}
