// Package cluster gives tests a real API server with its controllers.
//
// A test binary has one cluster, started when the first test asks for it and
// ended with the binary, however that ends. Tests share it and keep apart by
// namespaces of their own; a test that changes what belongs to the whole
// cluster starts a further one for itself.
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
//
// There is no kubelet: pods are accepted, and never run.
package cluster

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// Option changes how the clusters of a test binary are started.
type Option func(*session)

// Binary says which devcluster to run. Without it that is the one named by the
// environment variable KAHU_DEVCLUSTER, or else bin/devcluster of this repository.
func Binary(path string) Option {
	return func(s *session) { s.binary = path }
}

// Volumes gives a cluster CSI drivers, with their classes, and snapshots.
func Volumes() Option {
	return func(s *session) { s.arguments = append(s.arguments, "--csi") }
}

// Setup prepares a cluster before the first test gets it, for example
// with definitions that all tests need.
func Setup(prepare func(tb testing.TB, config *rest.Config)) Option {
	return func(s *session) { s.prepare = prepare }
}

// Nodes gives a cluster so many nodes, on which pods run. That takes root.
func Nodes(number int) Option {
	return func(s *session) { s.arguments = append(s.arguments, "--nodes", strconv.Itoa(number)) }
}

// Main runs the tests of a binary and ends their shared cluster. It gives the
// exit code, which is 1 if the cluster has not lived until its end.
func Main(m *testing.M, options ...Option) int {
	for _, option := range options {
		option(&shared)
	}
	code := m.Run()
	if err := shared.end(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "ending the cluster of the tests:", err) // no test is left to tell it
		code = max(code, 1)
	}
	return code
}

// Config is how to reach the shared cluster, as its administrator and without
// a limit of requests. Each call gives a copy of its own.
func Config(tb testing.TB) *rest.Config {
	tb.Helper()
	return shared.get(tb).Config()
}

// Kubeconfig is the path of the shared cluster's kubeconfig.
func Kubeconfig(tb testing.TB) string {
	tb.Helper()
	return shared.get(tb).Kubeconfig()
}

// Start starts a further cluster, with what the options say and empty besides,
// which is ended with the test.
func Start(tb testing.TB, options ...Option) *Cluster {
	tb.Helper()
	further := session{binary: shared.binary}
	for _, option := range options {
		option(&further)
	}
	started, err := start(context.WithoutCancel(tb.Context()), further.find(tb), further.arguments...)
	if err != nil {
		tb.Fatalf("starting a cluster: %v", err)
	}
	tb.Cleanup(func() {
		if err := started.end(); err != nil {
			tb.Errorf("ending the cluster: %v", err)
		}
	})
	if further.prepare != nil {
		further.prepare(tb, started.Config())
	}
	return started
}

// shared is the cluster of this test binary: the process has one, like its flags.
var shared session

// session is a cluster that is started when it is first asked for.
type session struct {
	binary    string
	arguments []string
	prepare   func(tb testing.TB, config *rest.Config)

	once    sync.Once
	cluster *Cluster
	err     error
}

// get gives the cluster, or fails every test that asks when it did not start.
func (s *session) get(tb testing.TB) *Cluster {
	tb.Helper()
	binary := s.find(tb)
	s.once.Do(func() {
		s.cluster, s.err = start(context.WithoutCancel(tb.Context()), binary, s.arguments...)
		if s.err == nil && s.prepare != nil {
			s.err = errNotPrepared // unless it returns: it may end the test
			s.prepare(tb, s.cluster.Config())
			s.err = nil
		}
	})
	if s.err != nil {
		tb.Fatalf("starting the cluster of the tests: %v", s.err)
	}
	return s.cluster
}

// end ends the cluster if it was ever started.
func (s *session) end() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.end()
}
