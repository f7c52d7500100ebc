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
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/provider/memory"
)

// scenario is one case: a backup of a world, and a restore of it into another one. It is data, so that it can be printed
// and made smaller.
type scenario struct {
	World   []thing           `json:"world"`
	Backup  wish              `json:"backup"`
	Restore wish              `json:"restore"`
	Mapping map[string]string `json:"namespaceMapping,omitempty"`
	Target  []thing           `json:"target,omitempty"`
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
	made.Restore = m.restoreWish(backup)
	if m.chance(50) {
		made.Mapping = m.mapping(backup)
	}
	if m.chance(50) {
		made.Target = m.target()
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

// target makes the things of the cluster that is restored into: some of those that another world has.
func (m maker) target() []thing {
	world := m.world()
	for i := range world {
		world[i].Dying = false
		world[i].Content = "was here before"
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

// outcome counts what the cases came to, so that one can see that they were about something.
type outcome struct {
	cases                                  atomic.Int64
	backupsRefused, restoresRefused, died  atomic.Int64
	objects, created, existing, controlled atomic.Int64
	failed, mapped                         atomic.Int64
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

func (r *runner) attempt(ctx context.Context, source *fakecluster.Cluster, attempt string, earlier ...string) (engine.BackupResult, error) {
	use := &engine.Backup{Cluster: source, Clock: r.clock(), Listers: r.Workers, Packers: r.Workers, Writer: "test"}
	return use.Run(ctx, engine.BackupRequest{
		ID: backupID, Attempt: attempt, Earlier: earlier, LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
		Filters: r.Backup.filters(), Confirm: func(context.Context) error { return nil },
	}, r.files)
}

func (r *runner) exists() (bool, error) {
	there := false
	err := engine.Discover(r.t.Context(), r.files, func(archive.BackupID) error {
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

// restore makes the restore, and compares the cluster after it.
func (r *runner) restore(backup []thing) string {
	want := restore(backup, r.Restore, r.Mapping, r.Target)
	target := fakecluster.New(slices.Collect(maps.Values(kinds))...)
	put(r.t, target, r.Target)
	died := false
	if r.RestoreDies > 0 {
		ctx, end := dying(r.t.Context(), target, r.RestoreDies)
		_, err := r.restoring(ctx, target)
		end()
		target.Intercept = nil
		died = err != nil
	}
	result, err := r.restoring(r.t.Context(), target)
	if invalid := new(engine.InvalidError); errors.As(err, &invalid) {
		r.seen.restoresRefused.Add(1)
		if want.refused {
			return ""
		}
		return r.judgeRefusal(r.Restore, backup, invalid)
	}
	if err != nil {
		return "the restore: " + err.Error()
	}
	if want.refused {
		return "the restore names a namespace that is not in the backup, or mixes two, and was not refused"
	}
	r.seen.created.Add(int64(want.created))
	r.seen.existing.Add(int64(want.existing))
	r.seen.controlled.Add(int64(want.controlled))
	r.seen.failed.Add(int64(want.failed))
	if len(r.Mapping) > 0 {
		r.seen.mapped.Add(1)
	}
	if died {
		r.seen.died.Add(1)
	} else if r.RestoreDies == 0 {
		got := []int64{result.Counts.Created, result.Counts.Existing, result.Counts.Controlled, result.FailedTotal}
		counts := []int64{int64(want.created), int64(want.existing), int64(want.controlled), int64(want.failed)}
		if diff := cmp.Diff(counts, got); diff != "" {
			return fmt.Sprintf("created, existing, controlled and failed (-model +product):\n%s%+v", diff, result.Failed)
		}
	}
	return r.compareCluster(want, target)
}

func (r *runner) restoring(ctx context.Context, target *fakecluster.Cluster) (engine.RestoreResult, error) {
	use := &engine.Restore{Cluster: target, Clock: r.clock(), Creators: r.Workers}
	return use.Run(ctx, engine.RestoreRequest{
		Backup: backupID, Filters: r.Restore.filters(), Transform: transform.Options{NamespaceMapping: r.Mapping},
	}, r.files)
}

// compareCluster compares every object with what the model makes of it.
func (r *runner) compareCluster(want restored, target *fakecluster.Cluster) string {
	wanted, got := map[string]any{}, map[string]any{}
	for key, each := range want.things {
		wanted[key] = each.after(r.Mapping)
	}
	for _, kind := range kinds {
		err := target.List(r.t.Context(), core.ListRequest{Kind: kind}, func(page core.Page) error {
			for _, object := range page.Objects {
				key := keyOf(kind.Name, object.Namespace, object.Name)
				content := map[string]any{}
				if err := json.Unmarshal(object.JSON, &content); err != nil {
					return err
				}
				r.strip(target, object, content, want.things[key].isNew)
				got[key] = content
			}
			return nil
		})
		if err != nil {
			return "listing: " + err.Error()
		}
	}
	// Through JSON and back, so that numbers are of one type.
	text, err := json.Marshal(wanted)
	if err != nil {
		return err.Error()
	}
	wanted = map[string]any{}
	if err := json.Unmarshal(text, &wanted); err != nil {
		return err.Error()
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		return "the cluster after the restore (-model +product):\n" + diff
	}
	return ""
}

// strip takes out what a cluster gives, and writes for the UID of each owner of a new object whether it is living.
func (r *runner) strip(in *fakecluster.Cluster, object core.Object, content map[string]any, isNew bool) { //nolint:revive // It says what the object is.
	for _, field := range []string{"apiVersion", "kind"} {
		delete(content, field)
	}
	metadata := content["metadata"].(map[string]any)
	for _, field := range []string{"name", "namespace", "uid"} {
		delete(metadata, field)
	}
	if annotations, _ := metadata["annotations"].(map[string]any); len(annotations) == 0 {
		delete(metadata, "annotations") // An empty map says nothing.
	}
	references, _ := metadata["ownerReferences"].([]any)
	for i, each := range object.Owners {
		reference := references[i].(map[string]any)
		reference["uid"] = "any"
		if !isNew {
			continue
		}
		namespace := object.Namespace
		if !kinds[each.Kind].Namespaced {
			namespace = ""
		}
		reference["uid"] = "dead"
		if found, err := in.Get(r.t.Context(), kinds[each.Kind], namespace, each.Name); err == nil && found.UID == each.UID {
			reference["uid"] = "living"
		}
	}
}
