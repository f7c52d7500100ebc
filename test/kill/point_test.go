package kill_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// point is before or after a call. A call has the same name in all runs of a subject: what it asks for, without the ids
// and the name of its run, and how often it was asked for in the run. Calls that are made at the same time come in any
// order.
type point struct {
	Call string `json:"call"`
	When moment `json:"when"`
}

func (p point) String() string { return string(p.When) + " " + p.Call }

// ids are the ids of clusters, objects and attempts, and digests of them.
var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}|\b[0-9a-f]{24}\b|\b[0-9a-f]{4}-[0-9a-f]{12}\b`)

// nameOf returns the name of a call of a run, without how often it was made.
func nameOf(what, run string) string {
	name := ids.ReplaceAllString(what, "*")
	if run != "" {
		name = strings.ReplaceAll(name, run, "RUN")
	}
	return name
}

// kindOf returns to which kind of object a request is, and what it does to which part of it. Calls to providers are to none.
func kindOf(call string) (resource, does string) {
	does, path, _ := strings.Cut(call, " ")
	parts := strings.Split(strings.Fields(path)[0], "/")
	parts = parts[slices.IndexFunc(parts, versions.MatchString)+1:]
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	if strings.HasPrefix(does, "/") || len(parts) == 0 {
		return "", does
	}
	if len(parts) > 2 {
		does += " " + parts[2]
	}
	return parts[0], does
}

// versions are those of the API.
var versions = regexp.MustCompile(`^v[0-9]+[a-z0-9]*$`)

// oneOfEach returns one call of each sort to some kinds of objects.
func oneOfEach(calls, resources []string) (chosen []string) {
	random, seen := rand.New(rand.NewPCG(chance(), uint64(len(calls)))), map[string]bool{}
	for _, number := range random.Perm(len(calls)) {
		resource, does := kindOf(calls[number])
		if sort := resource + " " + does; slices.Contains(resources, resource) && !seen[sort] {
			seen[sort] = true
			chosen = append(chosen, calls[number])
		}
	}
	return chosen
}

// pointsOf returns the points before and after the calls.
func pointsOf(calls []string) (points []point) {
	for _, call := range calls {
		points = append(points, point{call, before}, point{call, after})
	}
	return points
}

// undisturbed runs once without an interruption, and returns its calls.
func (w *world) undisturbed(of subject) (calls []string) {
	w.t.Helper()
	name := fmt.Sprintf("%s-whole-%d", of.name, w.starts)
	running := w.manager(role{Run: name, Arm: w.armed(name)})
	w.awaitLocation()
	if of.prepare != nil {
		of.prepare(w, name)
	}
	w.arm(name)
	of.begin(w, name)
	wrong, ended := of.judge(w, name)
	if of.clear != nil {
		wrong = append(wrong, of.clear(w, name)...)
	}
	running.kill()
	if len(wrong) > 0 || !strings.HasPrefix(ended, "Completed") && ended != "deleted" {
		w.t.Fatalf("undisturbed: %s, %v", ended, wrong)
	}
	for _, line := range w.audit(running.name) {
		if line.Number > 0 && !slices.Contains(calls, line.Call) {
			calls = append(calls, line.Call)
		}
	}
	if len(calls) < fewestCalls {
		w.t.Fatalf("undisturbed: only %q were counted, so that there would be next to nothing to disturb", calls)
	}
	return calls
}

// fewestCalls is what every run makes at least: a status at its beginning and at its end, and some change between them.
const fewestCalls = 3

// calls returns the calls that each of some undisturbed runs makes, and those that only some make: how often a status is
// written, and into how many segments a little is cut, depends on what happens at the same time.
func (w *world) calls(of subject) (all, some []string) {
	w.t.Helper()
	const runs = 3
	times := map[string]int{}
	for range runs {
		for _, call := range w.undisturbed(of) {
			times[call]++
			if times[call] == 1 {
				some = append(some, call)
			}
		}
	}
	always := func(call string) bool { return times[call] == runs && !isOfLocation(call) }
	all = slices.DeleteFunc(slices.Clone(some), func(call string) bool { return !always(call) })
	return all, slices.DeleteFunc(some, always)
}

// isOfLocation tells whether a call claims a location: a manager makes it when it begins, and on a busy machine that may be within a
// run, or not.
func isOfLocation(call string) bool {
	return strings.Contains(call, "/owner.json ") || strings.Contains(call, "/kahu-owned-locations ")
}

// everything is the environment variable that has all points tried in all ways; seed is the one that chooses others.
const (
	everything = "KAHU_KILL_EVERYTHING"
	seed       = "KAHU_KILL_SEED"
)

// chance is what choices follow from.
func chance() uint64 {
	if given, err := strconv.ParseUint(os.Getenv(seed), 10, 64); err == nil { //nolint:forbidigo // A test binary has no flags of its own.
		return given
	}
	return 1
}

// isEverything tells whether all points are tried.
func isEverything() bool {
	return os.Getenv(everything) != "" //nolint:forbidigo // See above.
}

// choose returns one point in so many.
func choose(points []point, every int) (chosen []point, from uint64) {
	from = chance()
	if isEverything() {
		every = 1
	}
	random := rand.New(rand.NewPCG(from, uint64(len(points)/2)))
	for _, number := range random.Perm(len(points))[:(len(points)+every-1)/every] {
		chosen = append(chosen, points[number])
	}
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

// disarm has them count no more.
func (w *world) disarm(name string) {
	w.t.Helper()
	if err := os.Remove(w.armed(name)); err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
}

// cameTo returns the point to which a process came.
func (w *world) cameTo(running *process) (at point, came bool) {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.folder, atPoint+"-"+running.name))
	if err != nil {
		return at, false
	}
	if err := json.Unmarshal(content, &at); err != nil {
		w.t.Fatal(err)
	}
	return at, true
}
