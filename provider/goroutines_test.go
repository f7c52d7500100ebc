package provider_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// TestCallsLeaveNothingBehind breaks off many calls in many ways, and counts goroutines.
func TestCallsLeaveNothingBehind(t *testing.T) {
	store := memory.New(memory.Options{})
	if err := store.Upload(t.Context(), "big", nil, io.LimitReader(endless{}, 8<<20)); err != nil {
		t.Fatal(err)
	}
	client := dial(t, serve(t, store))
	if _, err := client.Probe(t.Context()); err != nil { // The connection has goroutines of its own.
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		broken := io.MultiReader(io.LimitReader(endless{}, 1<<20), brokenReader{err: errors.New("broken")})
		if err := client.Upload(ctx, "x", nil, broken); err == nil {
			t.Fatal("a broken upload succeeded")
		}
		reader, err := client.Download(ctx, "big", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(reader, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Download(ctx, "missing", nil); !errors.Is(err, provider.ErrNotFound) {
			t.Fatal(err)
		}
		cancel()
	}
	// What the server and the transport still tidy up ends by itself, and soon.
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("there were %d goroutines, there are %d", before, runtime.NumGoroutine())
		}
	}
}
