package plane_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

func layout(t *testing.T) plane.Layout {
	t.Helper()
	return plane.Layout{Name: "test", Folder: filepath.Join(t.TempDir(), "test")}
}

// supervisor runs a shell script in the place of every component.
func supervisor(t *testing.T, layout plane.Layout, script string) plane.Supervisor {
	t.Helper()
	executable := filepath.Join(t.TempDir(), "component")
	if err := os.WriteFile(executable, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return plane.Supervisor{
		Layout:      layout,
		Executable:  executable,
		Environment: []string{"PATH=/usr/bin:/bin"},
		Clock:       clock.RealClock{},
		StartLimit:  30 * time.Second,
	}
}

func never(plane.State) error { return errors.New("it says that it is ready") }

func TestComponentThatEndsAtOnceIsToldWithItsLastWords(t *testing.T) {
	place := layout(t)
	err := supervisor(t, place, `seq 100; echo "no room on the disk"; exit 3`).Run(t.Context(), never)
	var ended *plane.EndedError
	if !errors.As(err, &ended) {
		t.Fatalf("got %v, want an EndedError", err)
	}
	if ended.Status != "exit status 3" || !strings.HasSuffix(ended.LastLines, "100\nno room on the disk") {
		t.Errorf("got %+v", ended)
	}
	if lines := strings.Count(ended.LastLines, "\n") + 1; lines != 10 {
		t.Errorf("got %d lines, want 10", lines)
	}
	state, err := plane.Read(place)
	if err != nil {
		t.Fatal(err)
	}
	if state.Phase != plane.Failed || !strings.Contains(state.Error, "no room on the disk") {
		t.Errorf("the state says %s: %s", state.Phase, state.Error)
	}
	wantEnded(t, state)
}

func wantEnded(t *testing.T, state plane.State) {
	t.Helper()
	if len(state.Components) == 0 {
		t.Error("no component was recorded")
	}
	for _, component := range state.Components {
		if component.Process.Alive() {
			t.Errorf("%s still runs", component.Name)
		}
	}
}

func TestClusterThatNeverGetsReadyIsEnded(t *testing.T) {
	place := layout(t)
	s := supervisor(t, place, "exec sleep 60")
	s.StartLimit = 300 * time.Millisecond
	if err := s.Run(t.Context(), never); err == nil || !strings.Contains(err.Error(), "not ready after 300ms") {
		t.Errorf("got %v", err)
	}
	state, err := plane.Read(place)
	if err != nil {
		t.Fatal(err)
	}
	wantEnded(t, state)
}

func TestComponentThatIgnoresItsSignalIsKilled(t *testing.T) {
	place := layout(t)
	s := supervisor(t, place, `trap "" TERM; while true; do sleep 1; done`)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s.Grace = 50 * time.Millisecond
	if err := s.Run(ctx, never); err == nil {
		t.Error("a start that was cut short is no error")
	}
	state, err := plane.Read(place)
	if err != nil {
		t.Fatal(err)
	}
	wantEnded(t, state)
}

func TestKubeconfig(t *testing.T) {
	place := layout(t)
	_ = supervisor(t, place, "exit 1").Run(t.Context(), never) // writes it before it starts anything
	info, err := os.Lstat(place.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("the mode is %v, want that of an ordinary file for its owner", info.Mode())
	}
	state, err := plane.Read(place)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", place.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("https://127.0.0.1:%d", state.Port); config.Host != want || state.Server != want {
		t.Errorf("the server is %s and %s, want %s", config.Host, state.Server, want)
	}
}

func TestNextLifeHasTheSamePort(t *testing.T) {
	place := layout(t)
	s := supervisor(t, place, "exit 1")
	var servers []string
	for range 2 {
		_ = s.Run(t.Context(), never)
		state, err := plane.Read(place)
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, state.Server)
	}
	if servers[0] != servers[1] {
		t.Errorf("the servers are %v", servers)
	}
}

func TestRemoveTouchesNoFolderOfOthers(t *testing.T) {
	place := layout(t)
	precious := filepath.Join(place.Folder, "precious")
	if err := os.MkdirAll(place.Folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := plane.Remove(place); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	if _, err := plane.Read(place); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading the state: %v, want ErrNotExist", err)
	}
}
