package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// serve answers until the context ends. It says on stdout where it listens.
func serve(ctx context.Context, arguments []string, stdout io.Writer) error {
	flags := flagsOf("serve")
	address := flags.String("address", ":8080", "where to listen")
	folder := flags.String("folder", "", "whose files to serve")
	if _, err := parse(flags, arguments, 0, 0); err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("finding the own name: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	_, _ = fmt.Fprintf(stdout, "%s listens at %s\n", name, listener.Addr())
	server := &http.Server{Handler: handler(name, *folder), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

func handler(name, folder string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /name", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	if folder != "" {
		mux.Handle("GET /", http.FileServer(http.Dir(folder)))
	}
	return mux
}
