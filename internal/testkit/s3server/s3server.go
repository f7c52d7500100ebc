// Package s3server runs a real S3 server for tests: versitygw, over a folder, on loopback.
package s3server

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The credentials of the server's only user.
const (
	AccessKey = "kahu-test-user"
	SecretKey = "kahu-test-secret-of-the-only-user"
)

// Server is a server that runs until the end of its test.
type Server struct {
	// URL is its address, such as http://127.0.0.1:12345.
	URL string
	// Root is the folder in which each bucket is a folder.
	Root string

	tb      testing.TB
	address string
	args    []string
	command *exec.Cmd
}

// Options change how a server runs.
type Options struct {
	// Certificate and Key are files in PEM; both given make the server speak TLS.
	Certificate, Key string
	// Versions turns on versions of objects, without which there is no object lock.
	Versions bool
}

// startTime bounds how long the server may take until it answers.
const startTime = 20 * time.Second

// Start starts a server with empty buckets of the given names. The test is skipped, loudly, where the program was not
// built: make bin/versitygw.
func Start(tb testing.TB, options Options, buckets ...string) *Server {
	tb.Helper()
	s := &Server{Root: filepath.Join(tb.TempDir(), "buckets"), tb: tb, address: freeAddress(tb)}
	for _, folder := range append([]string{""}, buckets...) {
		if err := os.MkdirAll(filepath.Join(s.Root, folder), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	scheme := "http"
	s.args = []string{"--port", s.address, "--access", AccessKey, "--secret", SecretKey, "--quiet"}
	if options.Certificate != "" {
		scheme = "https"
		s.args = append(s.args, "--cert", options.Certificate, "--key", options.Key)
	}
	s.args = append(s.args, "posix")
	if options.Versions {
		versions := filepath.Join(filepath.Dir(s.Root), "versions")
		if err := os.MkdirAll(versions, 0o700); err != nil {
			tb.Fatal(err)
		}
		s.args = append(s.args, "--versioning-dir", versions)
	}
	s.args = append(s.args, s.Root)
	s.URL = scheme + "://" + s.address
	s.Run()
	tb.Cleanup(s.Stop)
	return s
}

// Run starts the server again after Stop, at the same address, with what it had.
func (s *Server) Run() {
	s.tb.Helper()
	var output bytes.Buffer
	s.command = exec.CommandContext(s.tb.Context(), binary(s.tb), s.args...)
	s.command.Stdout, s.command.Stderr = &output, &output
	if err := s.command.Start(); err != nil {
		s.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.tb.Context(), startTime)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err == nil {
			_ = connection.Close()
			return
		}
		if ctx.Err() != nil {
			s.Stop()
			s.tb.Fatalf("the S3 server does not answer: %v\n%s", err, output.String())
		}
		// There is no event to wait for: the process opens its port and says nothing.
		next, cancel := context.WithTimeout(ctx, pause)
		<-next.Done()
		cancel()
	}
}

// Stop ends the server at once, as a crash would.
func (s *Server) Stop() {
	if s.command == nil {
		return
	}
	if err := s.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("ending the S3 server: %v", err)
	}
	_ = s.command.Wait() // It was killed.
	s.command = nil
	http.DefaultClient.CloseIdleConnections()
}

// freeAddress returns an address of loopback at which nobody listens.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// binary finds the program, or skips the test with what to do.
func binary(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("KAHU_VERSITYGW"); path != "" { //nolint:forbidigo // A test has no main of its own to read it.
		return path
	}
	folder, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for ; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		content, err := os.ReadFile(filepath.Join(folder, "go.mod"))
		if err != nil || !strings.HasPrefix(string(content), "module github.com/soda-cdm/kahu\n") {
			continue
		}
		path := filepath.Join(folder, "bin", "versitygw")
		if _, err := os.Stat(path); err == nil {
			return path
		}
		break
	}
	tb.Skip("NOT TESTED: there is no S3 server: run \"make bin/versitygw\" first, or set KAHU_VERSITYGW")
	return ""
}
