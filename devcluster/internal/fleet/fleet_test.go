package fleet_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/fleet"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
	"github.com/soda-cdm/kahu/devcluster/internal/process"
)

// clusters is a fleet whose supervisors are shell scripts.
func clusters(t *testing.T, script string) fleet.Fleet {
	t.Helper()
	return fleet.Fleet{
		Root:  filepath.Join(t.TempDir(), "clusters"),
		Clock: clock.RealClock{},
		Supervise: func(plane.Layout, fleet.UpOptions) []string {
			return []string{"/bin/sh", "-c", script}
		},
	}
}

func TestNames(t *testing.T) {
	cases := map[string]struct {
		name  string
		valid bool
	}{
		"a word":        {name: "default", valid: true},
		"with a dash":   {name: "a-1", valid: true},
		"one letter":    {name: "a", valid: true},
		"the longest":   {name: strings.Repeat("a", 40), valid: true},
		"too long":      {name: strings.Repeat("a", 41)},
		"empty":         {name: ""},
		"upwards":       {name: ".."},
		"a path":        {name: "a/b"},
		"hidden":        {name: ".a"},
		"upper case":    {name: "A"},
		"dash in front": {name: "-a"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			layout, err := fleet.Fleet{Root: "/clusters"}.Layout(c.name)
			if (err == nil) != c.valid {
				t.Fatalf("got %v, want valid: %v", err, c.valid)
			}
			if c.valid && layout.Folder != "/clusters/"+c.name {
				t.Errorf("its folder is %s", layout.Folder)
			}
		})
	}
}

func TestUpTellsWhyTheSupervisorFailed(t *testing.T) {
	cases := map[string]struct {
		script string
		want   string
	}{
		"it says so":          {script: `echo '{"error":"the disk is full"}' >&3`, want: "the disk is full"},
		"it dies":             {script: "kill -9 $$", want: "ended without a report"},
		"it talks in riddles": {script: "echo hello >&3", want: "invalid character"},
		"it hangs":            {script: "sleep 0.1; exec 3>&-; exec sleep 60", want: "ended without a report"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := clusters(t, c.script).Up(t.Context(), "a", fleet.UpOptions{Limit: 10 * time.Second})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to tell: %s", err, c.want)
			}
		})
	}
}

func TestUpAtOnceStartsOneSupervisor(t *testing.T) {
	fleets := clusters(t, "")
	var starts atomic.Int32
	fleets.Supervise = func(layout plane.Layout, _ fleet.UpOptions) []string {
		starts.Add(1)
		// Its process records itself by the test's process, which is alive.
		state := readyState(t, layout.Name)
		record := "cat > " + filepath.Join(layout.Folder, "state.json") + " <<'END'\n" + state + "\nEND\n"
		return []string{"/bin/sh", "-c", record + "echo '{\"state\":" + state + "}' >&3"}
	}
	var group sync.WaitGroup
	var found sync.Map
	for i := range 8 {
		group.Go(func() {
			_, what, err := fleets.Up(t.Context(), "a", fleet.UpOptions{Limit: 20 * time.Second})
			if err != nil {
				t.Error(err)
			}
			found.Store(i, what)
		})
	}
	group.Wait()
	if starts.Load() != 1 {
		t.Errorf("%d supervisors were started", starts.Load())
	}
	running := 0
	found.Range(func(_, what any) bool {
		if what == fleet.Running {
			running++
		}
		return true
	})
	if running != 7 {
		t.Errorf("%d of 8 found it running, want 7", running)
	}
	leftovers, err := filepath.Glob(filepath.Join(fleets.Root, ".*"))
	if err != nil || len(leftovers) > 0 {
		t.Errorf("locks are left: %v, %v", leftovers, err)
	}
}

func readyState(t *testing.T, name string) string {
	t.Helper()
	self, err := process.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(plane.State{Name: name, Phase: plane.Ready, Supervisor: self})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestDownWhereNothingIs(t *testing.T) {
	fleets := clusters(t, "")
	was, err := fleets.Down(t.Context(), "a", fleet.DownOptions{Limit: time.Second})
	if was || err != nil {
		t.Errorf("got %v, %v", was, err)
	}
	if states, err := fleets.States(); len(states) != 0 || err != nil {
		t.Errorf("listing gives %v, %v", states, err)
	}
	if _, err := os.Stat(fleets.Root); err == nil {
		t.Error("asking has made the folder")
	}
}
