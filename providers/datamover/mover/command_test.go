package mover_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
	"github.com/soda-cdm/kahu/providers/datamover/mover"
	"github.com/soda-cdm/kahu/providers/datamover/repository"
)

// TestCommand moves a folder through the wire, there and back, as two processes would that share a key.
func TestCommand(t *testing.T) {
	folder, socket := t.TempDir(), "unix://"+filepath.Join(t.TempDir(), "store.sock")
	in := func(name string) string { return filepath.Join(folder, name) }
	serve(t, socket)
	for _, name := range []string{"from", "into", "cache"} {
		if err := os.Mkdir(in(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(t, in("key"), repository.NewKey().Reveal()+"\n")
	put(t, in("from/a"), strings.Repeat("content", 1000))
	run := func(task mover.Task) (mover.Result, int, string) {
		t.Helper()
		task.Place = mover.Place{Address: socket, Prefix: "repository/"}
		task.Source = mover.Source{Cluster: "c", Namespace: "shop", Claim: "data", Order: "order"}
		text, err := json.Marshal(task)
		if err != nil {
			t.Fatal(err)
		}
		put(t, in("task"), string(text))
		var said, wrong bytes.Buffer
		code := mover.Command{Now: clock.RealClock{}.Now, Stdout: &said, Stderr: &wrong}.Run(t.Context(), []string{
			"--task", in("task"), "--key", in("key"), "--folder", in("cache"), "--result", in("result"),
		})
		var result mover.Result
		if text, err = os.ReadFile(in("result")); err != nil || json.Unmarshal(text, &result) != nil {
			t.Fatalf("the result is %q: %v: %s", text, err, wrong.String())
		}
		return result, code, said.String() + wrong.String()
	}
	saved, code, said := run(mover.Task{Action: mover.Save, Path: in("from")})
	if code != mover.Done || saved.Backup == "" || !strings.HasSuffix(said, fmt.Sprintf("{\"bytesDone\":%d}\n", saved.Bytes)) {
		t.Fatalf("%d: %+v: %s", code, saved, said)
	}
	if loaded, code, said := run(mover.Task{Action: mover.Load, Path: in("into"), Backup: saved.Backup}); code != mover.Done {
		t.Fatalf("%d: %+v: %s", code, loaded, said)
	}
	if got, err := os.ReadFile(in("into/a")); err != nil || string(got) != strings.Repeat("content", 1000) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if failed, code, said := run(mover.Task{Action: mover.Load, Path: in("into"), Backup: "0123"}); code != mover.Failed || failed.Error == "" {
		t.Errorf("%d: %+v: %s", code, failed, said)
	}
	if failed, code, said := run(mover.Task{Action: mover.Load, Path: in("into")}); code != mover.Usage || !strings.Contains(failed.Error, "backup") {
		t.Errorf("%d: %+v: %s", code, failed, said)
	}
}

// TestCommandLine names the flag that is missing.
func TestCommandLine(t *testing.T) {
	var wrong bytes.Buffer
	args := []string{"--task", "a", "--folder", "b", "--result", "c"}
	if code := (mover.Command{Stderr: &wrong}).Run(t.Context(), args); code != mover.Usage || !strings.Contains(wrong.String(), "--key is missing") {
		t.Errorf("%d: %s", code, wrong.String())
	}
}

// serve has a store in memory served until the test ends.
func serve(t *testing.T, socket string) {
	t.Helper()
	server := provider.NewServer(provider.Options{Driver: memory.New(memory.Options{Now: clock.RealClock{}.Now})})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, socket) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
}

func put(t *testing.T, file, content string) {
	t.Helper()
	const private = 0o600
	if err := os.WriteFile(file, []byte(content), private); err != nil {
		t.Fatal(err)
	}
}
