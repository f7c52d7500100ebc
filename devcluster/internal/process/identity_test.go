package process_test

import (
	"errors"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/devcluster/internal/process"
)

// sleeper starts a process that would live for a minute.
func sleeper(t *testing.T) (process.Identity, *exec.Cmd) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = command.Process.Kill(), command.Wait() })
	id, err := process.Identify(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return id, command
}

func TestSignalEndsTheProcess(t *testing.T) {
	id, command := sleeper(t)
	if !id.Alive() {
		t.Fatal("the process is not alive")
	}
	if ended, err := id.Wait(10 * time.Millisecond); ended || err != nil {
		t.Fatalf("it ended by itself: %v, %v", ended, err)
	}
	if err := id.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if ended, err := id.Wait(10 * time.Second); !ended || err != nil {
		t.Fatalf("it has not ended: %v, %v", ended, err)
	}
	if id.Alive() {
		t.Error("a zombie counts as alive")
	}
	_ = command.Wait() // it was killed
	if err := id.Signal(unix.SIGKILL); !errors.Is(err, process.ErrGone) {
		t.Errorf("signalling it again: %v, want ErrGone", err)
	}
	if ended, err := id.Wait(time.Minute); !ended || err != nil {
		t.Errorf("waiting for it again: %v, %v", ended, err)
	}
}

func TestAnotherProcessOfTheSameNumberIsLeftAlone(t *testing.T) {
	id, _ := sleeper(t)
	cases := map[string]func(*process.Identity){
		"started at another time": func(other *process.Identity) { other.StartTicks++ },
		"of another boot":         func(other *process.Identity) { other.Boot = "other" },
		"number 0":                func(other *process.Identity) { other.PID = 0 },
		"number -1, everybody":    func(other *process.Identity) { other.PID = -1 },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			other := id
			change(&other)
			if other.Alive() {
				t.Error("it counts as alive")
			}
			if err := other.Signal(unix.SIGKILL); !errors.Is(err, process.ErrGone) {
				t.Errorf("signalling it: %v, want ErrGone", err)
			}
			if !id.Alive() {
				t.Fatal("the signal went to another process")
			}
		})
	}
}

func TestIdentifyNobody(t *testing.T) {
	id, command := sleeper(t)
	_, _ = command.Process.Kill(), command.Wait()
	if _, err := process.Identify(id.PID); !errors.Is(err, process.ErrGone) {
		t.Errorf("got %v, want ErrGone", err)
	}
}
