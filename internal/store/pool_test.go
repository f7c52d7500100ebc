package store_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/credentials"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/locate"
	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider"
)

const (
	manager = "kahu-manager"
	service = "memory.kahu.io"
)

// recording remembers the attributes of uploads.
type recording struct {
	*faulty

	mutex sync.Mutex
	seen  []provider.Attributes
}

func (r *recording) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	r.mutex.Lock()
	r.seen = append(r.seen, attributes)
	r.mutex.Unlock()
	return r.faulty.Create(ctx, name, attributes, content)
}

func TestPool(t *testing.T) {
	w := newWorld(t)
	driver := &recording{faulty: newFaulty()}
	address, stop := w.serve(driver, "127.0.0.1:0")
	defer stop()
	pool := w.pool(manager, store.Options{Attempts: 2})
	endpoint := store.Endpoint{Address: address, ServerName: service}
	east, err := pool.Location("east", endpoint)
	must(t, err)
	west, err := pool.Location("west", endpoint)
	must(t, err)
	must(t, east.Probe(t.Context()))
	must(t, write(t, east, "a", noise(3<<20)))
	must(t, write(t, west, "b", nil))
	want := []provider.Attributes{locate.Attributes("east"), locate.Attributes("west")}
	if diff := cmp.Diff(want, driver.seen); diff != "" {
		t.Errorf("attributes at the meta-service: %s", diff)
	}
	if got := driver.count("Capabilities"); got != 1 {
		t.Errorf("the driver was asked %d times what it can do, and the locations share a connection", got)
	}
	must(t, pool.Close())
	if _, err := pool.Location("east", endpoint); err == nil {
		t.Error("a closed pool reaches a location")
	}
	if err := east.Remove(t.Context(), "a"); err == nil {
		t.Error("a store of a closed pool works")
	}
}

func TestPoolTrust(t *testing.T) {
	cases := map[string]struct {
		reason   string
		client   string
		server   string
		stranger bool
	}{
		"WrongClient":  {reason: "the meta-service refuses who is not expected", client: "kahu-stranger", server: service},
		"WrongService": {reason: "the pool refuses a service of another name", client: manager, server: "s3.kahu.io"},
		"Stranger":     {reason: "another authority is none", client: manager, server: service, stranger: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			driver := newFaulty()
			address, stop := w.serve(driver, "127.0.0.1:0")
			defer stop()
			side := w
			if tc.stranger {
				side = newWorld(t)
			}
			pool := side.pool(tc.client, store.Options{Attempts: 2})
			files, err := pool.Location("east", store.Endpoint{Address: address, ServerName: tc.server})
			must(t, err)
			if err := write(t, files, "a", nil); !errors.Is(err, core.ErrUnavailable) {
				t.Errorf("%s: got %v", tc.reason, err)
			}
			if len(driver.calls) != 0 {
				t.Errorf("%s: the driver was called: %v", tc.reason, driver.calls)
			}
		})
	}
}

// A meta-service that is started again is found again, with certificates that were renewed in between.
func TestPoolOutlivesTheService(t *testing.T) {
	w := newWorld(t)
	driver := newFaulty()
	address, stop := w.serve(driver, "127.0.0.1:0")
	pool := w.pool(manager, store.Options{Attempts: 12})
	files, err := pool.Location("east", store.Endpoint{Address: address, ServerName: service})
	must(t, err)
	must(t, write(t, files, "a", []byte("content")))
	stop()

	w.clock.Step(pki.LeafLifetime - time.Hour)
	w.renew()
	w.clock.Step(2 * time.Hour) // The first certificates are over now.
	written := make(chan error, 1)
	go func() { written <- writeWith(t.Context(), files, "b", []byte("content")) }()
	_, stop = w.serve(driver, address)
	defer stop()
	must(t, <-written)
	if diff := cmp.Diff([]string{"a", "b"}, names(t, files, "")); diff != "" {
		t.Error(diff)
	}
}

func TestStoresMoveWithTheService(t *testing.T) {
	w := newWorld(t)
	driver := newFaulty()
	address, stop := w.serve(driver, "127.0.0.1:0")
	pool := w.pool(manager, store.Options{Attempts: 12})
	files, err := pool.Location("east", store.Endpoint{Address: address, ServerName: service})
	must(t, err)
	must(t, write(t, files, "a", []byte("content")))
	stop()

	elsewhere, stop := w.serve(driver, "127.0.0.1:0")
	defer stop()
	if elsewhere == address {
		t.Skip("the service came back at the same address")
	}
	written := make(chan error, 1)
	go func() { written <- writeWith(t.Context(), files, "b", []byte("content")) }()
	_, err = pool.Location("west", store.Endpoint{Address: elsewhere, ServerName: service})
	must(t, err)
	_, err = pool.Location("east", store.Endpoint{Address: elsewhere, ServerName: service})
	must(t, err)
	must(t, <-written)
	if diff := cmp.Diff([]string{"a", "b"}, names(t, files, "")); diff != "" {
		t.Error(diff)
	}
}

func TestPoolIsBounded(t *testing.T) {
	w := newWorld(t)
	address, stop := w.serve(newFaulty(), "127.0.0.1:0")
	defer stop()
	pool := w.pool(manager, store.Options{Attempts: 1})
	first, err := pool.Location("east", store.Endpoint{Address: address, ServerName: service})
	must(t, err)
	must(t, first.Probe(t.Context()))
	for port := range 64 {
		_, err := pool.Location("east", store.Endpoint{Address: net.JoinHostPort("127.0.0.1", "1"), ServerName: string(rune('a' + port))})
		must(t, err)
	}
	if err := first.Probe(t.Context()); err == nil {
		t.Error("the oldest connection is open yet")
	}
	again, err := pool.Location("east", store.Endpoint{Address: address, ServerName: service})
	must(t, err)
	must(t, again.Probe(t.Context()))
}

func TestPoolRefusesEmptyNames(t *testing.T) {
	pool := newWorld(t).pool(manager, store.Options{})
	good := store.Endpoint{Address: "127.0.0.1:1", ServerName: service}
	for name, tc := range map[string]struct {
		location string
		endpoint store.Endpoint
	}{
		"Location":   {"", good},
		"Address":    {"east", store.Endpoint{ServerName: service}},
		"ServerName": {"east", store.Endpoint{Address: good.Address}},
		"BadAddress": {"east", store.Endpoint{Address: "nowhere", ServerName: service}},
	} {
		if _, err := pool.Location(tc.location, tc.endpoint); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// world has an authority, and folders of certificates.
type world struct {
	t      *testing.T
	clock  *clocktesting.FakeClock
	issuer *pki.Authority
	leaves *[]pki.Leaf
}

func newWorld(t *testing.T) world {
	t.Helper()
	fake := clocktesting.NewFakeClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	issuer, err := pki.LoadOrCreate(t.TempDir(), fake)
	must(t, err)
	return world{t: t, clock: fake, issuer: issuer, leaves: &[]pki.Leaf{}}
}

func (w world) folder(leaf pki.Leaf) *pki.Folder {
	w.t.Helper()
	leaf.Dir = w.t.TempDir()
	*w.leaves = append(*w.leaves, leaf)
	must(w.t, w.issuer.Ensure(leaf))
	folder, err := pki.Open(leaf.Dir, w.clock)
	must(w.t, err)
	return folder
}

// renew renews the certificates that need it.
func (w world) renew() {
	w.t.Helper()
	for _, leaf := range *w.leaves {
		must(w.t, w.issuer.Ensure(leaf))
	}
}

// pool returns a pool that is closed at the end of the test.
func (w world) pool(client string, options store.Options) *store.Pool {
	w.t.Helper()
	pool := store.NewPool(w.folder(pki.Leaf{Name: client}).Client, options)
	w.t.Cleanup(func() { must(w.t, pool.Close()) })
	return pool
}

// serve serves the driver with mutual TLS.
func (w world) serve(driver provider.Driver, address string) (actual string, stop func()) {
	w.t.Helper()
	folder := w.folder(pki.Leaf{Name: service, Server: true, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	var config net.ListenConfig
	listener, err := config.Listen(w.t.Context(), "tcp", address)
	must(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	server := provider.NewServer(provider.Options{
		Driver:      driver,
		Credentials: credentials.NewTLS(folder.Server(manager)),
		StopTimeout: time.Millisecond,
	})
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.ServeListener(ctx, listener); err != nil {
			w.t.Errorf("serving: %v", err)
		}
	})
	return listener.Addr().String(), func() { cancel(); serving.Wait() }
}
