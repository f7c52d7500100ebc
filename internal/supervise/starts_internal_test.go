package supervise

import (
	"errors"
	"os/exec"
	"testing"
)

// exitOf returns how a script ends.
func exitOf(t *testing.T, script string) *exec.ExitError {
	t.Helper()
	var exit *exec.ExitError
	if err := exec.CommandContext(t.Context(), "/bin/sh", "-c", script).Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return exit
}

func TestHopelessStarts(t *testing.T) {
	failed, passing, killed, fine := exitOf(t, "exit 1"), exitOf(t, "exit 75"), exitOf(t, "kill -KILL $$"), exitOf(t, "exit 0")
	for name, test := range map[string]struct {
		exits  []*exec.ExitError
		steady int // which of them came after a long life; -1 for none
		want   bool
	}{
		"failed each time":             {[]*exec.ExitError{failed, failed, failed, failed, failed}, -1, true},
		"ended each time":              {[]*exec.ExitError{fine, fine, fine, fine, fine}, -1, true},
		"once less":                    {[]*exec.ExitError{failed, failed, failed, failed}, -1, false},
		"with what can pass between":   {[]*exec.ExitError{failed, failed, passing, failed, failed, passing, failed}, -1, true},
		"what can pass alone":          {[]*exec.ExitError{passing, passing, passing, passing, passing, passing}, -1, false},
		"killed in between":            {[]*exec.ExitError{failed, failed, killed, failed, failed, failed}, -1, false},
		"it lived long at first":       {[]*exec.ExitError{failed, failed, failed, failed, failed, failed}, 0, false},
		"it lived long the last time":  {[]*exec.ExitError{failed, failed, failed, failed, failed}, 4, false},
		"it lived long and was killed": {[]*exec.ExitError{killed, failed, failed, failed, failed, failed}, 0, false},
	} {
		counted, got := starts{}, false
		for i, exit := range test.exits {
			got = counted.areHopeless(exit, i == test.steady)
		}
		if got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
