package recover_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// gate stands before an API server, and holds a certain request until who makes it is gone: it is never carried out.
type gate struct {
	*httptest.Server

	kubeconfig string

	mu   sync.Mutex
	hold func(request *http.Request) bool
	held chan struct{} // closed when a request is held
	gone chan struct{} // closed when who made it is gone
}

func newGate(t *testing.T, config *rest.Config) *gate {
	t.Helper()
	target, _, err := rest.DefaultServerUrlFor(config)
	check(t, err)
	transport, err := rest.TransportFor(config)
	check(t, err)
	pass := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host}) },
		FlushInterval: -1, Transport: transport,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	g := &gate{kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	g.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if gone := g.holds(request); gone != nil {
			_, _ = io.Copy(io.Discard, request.Body) // Before it is read, nobody hears that the client has gone.
			<-request.Context().Done()
			close(gone)
			return
		}
		pass.ServeHTTP(answer, request)
	}))
	t.Cleanup(func() {
		g.CloseClientConnections()
		g.Close()
	})
	const name = "new"
	check(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: g.URL}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name}},
		CurrentContext: name,
	}, g.kubeconfig))
	return g
}

// holds tells whether a request is the one.
func (g *gate) holds(request *http.Request) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hold == nil || !g.hold(request) {
		return nil
	}
	g.hold = nil
	close(g.held)
	return g.gone
}

// arm makes the gate hold the number-th request of a method for a path.
func (g *gate) arm(method, path string, number int) (held, gone <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held, g.gone = make(chan struct{}), make(chan struct{})
	g.hold = func(request *http.Request) bool {
		if request.Method == method && (request.URL.Path == path || strings.HasSuffix(path, "/") && strings.HasPrefix(request.URL.Path, path)) {
			number--
		}
		return number == 0
	}
	return g.held, g.gone
}

// readOnly stands before a store, refuses whatever would change it, and writes down what that was.
type readOnly struct {
	*httptest.Server

	mu    sync.Mutex
	asked []string
}

func newReadOnly(t *testing.T, before string) *readOnly {
	t.Helper()
	target, err := url.Parse(before)
	check(t, err)
	pass := httputil.NewSingleHostReverseProxy(target)
	r := &readOnly{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodGet || request.Method == http.MethodHead {
			pass.ServeHTTP(answer, request)
			return
		}
		r.mu.Lock()
		r.asked = append(r.asked, request.Method+" "+request.URL.Path)
		r.mu.Unlock()
		http.Error(answer, "<Error><Code>AccessDenied</Code><Message>this user may only read</Message></Error>", http.StatusForbidden)
	}))
	t.Cleanup(r.Close)
	return r
}

// pause waits a little for what cannot be watched.
func pause(ctx context.Context) {
	next, end := context.WithTimeout(ctx, 100*time.Millisecond)
	defer end()
	<-next.Done()
}
