package main_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build builds the demo and finds the programs that it runs.
func build(t *testing.T) (demo, bin string) {
	t.Helper()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"devcluster", "kahu", "kubectl-kahu", "kahu-provider-filesystem"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Fatalf("run `make build` first: %v", err)
		}
	}
	demo = filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", demo, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the demo: %v\n%s", err, out)
	}
	return demo, bin
}

// folder returns a folder with a name that is short enough for sockets in it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "demo-") //nolint:usetesting // The name of t.TempDir is too long.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// nothingLeft fails the test if the demo has left files behind.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("the demo left %s behind", entry.Name())
	}
}

// TestDemoFindsSabotage alters one value of one object after a restore: the demo must fail, and say where.
func TestDemoFindsSabotage(t *testing.T) {
	demo, bin := build(t)
	dir := folder(t)
	command := exec.CommandContext(t.Context(), demo, "--bin", bin, "--sabotage")
	command.Env = append(os.Environ(), "TMPDIR="+dir, "KEEP=")
	out, err := command.CombinedOutput()
	exit := &exec.ExitError{}
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the demo ended with %v, want exit code 1", err)
	}
	for _, want := range []string{
		"differences: 1\n", "ConfigMap shop/web: data.greeting: expected ", `found "sabotage"`, "FAILED: it did not come back as it was",
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("the demo does not say %q", want)
		}
	}
	nothingLeft(t, dir)
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// TestDrill loses a whole cluster and brings it back from a bucket and a key.
func TestDrill(t *testing.T) {
	demo, bin := build(t)
	dir := folder(t)
	command := exec.CommandContext(t.Context(), demo, "--bin", bin, "--drill")
	command.Env = append(os.Environ(), "TMPDIR="+dir, "KEEP=")
	out, err := command.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Everything came back as it was")) {
		t.Errorf("%v", err)
	}
	nothingLeft(t, dir)
	t.Logf("%s", out)
}

// TestDemoEndsWhenInterrupted sends what Ctrl-C sends as soon as the first cluster is up.
func TestDemoEndsWhenInterrupted(t *testing.T) {
	demo, bin := build(t)
	dir := folder(t)
	command := exec.CommandContext(t.Context(), demo, "--bin", bin)
	command.Env = append(os.Environ(), "TMPDIR="+dir, "KEEP=")
	told := &watcher{until: "the first cluster is up", seen: make(chan struct{})}
	command.Stdout, command.Stderr = told, told
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(2 * time.Minute)
	defer timer.Stop()
	select {
	case <-told.seen:
	case <-timer.C:
		t.Error("the first cluster does not get up")
	}
	if err := command.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if err := command.Wait(); err == nil {
		t.Error("the demo ended as if it had come to its end")
	}
	nothingLeft(t, dir)
	if t.Failed() {
		t.Log(told.text.String())
	}
}

// watcher keeps what is written, and tells when certain words are.
type watcher struct {
	until string
	seen  chan struct{} // closed when the words were written
	done  bool
	text  strings.Builder
}

// Write is called by one goroutine of the command.
func (w *watcher) Write(text []byte) (int, error) {
	w.text.Write(text)
	if !w.done && strings.Contains(w.text.String(), w.until) {
		w.done = true
		close(w.seen)
	}
	return len(text), nil
}

// TestDemoExplains prints what is not compared.
func TestDemoExplains(t *testing.T) {
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", demo, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the demo: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), demo, "--paths").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("metadata.managedFields")) {
		t.Errorf("%v\n%s", err, out)
	}
}
