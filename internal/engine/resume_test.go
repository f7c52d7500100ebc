package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// attempts are the names of attempts at one backup, in order.
var attempts = []string{"first", "second", "third", "fourth", "fifth"}

// try is the attempt of that number, with a checkpoint after every kind.
func (w *world) try(ctx context.Context, number int, filters selection.Filters) (engine.BackupResult, error) {
	w.t.Helper()
	confirm := w.confirm
	if confirm == nil {
		confirm = func(context.Context) error { return nil }
	}
	use := &engine.Backup{Cluster: w.cluster, Clock: w.clock, Listers: w.workers, Packers: w.workers, Writer: "test"}
	return use.Run(ctx, engine.BackupRequest{
		ID: id("one"), Attempt: attempts[number], Earlier: slices.Clone(attempts[:number]),
		LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
		Filters: filters, VolumeData: true, Confirm: confirm, GiveUp: w.giveUp,
	}, w.files)
}

// moment is when a process is killed: before or after a call.
type moment string

const (
	before moment = "before"
	after  moment = "after"
)

// killed is the attempt of that number, whose process is killed before or after its n-th call to the store, counted from
// 0. It returns false where the attempt was over before.
func (w *world) killed(number, n int, at moment, filters selection.Filters) bool {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	dead := false
	kill := func(call int, _, _ string) error {
		w.driver.mu.Lock()
		defer w.driver.mu.Unlock()
		if call >= n {
			dead = true
			cancel()
		}
		if dead {
			return errRefused
		}
		return nil
	}
	w.driver.recorded()
	if at == after {
		w.driver.after = kill
		w.driver.before = func(int, string, string) error {
			w.driver.mu.Lock()
			defer w.driver.mu.Unlock()
			if dead {
				return errRefused
			}
			return nil
		}
	} else {
		w.driver.before = kill
	}
	_, err := w.try(ctx, number, filters)
	w.driver.before, w.driver.after = nil, nil
	if !dead && err != nil {
		w.t.Fatalf("attempt %d, over before call %d: %v", number, n, err)
	}
	return dead
}

// backupInParts makes backup one in two attempts, so that it has several segments. The first one is killed after its first
// checkpoint.
func (w *world) backupInParts() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	checkpoints := 0
	w.driver.before = func(_ int, _, name string) error {
		w.driver.mu.Lock()
		defer w.driver.mu.Unlock()
		if strings.Contains(name, "/checkpoint-") {
			checkpoints++
		}
		if checkpoints < 2 { //nolint:mnd // The second one is not written.
			return nil
		}
		cancel()
		return errRefused
	}
	if _, err := w.try(ctx, 0, selection.Filters{}); err == nil {
		w.t.Fatal("the first attempt was not killed")
	}
	w.driver.before = nil
	if _, err := w.try(w.t.Context(), 1, selection.Filters{}); err != nil {
		w.t.Fatal(err)
	}
}

// records returns the index of backup one.
func (w *world) records() []archive.Record {
	w.t.Helper()
	manifest, err := engine.ReadManifest(w.t.Context(), w.plain(), id("one"))
	if err != nil {
		w.t.Fatal(err)
	}
	var records []archive.Record
	for record, err := range archive.ReadIndex(bytes.NewReader(w.content(manifest.Index.Name))) {
		if err != nil {
			w.t.Fatal(err)
		}
		records = append(records, record)
	}
	return records
}

// debris returns the files that no manifest leads to.
func (w *world) debris() []string {
	w.t.Helper()
	manifest, err := engine.ReadManifest(w.t.Context(), w.plain(), id("one"))
	if err != nil {
		w.t.Fatalf("reading the manifest: %v", err)
	}
	intent := id("one").IntentName()
	if manifest.Index.Name != id("one").IndexName() {
		intent = id("one").IntentNameOf(manifest.Attempt)
	}
	known := []string{id("one").ManifestName(), intent}
	for _, file := range manifest.Files() {
		known = append(known, file.Name)
	}
	return slices.DeleteFunc(w.names(), func(name string) bool { return slices.Contains(known, name) })
}

// bigShop is a world in which a resume can go wrong in several ways.
func (w *world) bigShop() {
	w.t.Helper()
	w.shop()
	w.cluster.Put(w.t, deployments, "shop", "web", needy)
	w.cluster.Put(w.t, claims, "shop", "data", `{"spec":{"volumeName":"pv-1"},"status":{"phase":"Bound"}}`)
	w.cluster.Put(w.t, accounts, "shop", "default", `{}`)
	w.cluster.Put(w.t, accounts, "shop", "going", `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
	w.cluster.Put(w.t, widgets, "shop", "small", `{}`)
	w.cluster.Put(w.t, namespaces, "", "empty", `{}`)
}

// leaveTransient removes what a restore brings back in another form, or not at all.
func (w *world) leaveTransient() {
	w.cluster.Remove(accounts, "shop", "going")
	w.cluster.Remove(claims, "shop", "data")
}

// TestResume kills attempts at each call to the store. The last one goes on with what the others copied, and what it makes
// is what an undisturbed run makes.
func TestResume(t *testing.T) {
	t.Parallel()
	cases := map[string]selection.Filters{
		"everything": {},
		"needed": {
			IncludeNamespaces: []string{"shop"}, IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}, {Kind: "PersistentVolumeClaim"}},
		},
		"excluded": {ExcludeResources: []selection.ResourceFilter{{Kind: "Secret"}}},
	}
	for name, filters := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testResume(t, filters, 1, false)
		})
	}
	t.Run("again and again", func(t *testing.T) {
		t.Parallel()
		testResume(t, cases["needed"], 3, false)
	})
	t.Run("again and again, unlisted", func(t *testing.T) {
		t.Parallel()
		testResume(t, cases["needed"], 3, true)
	})
}

func testResume(t *testing.T, filters selection.Filters, kills int, unlisted bool) {
	t.Helper()
	undisturbed := newWorld(t)
	undisturbed.bigShop()
	want, err := undisturbed.try(t.Context(), 0, filters)
	if err != nil {
		t.Fatal(err)
	}
	wantContents, fewest := undisturbed.restoredIncomplete(), len(undisturbed.cluster.Calls("list"))
	all := fewest
	points, stride := 0, 2*kills-1
	for n := 0; ; n += stride {
		over := false
		for _, at := range []moment{before, after} {
			w := newWorld(t)
			w.workers, w.driver.unlisted = 1, unlisted
			w.bigShop()
			number := 0
			for ; number < kills; number++ {
				if !w.killed(number, n, at, filters) {
					over = over || number == 0
					number++
					break
				}
				points++
			}
			if over {
				continue
			}
			listed := len(w.cluster.Calls("list"))
			got, err := w.try(t.Context(), number, filters)
			if err != nil {
				t.Fatalf("%s call %d: %v", at, n, err)
			}
			fewest = min(fewest, len(w.cluster.Calls("list"))-listed)
			if got.Unswept != "" {
				t.Errorf("%s call %d: %s", at, n, got.Unswept)
			}
			if debris := w.debris(); len(debris) > 0 {
				t.Fatalf("%s call %d: debris %v", at, n, debris)
			}
			if diff := cmp.Diff(wantContents, w.restoredIncomplete()); diff != "" {
				t.Fatalf("%s call %d: %s", at, n, diff)
			}
			type told struct {
				Counts   archive.Counts
				Objects  int64
				Missing  []archive.Missing
				Warnings int64
			}
			tell := func(m archive.Manifest) told { return told{m.Counts, m.Sizes.Objects, m.Missing, m.Warnings} }
			if diff := cmp.Diff(tell(want.Manifest), tell(got.Manifest)); diff != "" {
				t.Fatalf("%s call %d: %s", at, n, diff)
			}
			if err := engine.Delete(t.Context(), w.plain(), id("one"), attempts[number]); err != nil {
				t.Fatal(err)
			}
			if left := w.names(); len(left) > 0 {
				t.Fatalf("%s call %d: left after deletion: %v", at, n, left)
			}
		}
		if over {
			break
		}
	}
	t.Logf("%d kills; the last attempt listed %d to %d kinds", points, fewest, all)
	if fewest > 1 {
		t.Errorf("at best %d of %d lists were read again: nothing is gone on with", fewest, all)
	}
}

// restoredIncomplete is restored for backups from which something is missing.
func (w *world) restoredIncomplete() map[string]string {
	w.t.Helper()
	target := fakecluster.New(allKinds()...)
	use := &engine.Restore{Cluster: target, Clock: w.clock, Creators: 4, Patience: patience}
	result, err := use.Run(w.t.Context(), engine.RestoreRequest{Backup: id("one"), AllowIncomplete: true}, w.files)
	if err != nil || result.FailedTotal > 0 {
		w.t.Fatalf("restoring: %v, failed %+v", err, result.Failed)
	}
	return target.Contents()
}

// TestSleeper: an attempt sleeps after it was told that it is wanted. Meanwhile another one finishes; or it wakes up when
// the other one has been told so too. There is one backup, it is whole, and nothing is left beside it.
func TestSleeper(t *testing.T) {
	for name, firstWins := range map[string]bool{"second wins": false, "first wins": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.bigShop()
			w.leaveTransient()
			var second engine.BackupResult
			var secondErr error
			firstDone, secondDone, secondConfirmed := make(chan struct{}), make(chan struct{}), make(chan struct{})
			w.confirm = func(context.Context) error { // the first one's
				w.confirm = func(context.Context) error { // the second one's
					close(secondConfirmed)
					if firstWins {
						<-firstDone
					}
					return nil
				}
				go func() { //nolint:contextcheck // It is another process.
					defer close(secondDone)
					second, secondErr = w.try(t.Context(), 1, selection.Filters{})
				}()
				<-secondConfirmed
				if !firstWins {
					<-secondDone
				}
				return nil
			}
			first, err := w.try(t.Context(), 0, selection.Filters{})
			close(firstDone)
			<-secondDone
			if err != nil || secondErr != nil {
				t.Fatalf("first: %v, second: %v", err, secondErr)
			}
			if first.Manifest.Attempt != second.Manifest.Attempt || first.Adopted == firstWins || second.Adopted != firstWins {
				t.Errorf("first has the manifest of %s (adopted %t), second that of %s (adopted %t)",
					first.Manifest.Attempt, first.Adopted, second.Manifest.Attempt, second.Adopted)
			}
			if debris := w.debris(); len(debris) > 0 {
				t.Errorf("debris %v", debris)
			}
			if diff := cmp.Diff(w.cluster.Contents(), w.restoredIncomplete()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLateManifest: a manifest that is not written in the time of its confirmation is confirmed again, and a run that is
// not wanted any more by then writes none.
func TestLateManifest(t *testing.T) {
	w := newWorld(t)
	w.shop()
	confirmed := 0
	use := &engine.Backup{Cluster: w.cluster, Clock: w.clock, Listers: 1, Packers: 1, Writer: "test", ManifestTime: 1}
	_, err := use.Run(t.Context(), engine.BackupRequest{
		ID: id("one"), Attempt: "first", LocationID: "location", Object: json.RawMessage(`{}`),
		Confirm: func(ctx context.Context) error {
			<-ctx.Done() // It sleeps through its time.
			if confirmed++; confirmed == 3 {
				return errRefused
			}
			return nil
		},
	}, w.files)
	if err == nil || confirmed < 2 {
		t.Errorf("after %d confirmations: %v", confirmed, err)
	}
	if left := w.names(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestDamagedCheckpoint: a checkpoint that is not as it was written, or whose segments are not, is not gone on with.
func TestDamagedCheckpoint(t *testing.T) {
	interrupted := func(t *testing.T) *world {
		t.Helper()
		w := newWorld(t)
		w.workers = 1
		w.bigShop()
		w.leaveTransient()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w.confirm = func(context.Context) error {
			cancel()
			return ctx.Err()
		}
		if _, err := w.try(ctx, 0, selection.Filters{}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		w.confirm = nil
		return w
	}
	whole := interrupted(t)
	tested := 0
	for _, name := range whole.names() {
		if _, is := archive.ParseSegmentName(name); !is && !strings.HasPrefix(name, id("one").CheckpointPrefix()) {
			continue
		}
		for damage, content := range map[string]func(content []byte) []byte{
			"gone": func([]byte) []byte { return nil },
			"cut":  func(content []byte) []byte { return content[:len(content)/2] },
		} {
			tested++
			t.Run(name[strings.LastIndex(name, "/")+1:]+" "+damage, func(t *testing.T) {
				w := interrupted(t)
				if damaged := content(w.content(name)); damaged == nil {
					if err := w.plain().Remove(t.Context(), name); err != nil {
						t.Fatal(err)
					}
				} else {
					w.put(name, string(damaged))
				}
				listed := len(w.cluster.Calls("list"))
				if _, err := w.try(t.Context(), 1, selection.Filters{}); err != nil {
					t.Fatal(err)
				}
				if again := len(w.cluster.Calls("list")) - listed; again == 0 {
					t.Error("nothing was listed again")
				}
				if diff := cmp.Diff(w.cluster.Contents(), w.restoredIncomplete()); diff != "" {
					t.Error(diff)
				}
				if debris := w.debris(); len(debris) > 0 {
					t.Errorf("debris %v", debris)
				}
			})
		}
	}
	if tested < 8 {
		t.Errorf("%d damages", tested)
	}
}

// TestResumeAfterChanges: what has changed in the cluster since is taken as a long run would.
func TestResumeAfterChanges(t *testing.T) {
	w := newWorld(t)
	w.workers = 1
	w.bigShop()
	w.leaveTransient()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.confirm = func(context.Context) error {
		cancel()
		return ctx.Err()
	}
	if _, err := w.try(ctx, 0, selection.Filters{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.confirm = nil
	w.cluster.RemoveKind(widgets)
	w.cluster.Put(t, configMaps, "shop", "late", `{}`)
	result, err := w.try(t.Context(), 1, selection.Filters{})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range result.Manifest.Kinds {
		if kind.Kind.Resource == "widgets" {
			t.Error("a kind that is gone is in the backup")
		}
	}
	want := w.cluster.Contents()
	delete(want, (core.Key{Resource: "configmaps", Namespace: "shop", Name: "late"}).String()) // its kind was copied before it came
	if diff := cmp.Diff(want, w.restoredIncomplete()); diff != "" {
		t.Error(diff)
	}
}
