package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	os.Exit(testcluster.Main(m)) //nolint:forbidigo // the exit code is Main's
}

func newClient(t *testing.T, config *rest.Config, options cluster.Options) *cluster.Client {
	t.Helper()
	client, err := cluster.New(config, options)
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	return client
}

// reference returns a client that shares no code with what is tested.
func reference(t *testing.T) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(testcluster.Config(t))
	if err != nil {
		t.Fatalf("making the reference client: %v", err)
	}
	return client
}

// meddler stands in front of the API server. It answers itself, or calls next.
type meddler func(w http.ResponseWriter, r *http.Request, next http.Handler)

// inFront starts a server that passes requests on to the API server through the meddler.
func inFront(t *testing.T, meddle meddler) *rest.Config {
	t.Helper()
	config := testcluster.Config(t)
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
	}
	return serve(t, func(w http.ResponseWriter, r *http.Request) { meddle(w, r, proxy) })
}

// serve starts a server that answers in place of an API server.
func serve(t *testing.T, handler http.HandlerFunc) *rest.Config {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

// counter counts what happens side by side.
type counter struct {
	mutex sync.Mutex
	count map[string]int
}

// add returns how often what has happened, this time included.
func (c *counter) add(what string) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.count[what]++
	return c.count[what]
}

func (c *counter) of(what string) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.count[what]
}

// cutWriter breaks an answer off after a number of bytes.
type cutWriter struct {
	http.ResponseWriter

	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	n, _ := c.ResponseWriter.Write(p[:c.left])
	c.left = 0
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	return n, errors.New("cut")
}

// impatientClock does not wait, and remembers for how long it should have.
type impatientClock struct {
	clock.RealClock

	mutex sync.Mutex
	waits []time.Duration
}

func (c *impatientClock) NewTimer(d time.Duration) clock.Timer {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.waits = append(c.waits, d)
	return c.RealClock.NewTimer(0)
}

func status(code int, reason, message, details string) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,`+
		`"details":{%s},"code":%d}`, message, reason, details, code)
}

func answer(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body))
}

func configMaps() core.Kind {
	return core.Kind{Version: "v1", Name: "ConfigMap", Resource: "configmaps", Namespaced: true}
}

func secrets() core.Kind {
	return core.Kind{Version: "v1", Name: "Secret", Resource: "secrets", Namespaced: true}
}

func namespaces() core.Kind {
	return core.Kind{Version: "v1", Name: "Namespace", Resource: "namespaces"}
}

func definitions() core.Kind {
	return core.Kind{
		Group: "apiextensions.k8s.io", Version: "v1", Name: "CustomResourceDefinition",
		Resource: "customresourcedefinitions",
	}
}

func apiServices() core.Kind {
	return core.Kind{Group: "apiregistration.k8s.io", Version: "v1", Name: "APIService", Resource: "apiservices"}
}

// widgets returns a custom kind in a group of the test's own.
func widgets(group string) core.Kind {
	return core.Kind{
		Group: group, Version: "v1", Name: "Widget", Resource: "widgets", Singular: "widget", ShortNames: []string{"wd"},
		Namespaced: true, Custom: true,
	}
}

// definition returns the definition of widgets.
func definition(group string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": "widgets." + group},
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{
				"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": []any{"wd"},
			},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type": "object",
					"properties": map[string]any{
						"spec": map[string]any{
							"type": "object",
							"properties": map[string]any{
								"size": map[string]any{"type": "number"},
								"any":  map[string]any{"x-kubernetes-preserve-unknown-fields": true},
							},
						},
					},
				}},
			}},
		},
	}}
}

func configMap(namespace, name string, data map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "ConfigMap",
		"metadata":   map[string]any{"namespace": namespace, "name": name},
		"data":       data,
	}}
}

// create creates an object, and deletes it at the end where it is in no namespace, which the test owns.
func create(t *testing.T, client *cluster.Client, kind core.Kind, object *unstructured.Unstructured) {
	t.Helper()
	if _, err := client.Create(t.Context(), kind, object, "test"); err != nil {
		t.Fatal(err)
	}
	if kind.Namespaced {
		return
	}
	t.Cleanup(deleted(t, kind, object.GetName()))
}

// deleted returns a function that deletes an object at cluster scope when the test ends.
func deleted(t *testing.T, kind core.Kind, name string) func() {
	t.Helper()
	resources := reference(t).Resource(kind.GroupVersionResource())
	return func() {
		if err := resources.Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("deleting %s: %v", name, err)
		}
	}
}
