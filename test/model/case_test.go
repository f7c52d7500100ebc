package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testclock "k8s.io/utils/clock/testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/provider/memory"
)

// scenario is one case: a backup of a world, and a restore of it into another one. It is data, so that it can be printed
// and made smaller.
type scenario struct {
	World   []thing     `json:"world"`
	Backup  wish        `json:"backup"`
	Restore restoreWish `json:"restore"`
	Target  []thing     `json:"target,omitempty"`
	// BackupDies and RestoreDies are the calls to the cluster, counted from 1, at which the process ends and another one
	// begins anew; 0 for never.
	BackupDies  int64 `json:"backupDies,omitempty"`
	RestoreDies int64 `json:"restoreDies,omitempty"`
	PageSize    int   `json:"pageSize"`
	Workers     int   `json:"workers"`
}

func (m maker) scenario() scenario {
	made := scenario{World: m.world(), PageSize: 1 + m.IntN(6), Workers: 1 + m.IntN(3)}
	made.Backup = m.wish(made.World)
	// What a person restores is mostly what there is.
	chosen := made.Backup.chosen(made.World)
	backup := slices.DeleteFunc(slices.Clone(made.World), func(t thing) bool {
		_, in := chosen[t.key()]
		return !in
	})
	if len(backup) == 0 || m.chance(5) {
		backup = made.World
	}
	made.Restore = m.fullWish(backup)
	if m.chance(60) {
		made.Target = m.target(made.World)
		m.prefixed(made.Target, made.Restore.Prefix)
	}
	if m.chance(15) {
		made.BackupDies = 1 + m.Int64N(30)
	}
	if m.chance(25) {
		made.RestoreDies = 1 + m.Int64N(20)
	}
	return made
}

// mapping makes other names for some namespaces: new ones, those of others, each other's.
func (m maker) mapping(backup []thing) map[string]string {
	from := m.some(60, namespacesOf(backup)...)
	if m.chance(5) {
		from = append(from, "c")
	}
	to := m.some(100, "a", "b", "c", "x", "y")
	made := map[string]string{}
	for i, name := range from {
		made[name] = to[i]
	}
	return made
}

// fullWish makes all that a Restore says.
func (m maker) fullWish(backup []thing) restoreWish {
	made := restoreWish{wish: m.restoreWish(backup), Addresses: m.chance(30), Ports: m.chance(30)}
	if m.chance(50) {
		made.Mapping = m.mapping(backup)
	}
	made.Policy = []restoreplan.Policy{
		restoreplan.Skip, restoreplan.Update, restoreplan.Recreate, restoreplan.Fail,
	}[m.IntN(4)]
	if m.chance(20) {
		made.Prefix = "p-"
	}
	if m.chance(30) {
		made.Classes = map[string]string{m.pick("k0", "k1"): m.pick("k1", "k2")}
	}
	if m.chance(30) {
		made.Marks = &marking{Kind: m.pick("ConfigMap", "Secret", "Deployment", "PersistentVolume", "Widget")}
		if m.chance(30) {
			made.Marks.In = []string{m.pick(names...)}
		}
		if m.chance(30) {
			made.Marks.Labels = map[string]string{"app": m.pick("x", "y")}
		}
	}
	return made
}

// target makes the things of the cluster that is restored into: some of those that were backed up, or that another world
// has.
func (m maker) target(backedUp []thing) []thing {
	world := slices.Clone(backedUp)
	if m.chance(50) {
		world = m.world()
	}
	for i := range world {
		world[i].Dying = false
		if m.chance(60) {
			world[i].Content = "was here before"
		}
		if name := m.pick("x", "", ""); name != "" && world[i].Namespace == "a" {
			world[i].Namespace = name
		}
	}
	kept := slices.DeleteFunc(world, func(t thing) bool { return t.Kind != "Namespace" && m.chance(60) })
	if m.chance(50) {
		kept = append(kept, thing{Kind: "Namespace", Name: "x", Content: "was here before"})
	}
	slices.SortStableFunc(kept, func(a, b thing) int { return rank(a) - rank(b) })
	return slices.DeleteFunc(kept, func(t thing) bool {
		return t.Namespace != "" && !slices.ContainsFunc(kept, func(n thing) bool { return n.Kind == "Namespace" && n.Name == t.Namespace })
	})
}

// prefixed gives some things the names that those of a restore get.
func (m maker) prefixed(things []thing, prefix string) {
	for i := range things {
		if kinds[things[i].Kind].Namespaced && !isClusterMade(things[i]) && m.chance(50) {
			things[i].Name = prefix + things[i].Name
		}
	}
}

// outcome counts what the cases came to, so that one can see that they were about something.
type outcome struct {
	cases                                 atomic.Int64
	backupsRefused, restoresRefused, died atomic.Int64
	objects, created, updated, existing   atomic.Int64
	controlled, failed, mapped, inTheWay  atomic.Int64
}

// runner runs one scenario.
type runner struct {
	scenario

	t     testing.TB
	files *store.Store
	seen  *outcome
}

// run returns in which way the product differs from the model, or nothing.
func run(tb testing.TB, s scenario, seen *outcome) string {
	tb.Helper()
	r := &runner{scenario: s, t: tb, files: store.New(memory.New(memory.Options{}), store.Options{Attempts: 1}), seen: seen}
	backup, difference := r.backup()
	if difference != "" || backup == nil {
		return difference
	}
	return r.restore(backup)
}

var errDied = errors.New("the process has ended")

// dying makes a cluster end the context at one of its calls.
func dying(ctx context.Context, cluster *fakecluster.Cluster, at int64) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	var calls atomic.Int64
	cluster.Intercept = func(fakecluster.Call) error {
		if at > 0 && calls.Add(1) >= at {
			cancel(errDied)
			return errDied
		}
		return nil
	}
	return ctx, func() { cancel(nil) }
}

func (r *runner) clock() *testclock.FakePassiveClock {
	return testclock.NewFakePassiveClock(time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC))
}

var backupID = archive.BackupID{ClusterID: "11111111-2222-3333-4444-555555555555", Name: "one", UID: "uid-of-one"}

var restoreID = archive.RestoreID{ClusterID: backupID.ClusterID, Name: "back", UID: "uid-of-back"}

// backup makes the backup, and compares what is in it. It is nil where the wish was refused.
func (r *runner) backup() ([]thing, string) {
	source := fakecluster.New(slices.Collect(maps.Values(kinds))...)
	source.PageSize = r.PageSize
	put(r.t, source, r.World)
	var earlier []string
	if r.BackupDies > 0 {
		earlier = []string{"first"}
		if lived, difference := r.backupThatDies(source); lived || difference != "" {
			return nil, difference
		}
	}
	result, err := r.attempt(r.t.Context(), source, "second", earlier...)
	if invalid := new(engine.InvalidError); errors.As(err, &invalid) {
		r.seen.backupsRefused.Add(1)
		return nil, r.judgeRefusal(r.Backup, r.World, invalid)
	}
	if err != nil {
		return nil, "the backup: " + err.Error()
	}
	if !result.Manifest.Complete {
		return nil, fmt.Sprintf("the backup lacks something: %+v", result.Missing)
	}
	return r.compareBackup()
}

// backupThatDies makes an attempt that may die, and leaves nothing that counts where it does.
func (r *runner) backupThatDies(source *fakecluster.Cluster) (lived bool, difference string) {
	ctx, end := dying(r.t.Context(), source, r.BackupDies)
	_, err := r.attempt(ctx, source, "first")
	end()
	source.Intercept = nil
	if err == nil {
		_, difference = r.compareBackup()
		return true, difference
	}
	r.seen.died.Add(1)
	if there, err := r.exists(); err != nil || there {
		return false, fmt.Sprintf("a backup that died exists: %v %v", there, err)
	}
	return false, ""
}

func (r *runner) attempt(ctx context.Context, source *fakecluster.Cluster, attempt string, earlier ...string) (enginebackup.Result, error) {
	use := &enginebackup.Runner{Cluster: source, Clock: r.clock(), Listers: r.Workers, Packers: r.Workers, Writer: "test"}
	return use.Run(ctx, enginebackup.Request{
		ID: backupID, Attempt: attempt, Earlier: earlier, LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
		Filters: r.Backup.filters(), Confirm: func(context.Context) error { return nil },
	}, r.files)
}

func (r *runner) exists() (bool, error) {
	there := false
	err := location.Discover(r.t.Context(), r.files, func(archive.BackupID) error {
		there = true
		return nil
	})
	return there, err
}

// judgeRefusal tells whether filters may be refused: because they name what is not there, or because they can choose
// nothing.
func (r *runner) judgeRefusal(asked wish, from []thing, invalid *engine.InvalidError) string {
	if asked.wrongIn(from) {
		return ""
	}
	for _, each := range append(slices.Clone(asked.Want), asked.Refuse...) {
		if !slices.ContainsFunc(from, func(t thing) bool { return t.Kind == each.Kind }) {
			return ""
		}
	}
	for _, in := range asked.chosen(from) {
		if in {
			return "refused, although something is selected: " + invalid.Error()
		}
	}
	return ""
}

// compareBackup reads the index.
func (r *runner) compareBackup() ([]thing, string) {
	if r.Backup.wrongIn(r.World) {
		return nil, "the backup includes a namespace that is not there, and was not refused"
	}
	want := map[string]string{}
	var in []thing
	chosen := r.Backup.chosen(r.World)
	for _, each := range r.World {
		selected, taken := chosen[each.key()]
		if !taken {
			continue
		}
		in = append(in, each)
		want[each.key()] = "needed"
		if selected {
			want[each.key()] = string(core.Selected)
		}
	}
	manifest, err := engine.ReadManifest(r.t.Context(), r.files, backupID)
	if err != nil {
		return nil, "reading the manifest: " + err.Error()
	}
	file, err := r.files.Open(r.t.Context(), manifest.Index.Name)
	if err != nil {
		return nil, "opening the index: " + err.Error()
	}
	defer file.Close()
	got := map[string]string{}
	for record, err := range archive.ReadIndex(file) {
		if err != nil {
			return nil, "reading the index: " + err.Error()
		}
		key := keyOf(record.Kind.Name, record.Namespace, record.Name)
		got[key] = "needed"
		if record.Reason == core.Selected {
			got[key] = string(core.Selected)
		}
	}
	r.seen.objects.Add(int64(len(got)))
	if diff := cmp.Diff(want, got); diff != "" {
		return nil, "what is in the backup (-model +product):\n" + diff
	}
	return in, ""
}
