package collection_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/properties"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

const (
	grace   = 1500 * time.Millisecond
	workers = 4
	// roundTime is how long one campaign goes on unless KAHU_COLLECTION_TIME says otherwise.
	roundTime = 6 * time.Second
	// lookTime is how often the manifests are looked at meanwhile.
	lookTime = 100 * time.Millisecond
	// blindTime is how long a campaign without intents may take to find a violation.
	blindTime = time.Minute
)

// TestCollection: KAHU_COLLECTION_SEED and KAHU_COLLECTION_TIME make it another, or a longer one.
func TestCollection(t *testing.T) {
	c := newCampaign(t)
	c.until = clock.RealClock{}.Now().Add(c.length)
	if violations := c.run(); len(violations) > 0 {
		t.Fatalf("a manifest names what is gone: %v; seed %d", violations, c.seed)
	}
	c.settle()
	happened := c.happened()
	t.Logf("seed %d: %d workers were killed and %d stopped for a while; %d backups were made and %d deleted, %d collections removed "+
		"something; %d runs failed; the manifests were looked at %d times",
		c.seed, c.killed, c.stopped, happened["backup"], happened["deletion"], happened["collection"], happened["failed"], c.looks)
	for _, what := range []string{"backup", "deletion", "collection"} {
		if happened[what] == 0 {
			t.Errorf("there was no %s", what)
		}
	}
	if c.killed == 0 {
		t.Error("nobody was killed")
	}
}

// TestWithoutIntents: the campaign finds out that collections and deletions that do not see intents do harm.
func TestWithoutIntents(t *testing.T) {
	c := newCampaign(t)
	c.orders.WithoutIntents, c.orders.LongestDoubt = true, 300*time.Millisecond
	c.deaths = 1 // Runs that are in doubt for long must come to their end.
	c.until = clock.RealClock{}.Now().Add(blindTime)
	violations := c.run()
	if len(violations) == 0 {
		t.Fatalf("no manifest names what is gone, although nobody sees the intents; %v; seed %d", c.happened(), c.seed)
	}
	t.Logf("found: %s; seed %d", violations[0], c.seed)
}

type campaign struct {
	t       *testing.T
	seed    uint64
	length  time.Duration
	until   time.Time
	random  *rand.Rand
	orders  orders
	files   *store.Store
	running []*exec.Cmd
	begun   int
	deaths  int // in ten disturbances

	killed, stopped, looks int
}

func newCampaign(t *testing.T) *campaign {
	t.Helper()
	c := &campaign{t: t, seed: uint64(clock.RealClock{}.Now().UnixNano()) % 1_000_000, length: roundTime, deaths: 4}
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
	c.random = rand.New(rand.NewPCG(c.seed, 11))
	c.orders = orders{
		Store: t.TempDir(), Records: t.TempDir(), Grace: grace, LongestPause: 5 * time.Millisecond,
	}
	c.files = store.New(filesystem.New(filesystem.Options{Root: c.orders.Store, Now: clock.RealClock{}.Now}), store.Options{})
	return c
}

// run lets workers work and die until the time is over, or something is wrong.
func (c *campaign) run() []string {
	defer c.killAll()
	for (clock.RealClock{}).Now().Before(c.until) {
		for len(c.running) < workers {
			c.start()
		}
		time.Sleep(time.Duration(c.random.Int64N(int64(lookTime)))) //nolint:forbidigo // When somebody dies is what is tried.
		c.disturb()
		if violations := c.look(); len(violations) > 0 {
			return violations
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
	c.running = append(c.running, c.spawn(its))
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

// disturb kills a worker, or stops one for a while.
func (c *campaign) disturb() {
	at := c.random.IntN(len(c.running))
	chosen := c.running[at]
	switch dice := c.random.IntN(10); {
	case dice < c.deaths:
		c.running = slices.Delete(c.running, at, at+1)
		c.end(chosen)
		c.killed++
	case dice < c.deaths+2:
		c.stopped++
		_ = chosen.Process.Signal(syscall.SIGSTOP)
	default:
		for _, each := range c.running {
			_ = each.Process.Signal(syscall.SIGCONT)
		}
	}
}

// end kills a worker and waits for it. One that has ended by itself has failed.
func (c *campaign) end(command *exec.Cmd) {
	c.t.Helper()
	_ = command.Process.Kill()
	err := command.Wait()
	if exit := (&exec.ExitError{}); errors.As(err, &exit) && exit.Exited() {
		c.t.Errorf("a worker ended by itself: %v; seed %d", err, c.seed)
	}
}

func (c *campaign) killAll() {
	for _, each := range c.running {
		c.end(each)
	}
	c.running = nil
}

// look reads every manifest, and returns those that name what is not there. One that goes meanwhile is none.
func (c *campaign) look() []string {
	c.t.Helper()
	c.looks++
	manifests := c.manifests()
	there := map[string]int64{}
	for _, file := range c.list("") {
		there[file.Name] = file.Size
	}
	var violations []string
	for _, manifest := range manifests {
		for _, file := range manifest.Files() {
			if size, is := there[file.Name]; is && size == file.Size {
				continue
			}
			if _, err := engine.ReadManifest(c.t.Context(), c.files, manifest.ID); err == nil {
				violations = append(violations, fmt.Sprintf("%s names %s", manifest.ID.Name, file.Name))
			}
		}
	}
	return violations
}

func (c *campaign) manifests() []archive.Manifest {
	c.t.Helper()
	var manifests []archive.Manifest
	for _, file := range c.list(archive.ClustersFolder) {
		id, is := archive.ParseManifestName(file.Name)
		if !is {
			continue
		}
		manifest, err := engine.ReadManifest(c.t.Context(), c.files, id)
		if errors.Is(err, core.ErrNotFound) {
			continue
		}
		if err != nil {
			c.t.Fatal(err)
		}
		manifests = append(manifests, manifest)
	}
	return manifests
}

func (c *campaign) list(prefix string) []core.FileInfo {
	c.t.Helper()
	var found []core.FileInfo
	err := c.files.List(c.t.Context(), prefix, func(file core.FileInfo) error {
		found = append(found, file)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

// settle loses the records of all runs that did not finish, and lets the grace pass: two collections later nothing is left
// but what manifests lead to, and every byte of that is as it was written.
func (c *campaign) settle() {
	c.t.Helper()
	held := records{folder: c.orders.Records}
	all, err := held.all()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, each := range all {
		if each.State != completed {
			if err := held.change(each.ID.Name, func(record *record) error { record.State = ""; return nil }); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	before := len(c.debris())
	time.Sleep(grace) //nolint:forbidigo // The store's clock is the machine's.
	for range 2 {
		last := c.orders
		last.Last, last.LongestPause = true, 0
		if err := c.spawn(last).Wait(); err != nil {
			c.t.Fatalf("the last collection: %v", err)
		}
	}
	if left := c.debris(); len(left) > 0 {
		c.t.Errorf("garbage is left after the grace: %v; seed %d", left, c.seed)
	}
	for _, manifest := range c.manifests() {
		c.verify(manifest)
	}
	c.t.Logf("%d files were garbage when the last worker died, and %d backups are whole", before, len(c.manifests()))
}

func (c *campaign) debris() []string {
	c.t.Helper()
	var names []string
	for _, file := range c.list("") {
		names = append(names, file.Name)
	}
	return properties.Debris(c.t.Context(), c.files, names)
}

func (c *campaign) verify(manifest archive.Manifest) {
	c.t.Helper()
	for _, file := range manifest.Files() {
		content, err := c.files.Open(c.t.Context(), file.Name)
		if err != nil {
			c.t.Fatalf("%s: %v; seed %d", manifest.ID.Name, err, c.seed)
		}
		if err := archive.VerifySegment(content, file); err != nil {
			c.t.Errorf("%s: %v; seed %d", manifest.ID.Name, err, c.seed)
		}
		_ = content.Close()
	}
}

// happened returns what the workers told, counted by the first word.
func (c *campaign) happened() map[string]int {
	c.t.Helper()
	file, err := os.Open(filepath.Join(c.orders.Records, "happened"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	counts := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		what, _, _ := strings.Cut(lines.Text(), " ")
		counts[what]++
	}
	return counts
}
