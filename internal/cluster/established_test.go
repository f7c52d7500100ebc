package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestWaitEstablished begins to wait before the definitions are there, and uses their kinds at once.
func TestWaitEstablished(t *testing.T) {
	const count = 5
	namespace := testcluster.Namespace(t)
	direct := newClient(t, testcluster.Config(t), cluster.Options{})
	var requests counter
	watching := make(chan struct{})
	client := newClient(t, inFront(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/customresourcedefinitions") {
			verb := "list"
			if r.URL.Query().Get("watch") != "" {
				verb = "watch"
			}
			if requests.add(verb) == 1 && verb == "watch" {
				close(watching)
			}
		}
		next.ServeHTTP(w, r)
	}), cluster.Options{})
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("widgets.group%d.kahu.test", i))
	}
	soon, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- client.WaitEstablished(t.Context(), names) }()
	select {
	case <-watching:
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	case <-soon.Done():
		t.Fatal("did not begin to watch")
	}
	for i := range count {
		create(t, direct, definitions(), definition(fmt.Sprintf("group%d.kahu.test", i)))
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-soon.Done():
		t.Fatal("waits for ever")
	}
	if requests.of("list") != 1 || requests.of("watch") != 1 {
		t.Errorf("got %d lists and %d watches, want one of each", requests.of("list"), requests.of("watch"))
	}
	kinds := kindsOf(t, direct)
	for i := range count {
		group := fmt.Sprintf("group%d.kahu.test", i)
		if _, served := kinds["widgets."+group]; !served {
			t.Errorf("widgets.%s are not served", group)
		}
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": group + "/v1", "kind": "Widget",
			"metadata": map[string]any{"namespace": namespace, "name": "a"},
		}}
		create(t, direct, widgets(group), object)
	}
	if err := direct.WaitEstablished(t.Context(), names); err != nil {
		t.Errorf("once more: %v", err)
	}
	if err := direct.WaitEstablished(t.Context(), nil); err != nil {
		t.Errorf("for nothing: %v", err)
	}
}

func TestWaitEstablishedInVain(t *testing.T) {
	const group = "vain.kahu.test"
	client := newClient(t, testcluster.Config(t), cluster.Options{})
	create(t, client, definitions(), definition(group))
	// This one wants the names of the other.
	rival := definition(group)
	rival.SetName("gadgets." + group)
	if err := unstructured.SetNestedField(rival.Object, "gadgets", "spec", "names", "plural"); err != nil {
		t.Fatal(err)
	}
	if err := client.WaitEstablished(t.Context(), []string{"widgets." + group}); err != nil {
		t.Fatal(err)
	}
	create(t, client, definitions(), rival)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := client.WaitEstablished(ctx, []string{"widgets." + group, "gadgets." + group, "missing.kahu.test"})
	checkClass(t, err, core.ErrUnavailable)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the end of the context is not in the error: %v", err)
	}
	if err == nil {
		return
	}
	if text := err.Error(); strings.Contains(text, "widgets."+group+" (") ||
		!strings.Contains(text, "gadgets."+group+" (NamesAccepted is False") ||
		!strings.Contains(text, "missing.kahu.test (not there)") {
		t.Errorf("the error names others than those that are missing: %v", err)
	}
}

// TestWaitEstablishedThroughTrouble ends watches, and lets versions expire.
func TestWaitEstablishedThroughTrouble(t *testing.T) {
	const group = "trouble.kahu.test"
	direct := newClient(t, testcluster.Config(t), cluster.Options{})
	var requests counter
	client := newClient(t, inFront(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Get("watch") == "" {
			next.ServeHTTP(w, r)
			return
		}
		switch requests.add("watch") {
		case 1:
			answer(w, http.StatusOK, `{"type":"ERROR","object":`+status(410, "Expired", "too old", "")+"}\n")
		case 2:
			answer(w, http.StatusGone, status(410, "Expired", "too old", ""))
		case 3:
			answer(w, http.StatusOK, "")
		case 4:
			panic(http.ErrAbortHandler)
		case 5:
			if _, err := direct.Create(r.Context(), definitions(), definition(group), "test"); err != nil {
				t.Error(err)
			}
			next.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	}), cluster.Options{Clock: &impatientClock{}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := client.WaitEstablished(ctx, []string{"widgets." + group}); err != nil {
		t.Error(err)
	}
	if requests.of("watch") < 5 {
		t.Errorf("got %d watches, want at least 5", requests.of("watch"))
	}
	t.Cleanup(deleted(t, definitions(), "widgets."+group))

	denied := newClient(t, inFront(t, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, http.StatusForbidden, status(403, "Forbidden", "no", ""))
	}), cluster.Options{})
	checkClass(t, denied.WaitEstablished(t.Context(), []string{"x"}), core.ErrDenied)
}

// TestWaitEstablishedForgets deletes a definition after it was established, while another one is waited for.
func TestWaitEstablishedForgets(t *testing.T) {
	const established = `"status":{"conditions":[{"type":"NamesAccepted","status":"True"},{"type":"Established","status":"True"}]}`
	const a = `{"metadata":{"name":"a.g"},"spec":{"group":"g","names":{"plural":"a"}},` + established + `}`
	const b = `{"metadata":{"name":"b.g"},"spec":{"group":"g","names":{"plural":"b"}},` + established + `}`
	ctx, cancel := context.WithCancel(t.Context())
	var requests counter
	config := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			items := a
			if requests.add("list") > 1 {
				items = b
			}
			answer(w, http.StatusOK, `{"metadata":{"resourceVersion":"1"},"items":[`+items+`]}`)
			return
		}
		if requests.add("watch") == 1 {
			_, _ = w.Write([]byte(`{"type":"DELETED","object":{"metadata":{"name":"other"}}}`))
			_, _ = w.Write([]byte(`{"type":"DELETED","object":` + a + `}{"type":"ADDED","object":` + b + `}`))
			_ = http.NewResponseController(w).Flush()
		} else {
			cancel()
		}
		<-r.Context().Done()
	})
	err := newClient(t, config, cluster.Options{}).WaitEstablished(ctx, []string{"a.g", "b.g"})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "a.g (not there)") ||
		strings.Contains(err.Error(), "b.g") {
		t.Errorf("got error %v, want one that names a.g alone", err)
	}
}
