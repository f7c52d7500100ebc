// Package faultyapiserver is a proxy in front of a real API server that fails now and then, as API servers, load
// balancers and networks do: it is slow, resets connections before, in the middle of and instead of an answer, refuses
// with 429, 500, 503 and 504, forgets the moments of lists and watches, tells of conflicts, lists what was there a while
// ago, and keeps the answers of changes to itself that were carried out.
//
// Whether a fault happens follows from the seed, the request, and how often that request was made before: not from the
// order in which different requests come. Every fault is counted, and so is every object that was created.
package faultyapiserver

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Faults say how often what happens, each from 0 to 1 per request that it can happen to.
type Faults struct {
	// Slow requests take up to 100 ms longer; Lagging watches tell each event up to 300 ms late.
	Slow, Lagging float64
	// Reset requests end with a connection reset before anything is done, Lost ones change what they are to change and
	// end without an answer, half of them with a 504.
	Reset, Lost float64
	// Cut answers break off in the middle: lists and objects after some of their bytes, watches after some time.
	Cut float64
	// TooMany requests are answered with 429, Failed with 500, Unavailable with 503, TimedOut with 504; half of the
	// refusals that can advise when to come again do.
	TooMany, Failed, Unavailable, TimedOut float64
	// Gone requests go on from a moment that is forgotten: 410, for continue tokens and watches, also in a watch.
	Gone float64
	// Conflict is the answer to updates and patches as if somebody else had been faster.
	Conflict float64
	// Stale lists are those of an earlier time: of any kind where the request allows every age, and of kinds that are
	// not Kahu's own.
	Stale float64
	// Most bounds how often each of them happens; 0 for no bound.
	Most int
}

// Names are the names of all faults, as they are counted.
func Names() []string {
	return []string{
		"slow", "lagging", "reset", "lost", "cut list", "cut watch", "too many", "too many, no advice", "failed", "unavailable",
		"timed out", "gone page", "gone watch", "conflict", "stale",
	}
}

// Server is the proxy. It is safe for concurrent use.
type Server struct {
	kubeconfig string
	address    string
	behind     *httputil.ReverseProxy

	mu      sync.Mutex
	seed    uint64
	faults  Faults
	count   map[string]int
	since   map[string]int // the same from the last Set on
	nth     map[string]uint64
	created map[string]int
	old     map[string][]byte
	changed chan struct{} // closed by Set
}

// connection is the key of the connection in the context of a request.
type connection struct{}

// Start starts a proxy in front of the API server that config reaches. It passes everything on until Set gives it
// faults, and ends with the test.
func Start(tb testing.TB, config *rest.Config) *Server {
	tb.Helper()
	target, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		tb.Fatalf("reading the address of the API server: %v", err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		tb.Fatalf("preparing connections to the API server: %v", err)
	}
	s := &Server{
		count: map[string]int{}, created: map[string]int{}, old: map[string][]byte{}, nth: map[string]uint64{},
		since: map[string]int{}, changed: make(chan struct{}),
	}
	s.behind = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host}) },
		Transport:      transport,
		FlushInterval:  -1,
		ModifyResponse: s.answer,
		ErrorLog:       log.New(io.Discard, "", 0), // Each of the faults would be a line.
		ErrorHandler:   func(_ http.ResponseWriter, request *http.Request, _ error) { abort(request.Context()) },
	}
	listening := httptest.NewUnstartedServer(s)
	listening.Config.ConnContext = func(ctx context.Context, made net.Conn) context.Context {
		return context.WithValue(ctx, connection{}, made)
	}
	listening.Start()
	tb.Cleanup(func() {
		listening.CloseClientConnections()
		listening.Close()
	})
	s.address = listening.URL
	s.kubeconfig = filepath.Join(tb.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(s.named(), s.kubeconfig); err != nil {
		tb.Fatalf("writing %s: %v", s.kubeconfig, err)
	}
	if err := os.Chmod(s.kubeconfig, 0o600); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *Server) named() clientcmdapi.Config {
	const name = "faulty"
	return clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: s.address}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name}},
		CurrentContext: name,
	}
}

// Config is how to reach the API server through the proxy, without a limit of requests. Each call gives a copy.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.address, QPS: -1} }

// Kubeconfig is the path of the same for another process.
func (s *Server) Kubeconfig() string { return s.kubeconfig }

// Set gives the proxy other faults, which follow from the seed. Watches that go on have them too.
func (s *Server) Set(seed uint64, faults Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seed, s.faults, s.nth, s.since = seed, faults, map[string]uint64{}, map[string]int{}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Happened returns how often each fault happened.
func (s *Server) Happened() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.count)
}

// Created returns how often an object was created, by its path, whether the answer came through or not.
func (s *Server) Created() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.created)
}

// chance draws the numbers of one request.
type chance struct {
	*Server

	faults Faults
	call   string // the request, and which one of its like it is
	key    string // the same with the seed
	drawn  uint64
}

// draw begins the draws of a request.
func (s *Server) draw(request *http.Request) *chance {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := request.Method + " " + request.URL.Path
	if request.URL.Query().Get("watch") != "" {
		key = "WATCH " + request.URL.Path
	}
	s.nth[key]++
	call := fmt.Sprintf("%s %d", key, s.nth[key])
	return &chance{Server: s, faults: s.faults, call: call, key: fmt.Sprintf("%d %s", s.seed, call)}
}

// number returns a number below a bound.
func (c *chance) number(below int) int {
	c.drawn++
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%s %d", c.key, c.drawn)
	value := hash.Sum64()
	// The low bits of such a hash are not random enough by themselves.
	value ^= value >> 32
	value *= 0x9e3779b97f4a7c15
	return int((value >> 20) % uint64(below))
}

// happens tells whether a fault happens, and counts it.
func (c *chance) happens(name string, often float64) bool {
	const parts = 1 << 20
	if float64(c.number(parts)) >= often*parts {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.Most > 0 && c.since[name] >= c.faults.Most {
		return false
	}
	c.count[name]++
	c.since[name]++
	return true
}

// errReset ends an answer, and its connection with a reset.
var errReset = errors.New("the connection is reset")

// reset makes the end of the request's connection, when it comes, a reset, and returns the error that ends it.
func reset(ctx context.Context) error {
	if made, is := ctx.Value(connection{}).(*net.TCPConn); is {
		_ = made.SetLinger(0) // Fails where it is closed already.
	}
	return errReset
}

// abort ends the connection of a request with a reset.
func abort(ctx context.Context) {
	_ = reset(ctx)
	panic(http.ErrAbortHandler) // The server closes the connection, and says nothing.
}

// chances is the key of the draws in the context of a request.
type chances struct{}

// ServeHTTP lets a request fail, or passes it on.
func (s *Server) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	drawn := s.draw(request)
	if drawn.happens("slow", drawn.faults.Slow) {
		pause(request.Context(), time.Duration(1+drawn.number(100))*time.Millisecond)
	}
	if drawn.happens("reset", drawn.faults.Reset) {
		abort(request.Context())
	}
	if refusal := drawn.refusal(request); refusal != nil {
		refusal.write(writer)
		return
	}
	if content := drawn.stale(request); content != nil {
		writer.Header().Set("Content-Type", "application/json")
		_, _ = writer.Write(content)
		return
	}
	// What is compressed cannot be looked into.
	request.Header.Del("Accept-Encoding")
	s.behind.ServeHTTP(writer, request.WithContext(context.WithValue(request.Context(), chances{}, drawn)))
}

func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// refusal is an answer that carries nothing out.
type refusal struct {
	code    int
	reason  string
	message string
	advice  string
}

func (r *refusal) write(writer http.ResponseWriter) {
	writer.Header().Set("Content-Type", "application/json")
	if r.advice != "" {
		writer.Header().Set("Retry-After", r.advice)
	}
	writer.WriteHeader(r.code)
	_, _ = writer.Write(r.status()) // The client may have gone.
}

// status returns the refusal as the API server writes it.
func (r *refusal) status() []byte {
	return fmt.Appendf(nil, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"reason":%q,"message":%q}`,
		r.code, r.reason, r.message)
}
