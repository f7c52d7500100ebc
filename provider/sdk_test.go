package provider_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/provider/memory"
)

// serve serves a driver on a unix socket until the test ends, and returns its endpoint. The socket is open already,
// so nobody needs to wait for it.
func serve(tb testing.TB, driver provider.Identity) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "s")
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan error, 1)
	go func() { ended <- provider.NewServer(provider.Options{Driver: driver}).ServeListener(ctx, listener) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("serving: %v", err)
		}
	})
	return "unix://" + path
}

// dial returns a client of an endpoint.
func dial(tb testing.TB, endpoint string) *provider.Client {
	tb.Helper()
	connection, err := provider.Dial(endpoint)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { connection.Close() })
	return provider.NewClient(connection)
}

func TestConformanceOverUnixSocket(t *testing.T) {
	store := memory.New(memory.Options{})
	endpoint := serve(t, store)
	conformance.Run(t, func(*testing.T) conformance.Target { return conformance.Target{Endpoint: endpoint} })
}

// TestConformanceThroughTwo is how the sidecar stands between: a client of a driver is served again.
func TestConformanceThroughTwo(t *testing.T) {
	endpoint := serve(t, dial(t, serve(t, memory.New(memory.Options{}))))
	conformance.Run(t, func(*testing.T) conformance.Target { return conformance.Target{Endpoint: endpoint} })
}

// plain is a driver that has nothing but what every driver has.
type plain struct {
	provider.Identity
	provider.ObjectStore
}

// Capabilities names more than the driver has.
func (plain) Capabilities(context.Context) ([]provider.Capability, error) {
	return []provider.Capability{
		provider.CapabilityMetaBackup, provider.CapabilityList, provider.CapabilityCreateIfAbsent,
		provider.CapabilityMetaNeedsSnapshot,
	}, nil
}

func TestPlainDriver(t *testing.T) {
	store := memory.New(memory.Options{})
	client := dial(t, serve(t, plain{store, store}))
	capabilities, err := client.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []provider.Capability{provider.CapabilityMetaBackup, provider.CapabilityMetaNeedsSnapshot}
	if len(capabilities) != 2 || capabilities[0] != want[0] || capabilities[1] != want[1] {
		t.Errorf("capabilities: got %v, want %v", capabilities, want)
	}
	_, listing := client.List(t.Context(), provider.ListRequest{})
	_, describing := client.Stat(t.Context(), "x", nil)
	_, reading := client.DownloadRange(t.Context(), provider.RangeRequest{Name: "x"})
	creating := client.Create(t.Context(), "x", nil, strings.NewReader("x"))
	for what, err := range map[string]error{
		"list": listing, "stat": describing, "range": reading, "create": creating,
	} {
		if !errors.Is(err, provider.ErrUnimplemented) {
			t.Errorf("%s: got %v, want %v", what, err, provider.ErrUnimplemented)
		}
	}
}

// failing is a driver whose every upload reads nothing and returns err.
type failing struct {
	*memory.Store

	err error
}

func (f failing) Upload(context.Context, string, provider.Attributes, io.Reader) error { return f.err }

func TestUploadThatEndsEarly(t *testing.T) {
	full := errors.Join(errors.New("the disk is full: make room"), provider.ErrResourceExhausted)
	for name, test := range map[string]struct {
		answer error
		class  error
	}{
		"an error comes through although the content is not at its end": {full, provider.ErrResourceExhausted},
		"success without reading is an error":                           {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, serve(t, failing{memory.New(memory.Options{}), test.answer}))
			err := client.Upload(t.Context(), "x", nil, endless{})
			if err == nil {
				t.Fatal("the upload succeeded")
			}
			if test.class == nil {
				return
			}
			if !errors.Is(err, test.class) || err.Error() != test.answer.Error() {
				t.Errorf("got %v, want %v", err, test.answer)
			}
		})
	}
}

// endless is a content without an end.
type endless struct{}

func (endless) Read(buffer []byte) (int, error) { return len(buffer), nil }

// stalling gives neither bytes nor an end.
type stalling struct{}

func (stalling) Read([]byte) (int, error) { return 0, nil }

func TestUploadThatStalls(t *testing.T) {
	store := memory.New(memory.Options{})
	client := dial(t, serve(t, store))
	if err := client.Upload(t.Context(), "x", nil, stalling{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
	if exists, err := store.Exists(t.Context(), "x", nil); exists || err != nil {
		t.Errorf("the object exists: %v, %v", exists, err)
	}
}

// breaking is a driver whose downloads break off after some bytes.
type breaking struct {
	*memory.Store

	err error
}

func (b breaking) Download(context.Context, string, provider.Attributes) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("beginning"), brokenReader(b))), nil
}

type brokenReader breaking

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestDownloadThatBreaksOff(t *testing.T) {
	for name, cause := range map[string]error{
		"a class":       errors.Join(errors.New("the object is damaged"), provider.ErrDataLoss),
		"a cut":         io.ErrUnexpectedEOF,
		"a wrapped end": errors.Join(errors.New("reading the store"), io.EOF),
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, serve(t, breaking{memory.New(memory.Options{}), cause}))
			reader, err := client.Download(t.Context(), "x", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			content, err := io.ReadAll(reader)
			if err == nil || string(content) != "beginning" {
				t.Fatalf("got %q and %v, want the beginning and an error", content, err)
			}
			if !strings.Contains(err.Error(), cause.Error()) {
				t.Errorf("got %v, want the words of %v", err, cause)
			}
			if errors.Is(cause, provider.ErrDataLoss) != errors.Is(err, provider.ErrDataLoss) {
				t.Errorf("got %v, want the class of %v", err, cause)
			}
		})
	}
}

func TestDownloadIsClosedWhileItIsRead(t *testing.T) {
	store := memory.New(memory.Options{})
	if err := store.Upload(t.Context(), "x", nil, io.LimitReader(endless{}, 32<<20)); err != nil {
		t.Fatal(err)
	}
	reader, err := dial(t, serve(t, store)).Download(t.Context(), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	begun, write := io.Pipe()
	go func() {
		_, err := io.Copy(write, reader)
		read <- err
	}()
	if _, err := io.ReadFull(begun, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	begun.Close()
	if err := <-read; err == nil {
		t.Error("the reader came to its end although it was closed before")
	}
	if _, err := reader.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading after closing: got %v, want %v", err, os.ErrClosed)
	}
}
