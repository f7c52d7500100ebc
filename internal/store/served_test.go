package store_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/soda-cdm/kahu/provider"
)

// served returns the driver as it is behind a unix socket.
func served(t *testing.T, driver provider.Driver) *provider.Client {
	t.Helper()
	address := "unix://" + filepath.Join(t.TempDir(), "s")
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", strings.TrimPrefix(address, "unix://"))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := provider.NewServer(provider.Options{Driver: driver}).ServeListener(ctx, listener); err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	connection, err := provider.Dial(address)
	must(t, err)
	t.Cleanup(func() {
		if err := connection.Close(); err != nil {
			t.Errorf("closing the connection: %v", err)
		}
		cancel()
		serving.Wait()
	})
	return provider.NewClient(connection)
}
