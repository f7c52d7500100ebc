package sidecar_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
)

// The whole way with a real driver in a process of its own, which is killed as hard as can be.
func TestRealDriver(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "driver")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/soda-cdm/kahu/cmd/kahu-provider-filesystem")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the driver: %v\n%s", err, output)
	}
	w, root := newWorld(t), t.TempDir()
	w.run(w.options())
	must(t, w.log.await(t.Context(), unusable, 1)) // It comes late.
	kill := w.start(binary, root)
	files := w.location(w.locationNamed("a", map[string]any{"providerName": w.name, "config": map[string]any{"path": "team"}}))
	must(t, w.write(files, "before"))

	file, err := files.Create(t.Context(), "during")
	must(t, err)
	defer file.Abort()
	_, err = io.CopyN(file, endless{}, 8<<20)
	must(t, err)
	w.mustNotRenewAfter(kill)
	_, err = io.CopyN(file, endless{}, 8<<20)
	if err == nil {
		err = file.Commit()
	}
	if !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("a file whose driver was killed gives %v", err)
	}
	if err := w.write(files, "dead"); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("with the driver dead, writing gives %v", err)
	}

	w.start(binary, root)
	must(t, w.log.await(t.Context(), healthy, 2))
	w.awaitRenewal(2)
	must(t, w.write(files, "after"))
	var found []string
	must(t, files.List(t.Context(), "", func(file core.FileInfo) error {
		found = append(found, file.Name)
		return nil
	}))
	if diff := cmp.Diff([]string{"after", "before"}, found); diff != "" {
		t.Errorf("what is in the store: %s", diff)
	}
	content, err := os.ReadFile(filepath.Join(root, "team", "before"))
	must(t, err)
	if diff := cmp.Diff("content", string(content)); diff != "" {
		t.Errorf("what is on the disk: %s", diff)
	}
}

// start starts a driver, and returns the function that kills it.
func (w *world) start(binary, root string) (kill func()) {
	w.t.Helper()
	var output strings.Builder
	command := exec.CommandContext(w.t.Context(), binary, "--root", root, "--endpoint", "unix://"+w.socket, "--name", w.name)
	command.Stderr = &output
	must(w.t, command.Start())
	killed := false
	kill = func() {
		if killed {
			return
		}
		killed = true
		_ = command.Process.Kill() // The end of the test may have been quicker.
		if err := command.Wait(); err == nil {
			w.t.Errorf("the driver had ended by itself:\n%s", output.String())
		}
	}
	w.t.Cleanup(kill)
	return kill
}

// endless gives zeros without end.
type endless struct{}

func (endless) Read(into []byte) (int, error) { return len(into), nil }
