package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// startLimit is for a busy machine; an idle one needs four seconds.
	startLimit = 3 * time.Minute
	// endLimit is for removing the data; the processes are killed.
	endLimit = 30 * time.Second
	// module is the name by which the top of the repository is known.
	module = "module github.com/soda-cdm/kahu\n"
)

var errNotPrepared = errors.New("its preparation has failed in another test")

// Cluster is a running cluster.
type Cluster struct {
	kubeconfig string
	config     *rest.Config
	command    *exec.Cmd
	// held keeps the cluster alive: it ends when this closes.
	held io.Closer
}

// Config is how to reach the cluster, as its administrator and without a
// limit of requests. Each call gives a copy of its own.
func (c *Cluster) Config() *rest.Config {
	return rest.CopyConfig(c.config)
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string {
	return c.kubeconfig
}

// start runs devcluster and returns when its API server is ready.
func start(ctx context.Context, binary string, more ...string) (*Cluster, error) {
	command := exec.CommandContext(ctx, binary, append([]string{"run", "--timeout", startLimit.String()}, more...)...)
	command.Stderr = os.Stderr // it speaks only when something is wrong
	held, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("running %s: %w", binary, err)
	}
	cluster := &Cluster{command: command, held: held}
	if err := cluster.await(stdout); err != nil {
		return nil, errors.Join(err, cluster.end())
	}
	return cluster, nil
}

// await reads the one line that says where the cluster is. Devcluster keeps
// the limit of time itself, and its output ends with it.
func (c *Cluster) await(stdout io.Reader) error {
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("waiting for the line that says where it is: %w", err)
	}
	var where struct {
		Kubeconfig string `json:"kubeconfig"`
	}
	if err := json.Unmarshal(line, &where); err != nil {
		return fmt.Errorf("reading where it is: %w", err)
	}
	c.kubeconfig = where.Kubeconfig
	c.config, err = clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading its kubeconfig: %w", err)
	}
	c.config.QPS = -1
	return nil
}

// end ends the cluster and waits for it. It fails when the cluster had ended before.
func (c *Cluster) end() error {
	limit := time.AfterFunc(endLimit, func() { _ = c.command.Process.Kill() }) // fails if it has ended, which is as good
	defer limit.Stop()
	closed := c.held.Close()
	if errors.Is(closed, os.ErrClosed) {
		closed = nil
	}
	return errors.Join(closed, c.command.Wait())
}

// find finds the devcluster to run, or fails the test with what to do.
func (s *session) find(tb testing.TB) string {
	tb.Helper()
	path := s.binary
	if path == "" {
		path = os.Getenv("KAHU_DEVCLUSTER") //nolint:forbidigo // a test binary has no main of its own to read it
	}
	if path == "" {
		top, err := repository()
		if err != nil {
			tb.Fatalf("finding bin/devcluster (or set KAHU_DEVCLUSTER): %v", err)
		}
		path = filepath.Join(top, "bin", "devcluster")
	}
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("there is no devcluster: run \"make devcluster\" first (%v)", err)
	}
	return path
}

// repository finds the top of the repository above the folder of the test.
func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		content, err := os.ReadFile(filepath.Join(folder, "go.mod"))
		if err == nil && bytes.HasPrefix(content, []byte(module)) {
			return folder, nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errors.New("no folder above this test is the top of the repository")
		}
		folder = above
	}
}
