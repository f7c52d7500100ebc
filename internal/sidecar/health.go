package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	headerTime = 5 * time.Second
	closeTime  = time.Second
)

// serveHealth answers /healthz, that the process lives, and /readyz, that the driver can be used, until the context
// ends.
func serveHealth(ctx context.Context, options Options, state *state) error {
	if options.Health == "" {
		<-ctx.Done()
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", options.Health)
	if err != nil {
		return fmt.Errorf("listening for health checks: %w", err)
	}
	options.Logger.Info("serving health checks", "address", listener.Addr().String())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(writer http.ResponseWriter, _ *http.Request) { answer(writer, nil) })
	mux.HandleFunc("GET /readyz", func(writer http.ResponseWriter, _ *http.Request) {
		_, err := state.get()
		answer(writer, err)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTime}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving health checks: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		_ = server.Close() // A check that hangs is broken off.
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving health checks: %w", err)
	}
	return nil
}

// answer says ok, or what is not.
func answer(writer http.ResponseWriter, err error) {
	if err != nil {
		http.Error(writer, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = writer.Write([]byte("ok\n")) // Whoever asked is gone if that fails.
}
