package kill_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// disturbance is what befalls a manager at one of its calls.
type disturbance string

const (
	// killed: it ends at once.
	killed disturbance = "kill"
	// stopped: it sleeps until another one has gone on with the run, or ended it.
	stopped disturbance = "stop"
	// deposed: its lease is taken from it while it works.
	deposed disturbance = "depose"
)

// way is how managers are disturbed in a campaign.
type way struct {
	by disturbance
	// every leaves points out: one in so many is tried, unless everything is asked for.
	every int
}

// everything is the environment variable that has all points tried in all ways; seed is the one that chooses others.
const (
	everything = "KAHU_KILL_EVERYTHING"
	seed       = "KAHU_KILL_SEED"
)

// points returns the points of a run with that number of calls that are tried: 2*n is before call n+1, and 2*n+1 after it.
func (by way) points(calls int) (chosen []int, from uint64) {
	from = 1
	if given, err := strconv.ParseUint(os.Getenv(seed), 10, 64); err == nil { //nolint:forbidigo // A test binary has no flags of its own.
		from = given
	}
	every := by.every
	if os.Getenv(everything) != "" { //nolint:forbidigo // See above.
		every = 1
	}
	random := rand.New(rand.NewPCG(from, uint64(calls)))
	chosen = random.Perm(2 * calls)[:(2*calls+every-1)/every]
	slices.Sort(chosen)
	return chosen, from
}

// armed is the file that makes managers count.
func (w *world) armed(name string) string { return filepath.Join(w.folder, "arm-"+name) }

// arm has the managers that wait for the run count their calls from here on.
func (w *world) arm(name string) {
	w.t.Helper()
	if err := os.WriteFile(w.armed(name), nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// undisturbed runs once without an interruption, and returns the number of its calls.
func (w *world) undisturbed(of subject) int {
	w.t.Helper()
	name := fmt.Sprintf("%s-whole-%d", of.name, w.starts)
	running := w.manager(role{Arm: w.armed(name)})
	w.awaitLocation()
	if of.prepare != nil {
		of.prepare(w, name)
	}
	w.arm(name)
	of.begin(w, name)
	wrong, ended := of.judge(w, name)
	running.kill()
	if len(wrong) > 0 || !strings.HasPrefix(ended, "Completed") && ended != "deleted" {
		w.t.Fatalf("undisturbed: %s, %v", ended, wrong)
	}
	calls := 0
	for _, line := range w.audit(running.name) {
		calls = max(calls, line.Number)
	}
	return calls
}

// campaign is a row of runs of which each is disturbed at another point.
type campaign struct {
	*world

	of     subject
	by     way
	points []int

	hit      int            // runs that were disturbed
	outcomes map[string]int // how the runs ended
	wrong    []string
}

// campaign disturbs a manager at calls of a run, before them and after them.
func (w *world) campaign(t *testing.T, of subject, by way) {
	t.Helper()
	outer := w.t
	w.t = t
	defer func() { w.t = outer }()
	calls := w.undisturbed(of)
	points, from := by.points(calls)
	before := w.createdByAll()
	made := &campaign{world: w, of: of, by: by, points: points, outcomes: map[string]int{}}
	made.disturb()
	if by.by == killed && len(points) == 2*calls {
		t.Logf("%s: %d calls, %d kills", of.name, calls, made.hit)
	}
	t.Logf("%s, %s: %d calls, %d of %d points before or after one were tried (seed %d), and %d disturbed a run",
		of.name, by.by, calls, len(points), 2*calls, from, made.hit)
	for ended, number := range made.outcomes {
		t.Logf("%s, %s: %d ended as %s", of.name, by.by, number, ended)
	}
	if 2*made.hit < len(points) {
		t.Errorf("only %d of %d points disturbed a run", made.hit, len(points))
	}
	made.countCreated(before)
	for _, wrong := range append(made.wrong, w.createdTwice()...) {
		t.Error(wrong)
	}
}

// name names the run that is disturbed at a point.
func (c *campaign) name(number int) string {
	at, when := place(c.points[number])
	return fmt.Sprintf("%s-%s-%s-%d", c.of.name, c.by.by, when, at)
}

// place returns the call of a point, and the side of it.
func place(point int) (at int, when moment) {
	if point%2 == 1 {
		return point/2 + 1, after
	}
	return point/2 + 1, before
}

// next starts the manager that goes on with one run and is disturbed in the one of that number.
func (c *campaign) next(number int) *process {
	elect := c.by.by != killed
	if number == len(c.points) {
		return c.manager(role{Elect: elect})
	}
	at, when := place(c.points[number])
	return c.manager(role{Arm: c.armed(c.name(number)), At: at, When: when, Stop: elect, Elect: elect})
}

// disturb goes through the points. The manager that goes on with one run is the one that is disturbed in the next.
func (c *campaign) disturb() {
	c.t.Helper()
	running := c.next(0)
	for number := range c.points {
		name := c.name(number)
		if running.hasEnded() {
			running = c.next(number) // It could not renew its lease in time, on a busy machine.
		}
		if c.of.prepare != nil {
			c.of.prepare(c.world, name)
		}
		c.arm(name)
		c.of.begin(c.world, name)
		disturbed := c.awaitPoint(running, func() bool { return c.of.over(c.world, name) })
		if disturbed {
			c.hit++
		} else {
			running.kill() // The run came to its end with fewer calls.
		}
		wrong := c.broken() // What is in the store now must be whole: it may be all that is left.
		seen := c.uids(target(name))
		sleeper := running
		sleeper.leader = c.leader()
		if disturbed && c.by.by == deposed {
			c.depose()
			_ = sleeper.command.Process.Signal(syscall.SIGCONT)
		}
		running = c.next(number + 1)
		if disturbed && c.by.by == stopped && number%2 == 0 {
			c.awaitOtherLeader(sleeper.leader)
			_ = sleeper.command.Process.Signal(syscall.SIGCONT) // Fails where it has ended.
		}
		found, ended := c.judge(name, sleeper)
		c.outcomes[ended]++
		wrong = slices.Concat(wrong, found, c.debris(), c.replaced(target(name), seen))
		for _, each := range wrong {
			c.wrong = append(c.wrong, name+": "+each)
		}
	}
	running.kill()
}

// judge judges a run, and wakes its first manager where that one still sleeps. It must end then, as another one leads.
func (c *campaign) judge(name string, sleeper *process) (wrong []string, ended string) {
	c.t.Helper()
	wrong, ended = c.of.judge(c.world, name)
	if c.by.by == stopped {
		c.awaitOtherLeader(sleeper.leader) // Woken earlier, it would go on to lead.
	}
	_ = sleeper.command.Process.Signal(syscall.SIGCONT)
	if !c.awaitEnd(sleeper) {
		sleeper.kill()
		return append(wrong, "the manager that does not lead any more does not end"), ended
	}
	again, _ := c.of.judge(c.world, name)
	return append(wrong, again...), ended
}

// prepareBase makes the backup that restores are of, and returns the world and what is in it. The application has so many
// ConfigMaps more than it needs.
func prepareBase(t *testing.T, more int) (*world, map[string]string) {
	t.Helper()
	w := newWorld(t)
	w.makeMore(more)
	running := w.manager(role{})
	w.awaitLocation()
	w.create(w.backup("base"))
	base, ended := w.awaitBackup("base")
	if !ended || base.Status.State != kahuv1.StateCompleted {
		t.Fatalf("the base is not there: %+v", base.Status)
	}
	running.kill()
	want := w.contents(base)
	if len(want) < 9 {
		t.Fatalf("the base has %v", want)
	}
	return w, want
}

// TestKill kills the manager at every point of a backup, a deletion and a restore.
func TestKill(t *testing.T) {
	w, want := prepareBase(t, 0)
	for _, of := range []subject{backups(want), deletions(), restores()} {
		t.Run(of.name, func(t *testing.T) { w.campaign(t, of, way{by: killed, every: 1}) })
	}
}

// TestTwoManagers stops the manager that leads, and wakes it when another one has taken its place.
func TestTwoManagers(t *testing.T) {
	w, want := prepareBase(t, 0)
	for _, of := range []subject{backups(want), deletions(), restores()} {
		t.Run(of.name, func(t *testing.T) { w.campaign(t, of, way{by: stopped, every: 8}) })
	}
}

// TestDeposed takes the lease from the manager that leads, which works on until it finds that out.
func TestDeposed(t *testing.T) {
	w, want := prepareBase(t, 0)
	for _, of := range []subject{backups(want), deletions(), restores()} {
		t.Run(of.name, func(t *testing.T) { w.campaign(t, of, way{by: deposed, every: 8}) })
	}
}
