package collection_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

const (
	grace   = 1500 * time.Millisecond
	workers = 16
	// roundTime is how long one campaign goes on unless KAHU_COLLECTION_TIME says otherwise, and longestRound how long at most
	// until everything happened that is to happen.
	roundTime    = 8 * time.Second
	longestRound = 2 * time.Minute
	// lookTime is how often the manifests are looked at meanwhile.
	lookTime = 100 * time.Millisecond
)

// TestCollection: KAHU_COLLECTION_SEED and KAHU_COLLECTION_TIME make it another, or a longer one.
func TestCollection(t *testing.T) {
	c := newCampaign(t)
	if violations := c.run(c.length, c.missing); len(violations) > 0 {
		t.Fatalf("a manifest names what is gone: %v; seed %d", violations, c.seed)
	}
	c.settle()
	t.Logf("seed %d: %d workers died; %s; the manifests were looked at %d times", c.seed, c.died, counted(c.happened()), c.looks)
	if missing := c.missing(); len(missing) > 0 {
		t.Errorf("there was no %s", strings.Join(missing, ", no "))
	}
}

// TestWithoutIntents: the campaign finds out that collections and deletions that do not see intents do harm.
func TestWithoutIntents(t *testing.T) {
	c := newCampaign(t)
	c.orders.WithoutIntents, c.orders.Doubt = true, manifestTime
	violations := c.run(0, func() []string { return []string{"violation"} })
	if len(violations) == 0 {
		t.Fatalf("no manifest names what is gone, although nobody sees the intents; %v; seed %d", c.happened(), c.seed)
	}
	t.Logf("found after %d workers died and %s: %s; seed %d", c.died, counted(c.happened()), violations[0], c.seed)
}

type campaign struct {
	t      *testing.T
	seed   uint64
	length time.Duration
	orders orders
	places []observer
	begun  int
	ended  chan *exec.Cmd
	going  map[*exec.Cmd]bool

	died, looks int
}

func newCampaign(t *testing.T) *campaign {
	t.Helper()
	c := &campaign{
		t: t, seed: uint64(clock.RealClock{}.Now().UnixNano()) % 1_000_000, length: roundTime,
		ended: make(chan *exec.Cmd), going: map[*exec.Cmd]bool{},
	}
	var err error
	if text := os.Getenv("KAHU_COLLECTION_SEED"); text != "" { //nolint:forbidigo // It is how a person asks for it again.
		if c.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("KAHU_COLLECTION_SEED: %v", err)
		}
	}
	if text := os.Getenv("KAHU_COLLECTION_TIME"); text != "" { //nolint:forbidigo // It is how a person asks for more.
		if c.length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("KAHU_COLLECTION_TIME: %v", err)
		}
	}
	c.orders = orders{
		Cluster: c.seed, Folder: t.TempDir(), Grace: grace, Nap: 5 * time.Millisecond, Doubt: 2 * manifestTime,
	}
	for _, name := range []string{mainPlace, offsite} {
		for _, folder := range []string{name, name + "-records"} {
			if err := os.Mkdir(filepath.Join(c.orders.Folder, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		c.places = append(c.places, observer{t: t, site: siteAt(c.orders.Folder, name, nil), cluster: c.orders.Cluster})
	}
	return c
}

// run lets workers work and die until the time is over and nothing is missing, or something is wrong.
func (c *campaign) run(length time.Duration, missing func() []string) []string {
	defer c.killAll()
	begun, ticks := clock.RealClock{}.Now(), time.NewTicker(lookTime)
	defer ticks.Stop()
	for {
		for len(c.going) < workers {
			c.start()
		}
		select {
		case ended := <-c.ended:
			c.end(ended)
			continue
		case <-ticks.C:
		}
		if violations := c.look(); len(violations) > 0 {
			return violations
		}
		passed := clock.RealClock{}.Since(begun)
		if c.t.Failed() || passed > max(length, longestRound) || passed > length && len(missing()) == 0 {
			break
		}
	}
	c.killAll()
	return c.look()
}

// start starts a worker.
func (c *campaign) start() {
	c.t.Helper()
	c.begun++
	its := c.orders
	its.Seed = c.seed<<20 + uint64(c.begun)
	command := c.spawn(its)
	c.going[command] = true
	go func() {
		_ = command.Wait() // How it ended is in its state.
		c.ended <- command
	}()
}

func (c *campaign) spawn(its orders) *exec.Cmd {
	c.t.Helper()
	text, err := json.Marshal(its)
	if err != nil {
		c.t.Fatal(err)
	}
	command := exec.CommandContext(context.WithoutCancel(c.t.Context()), os.Args[0], workerRole, string(text))
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	return command
}

// end takes notice of a worker that died. One that has ended by itself has failed.
func (c *campaign) end(command *exec.Cmd) {
	c.t.Helper()
	delete(c.going, command)
	c.died++
	if command.ProcessState.Exited() {
		c.t.Errorf("a worker ended by itself: %v; seed %d", command.ProcessState, c.seed)
	}
}

func (c *campaign) killAll() {
	for each := range c.going {
		_ = each.Process.Kill()
	}
	for len(c.going) > 0 {
		c.end(<-c.ended)
	}
}

// look looks at both places.
func (c *campaign) look() []string {
	c.t.Helper()
	c.looks++
	var violations []string
	for _, place := range c.places {
		violations = append(violations, place.look()...)
	}
	return violations
}

// settle loses the records of all runs that did not finish, and lets the grace pass: two collections later nothing is left
// but what manifests lead to, and every backup can be restored.
func (c *campaign) settle() {
	c.t.Helper()
	before, after, whole := 0, []string{}, 0
	for _, place := range c.places {
		place.lose()
		before += len(place.debris())
	}
	time.Sleep(grace) //nolint:forbidigo // The store's clock is the machine's.
	for range 2 {
		last := c.orders
		last.Last, last.Nap = true, 0
		if err := c.spawn(last).Wait(); err != nil {
			c.t.Fatalf("the last collection: %v", err)
		}
	}
	for _, place := range c.places {
		after = append(after, place.debris()...)
		whole += place.restore()
	}
	if len(after) > 0 {
		c.t.Errorf("garbage is left after the grace: %v; seed %d", after, c.seed)
	}
	c.t.Logf("%d files were garbage when the last worker died, and %d backups and copies are whole", before, whole)
}

// missing returns what did not happen yet.
func (c *campaign) missing() []string {
	c.t.Helper()
	happened := c.happened()
	var missing []string
	for _, what := range []string{"backup", "increment", "copy", "deletion", "collection"} {
		if happened[what] == 0 {
			missing = append(missing, what)
		}
	}
	if c.died == 0 {
		missing = append(missing, "death")
	}
	return missing
}

// happened returns what the workers told, counted by the first word.
func (c *campaign) happened() map[string]int {
	c.t.Helper()
	counts := map[string]int{}
	for _, place := range c.places {
		file, err := os.Open(filepath.Join(place.records.folder, "happened"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			c.t.Fatal(err)
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			what, _, _ := strings.Cut(lines.Text(), " ")
			counts[what]++
		}
		_ = file.Close()
	}
	return counts
}

// counted says what happened.
func counted(happened map[string]int) string {
	return fmt.Sprintf("%d backups were made, %d of them on another one and %d found to be there, and %d copies; %d were deleted, %d "+
		"collections removed something; %d runs failed, and %d lost their record",
		happened["backup"], happened["increment"], happened["adopted"], happened["copy"], happened["deletion"], happened["collection"],
		happened["failed"], happened["lost"])
}
