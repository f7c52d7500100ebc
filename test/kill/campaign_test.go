package kill_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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

// campaign is a row of runs of which each is disturbed at another point.
type campaign struct {
	*world

	of   subject
	by   way
	must []point // that are still to disturb a run
	may  []point // that do where a run comes to them first

	names    []string       // of the runs that were begun
	hit      int            // runs that were disturbed
	outcomes map[string]int // how the runs ended
	wrong    []string
}

// maxIdle bounds the runs in a row that come to none of the points.
const maxIdle = 10

// campaign disturbs a manager at calls of a run, before them and after them.
func (w *world) campaign(t *testing.T, of subject, by way) {
	t.Helper()
	outer := w.t
	w.t = t
	defer func() { w.t = outer }()
	all, some := w.calls(of)
	if of.concerns != nil && !isEverything() {
		all, some = oneOfEach(all, of.concerns), oneOfEach(some, of.concerns)
	}
	fresh, known := pointsOf(all), []point(nil)
	optional := pointsOf(some)
	if of.resembles {
		fresh, known = w.untried(fresh)
		optional, _ = w.untried(optional)
	}
	chosen, from := choose(fresh, by.every)
	again, _ := choose(known, by.every*knownEvery)
	chosen = append(chosen, again...)
	run := &campaign{world: w, of: of, by: by, must: slices.Clone(chosen), outcomes: map[string]int{}}
	if len(chosen)-len(again) == len(fresh) {
		run.may = slices.Clone(optional)
	}
	w.tried = append(w.tried, chosen...)
	mays := len(run.may)
	counted := w.births()
	run.disturb()
	t.Logf("%s: %d calls, %d %ss", of.name, len(all), len(chosen)-len(run.must), by.by)
	t.Logf("%s, %s: %d of %d points of calls that every run makes were chosen (seed %d), and %d of calls that some make; of %d runs %d were disturbed",
		of.name, by.by, len(chosen), 2*len(all), from, mays-len(run.may), len(run.names), run.hit)
	for ended, number := range run.outcomes {
		t.Logf("%s, %s: %d ended as %s", of.name, by.by, number, ended)
	}
	for _, left := range run.must {
		t.Errorf("no run was disturbed %s", left)
	}
	for _, wrong := range slices.Concat(run.wrong, run.judgeCreated(counted), w.createdTwice()) {
		t.Error(wrong)
	}
}

// knownEvery leaves points out of a subject that resembles another one: one in so many of those is tried once more that were
// tried in the other.
const knownEvery = 3

// untried divides points into those that no campaign has tried in this world, and the others.
func (w *world) untried(points []point) (fresh, known []point) {
	for _, each := range points {
		if slices.Contains(w.tried, each) {
			known = append(known, each)
		} else {
			fresh = append(fresh, each)
		}
	}
	return fresh, known
}

// next returns the name of the next run.
func (c *campaign) next() string { return fmt.Sprintf("%s-%s-%d", c.of.name, c.by.by, len(c.names)+1) }

// start starts the manager that goes on with one run and is disturbed in the next.
func (c *campaign) start() *process {
	elect, run := c.by.by != killed, c.next()
	return c.manager(role{Run: run, Arm: c.armed(run), Points: slices.Concat(c.must, c.may), Stop: elect, Elect: elect})
}

// disturb goes through the points. The manager that goes on with one run is the one that is disturbed in the next.
func (c *campaign) disturb() {
	c.t.Helper()
	running := c.start()
	for idle := 0; len(c.must) > 0 && idle < maxIdle; idle++ {
		hits := c.hit
		if running = c.disturbOnce(running); c.hit > hits {
			idle = 0
		}
	}
	running.kill()
}

// disturbOnce begins a run with a manager that is disturbed in it, and returns the one that went on with it.
func (c *campaign) disturbOnce(running *process) *process {
	c.t.Helper()
	name := c.next()
	c.names = append(c.names, name)
	if c.of.prepare != nil {
		running = c.attend(running, func() { c.of.prepare(c.world, name) })
	}
	c.arm(name)
	c.of.begin(c.world, name)
	disturbed := c.awaitPoint(running, func() bool { return c.of.over(c.world, name) })
	at, came := c.cameTo(running)
	if disturbed = disturbed && came; disturbed {
		c.done(at)
	} else {
		running.kill() // The run came to its end with other calls.
	}
	wrong := c.broken() // What is in the store now must be whole: it may be all that is left.
	seen := c.uids(c.target(name))
	if c.of.replaces {
		maps.DeleteFunc(seen, func(object, uid string) bool { return c.others[name][object] == uid })
	}
	sleeper := running
	sleeper.leader = c.leader()
	if disturbed && c.by.by == deposed {
		c.depose()
		_ = sleeper.command.Process.Signal(syscall.SIGCONT)
	}
	running = c.attend(c.start(), func() {
		if disturbed && c.by.by == stopped && len(c.names)%2 == 1 {
			c.awaitOtherLeader(sleeper.leader)
			_ = sleeper.command.Process.Signal(syscall.SIGCONT) // Fails where it has ended.
		}
		found, ended := c.judge(name, sleeper)
		c.outcomes[ended]++
		wrong = append(wrong, found...)
		if c.of.clear != nil {
			wrong = append(wrong, c.of.clear(c.world, name)...)
		}
	})
	wrong = slices.Concat(wrong, c.debris(), c.replaced(c.target(name), seen))
	for _, each := range wrong {
		c.wrong = append(c.wrong, fmt.Sprintf("%s, disturbed %s: %s", name, at, each))
	}
	return running
}

// attend does something while a manager works, and returns it, or the one that came in its place: on a busy machine one may
// not renew its lease in time, and ends; a cluster would start it again, too.
func (c *campaign) attend(running *process, do func()) *process {
	c.t.Helper()
	over, last := make(chan struct{}), make(chan *process)
	go func() {
		defer close(last)
		for {
			select {
			case <-over:
				last <- running
				return
			case <-running.ended:
			}
			again, err := c.startAgain(running)
			if err != nil {
				c.t.Errorf("a manager ended by itself: %v", err)
				return
			}
			running = again
		}
	}()
	do()
	close(over)
	running, is := <-last
	if !is {
		c.t.FailNow()
	}
	return running
}

// startAgain starts a manager that lost its lease once more.
func (c *campaign) startAgain(ended *process) (*process, error) {
	said, err := os.ReadFile(filepath.Join(c.folder, "output-"+ended.name))
	if err == nil && !strings.Contains(string(said), "leader election lost") {
		err = fmt.Errorf("it says %q", said)
	}
	if err != nil {
		return nil, err
	}
	again, err := c.spawn(ended.name, ended.command.Path, ended.command.Args[1:]...)
	if err != nil {
		return nil, err
	}
	c.t.Cleanup(again.kill)
	return again, nil
}

// done takes note of a point that disturbed a run.
func (c *campaign) done(at point) {
	c.hit++
	is := func(left point) bool { return left == at }
	c.must, c.may = slices.DeleteFunc(c.must, is), slices.DeleteFunc(c.may, is)
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

// TestKill kills the manager at every point of an incremental backup and its copy, of a deletion, and of restores to where
// nothing is and to where other objects are. A full backup has no other calls than an incremental one.
func TestKill(t *testing.T) {
	w, want := prepareBase(t, 0)
	for _, of := range []subject{increments(want), deletions(), restores(), updates(), recreations()} {
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
