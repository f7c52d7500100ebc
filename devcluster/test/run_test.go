package devcluster_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

// started is a cluster of devcluster run.
type started struct {
	command *exec.Cmd
	stdin   io.Closer
	folder  string
	state   plane.State
	line    struct {
		Kubeconfig string `json:"kubeconfig"`
		Server     string `json:"server"`
	}
}

func start(t *testing.T, arguments ...string) *started {
	t.Helper()
	s := &started{folder: filepath.Join(t.TempDir(), "data")}
	s.command = exec.CommandContext(t.Context(), program, append([]string{"run", "--data", s.folder}, arguments...)...)
	s.command.Stderr = t.Output()
	stdin, err := s.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdin = stdin
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = stdin.Close(), s.command.Wait() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("reading the line that says where it is: %v", err)
	}
	if err := json.Unmarshal(line, &s.line); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if s.state, err = plane.Read(plane.Layout{Name: "run", Folder: s.folder}); err != nil {
		t.Fatal(err)
	}
	wantAlive(t, s.state)
	t.Logf("ready after %.1f s", s.state.ReadySeconds)
	return s
}

// wait waits for the end of the command, after which all is over.
func (s *started) wait(t *testing.T) error {
	t.Helper()
	if ended, err := s.state.Supervisor.Wait(endLimit); !ended || err != nil {
		t.Fatalf("it has not ended: %v", err)
	}
	return s.command.Wait()
}

func TestRunLivesAsLongAsItsStarter(t *testing.T) {
	out := filepath.Join(t.TempDir(), "kubeconfig")
	cases := map[string]func(s *started) error{
		"stdin closes": func(s *started) error { return s.stdin.Close() },
		"SIGTERM":      func(s *started) error { return s.command.Process.Signal(syscall.SIGTERM) },
		"SIGINT":       func(s *started) error { return s.command.Process.Signal(syscall.SIGINT) },
	}
	for name, end := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t, "--kubeconfig-out", out)
			if s.line.Server != s.state.Server || s.line.Kubeconfig != s.state.Kubeconfig {
				t.Errorf("it says %+v, and is %+v", s.line, s.state)
			}
			if got := kubectl(t, out, "get", "--raw", "/readyz"); got != "ok" {
				t.Errorf("readyz says %s", got)
			}
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			if err := s.wait(t); err != nil {
				t.Errorf("it ended with %v", err)
			}
			wantEnded(t, s.state)
			wantNoFolder(t, s.folder)
			wantNoFolder(t, out)
		})
	}
}

func TestNothingOutlivesAKilledRun(t *testing.T) {
	s := start(t)
	if err := s.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitForEnd(t, s.state)
}

func TestRunTellsOfADeadComponent(t *testing.T) {
	s := start(t)
	kill(t, s.state, "kube-scheduler")
	if exit := (*exec.ExitError)(nil); !errors.As(s.wait(t), &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v, want the exit code 1", exit)
	}
	wantEnded(t, s.state)
	wantNoFolder(t, s.folder)
}

func TestRunTouchesNoFolderWithContent(t *testing.T) {
	folder := t.TempDir()
	precious := filepath.Join(folder, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "run", "--data", folder).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not empty") {
		t.Errorf("got %v: %s", err, out)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestControllersWork(t *testing.T) {
	s := start(t)
	k := func(arguments ...string) string { return kubectl(t, s.line.Kubeconfig, arguments...) }
	k("create", "namespace", "shop")
	k("-n", "shop", "create", "deployment", "web", "--image=web", "--replicas=2")
	k("-n", "shop", "expose", "deployment", "web", "--port=80")
	k("-n", "shop", "create", "quota", "limits", "--hard=pods=5")
	k("-n", "shop", "create", "job", "once", "--image=once")
	k("-n", "shop", "wait", "--for=create", "--timeout=60s", "serviceaccount/default", "configmap/kube-root-ca.crt", "endpoints/web")
	k("-n", "shop", "wait", "--for=create", "--timeout=60s", "pod", "-l", "app=web")
	k("-n", "shop", "wait", "--for=jsonpath={.status.used.pods}=3", "--timeout=60s", "quota/limits")
	k("-n", "shop", "wait", "--for=condition=PodScheduled=false", "--timeout=60s", "pod", "-l", "app=web") // the scheduler has looked, and there is no node
	if token := k("-n", "shop", "create", "token", "default"); strings.Count(token, ".") != 2 {
		t.Error("a service account gets no token")
	}
	k("delete", "namespace", "shop", "--timeout=60s")
}
