package backup_test

import (
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
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// debris returns the files that no manifest leads to.
func debris(w *world.World) []string {
	w.T.Helper()
	manifest, err := engine.ReadManifest(w.T.Context(), w.Plain(), world.ID("one"))
	if err != nil {
		w.T.Fatalf("reading the manifest: %v", err)
	}
	intent := world.ID("one").IntentName()
	if manifest.Index.Name != world.ID("one").IndexName() {
		intent = world.ID("one").IntentNameOf(manifest.Attempt)
	}
	known := []string{world.ID("one").ManifestName(), intent}
	for _, file := range manifest.Files() {
		known = append(known, file.Name)
	}
	return slices.DeleteFunc(w.Names(), func(name string) bool { return slices.Contains(known, name) })
}

// bigShop is a world in which a resume can go wrong in several ways.
func bigShop(w *world.World) {
	w.T.Helper()
	w.Shop()
	w.Cluster.Put(w.T, world.Deployments, "shop", "web", needy)
	w.Cluster.Put(w.T, world.Claims, "shop", "data", `{"spec":{"volumeName":"pv-1"},"status":{"phase":"Bound"}}`)
	w.Cluster.Put(w.T, world.Accounts, "shop", "default", `{}`)
	w.Cluster.Put(w.T, world.Accounts, "shop", "going", `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
	w.Cluster.Put(w.T, world.Widgets, "shop", "small", `{}`)
	w.Cluster.Put(w.T, world.Namespaces, "", "empty", `{}`)
}

// leaveTransient removes what a restore brings back in another form, or not at all.
func leaveTransient(w *world.World) {
	w.Cluster.Remove(world.Accounts, "shop", "going")
	w.Cluster.Remove(world.Claims, "shop", "data")
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
	undisturbed := world.New(t)
	bigShop(undisturbed)
	want, err := undisturbed.Try(t.Context(), 0, filters)
	if err != nil {
		t.Fatal(err)
	}
	wantContents, fewest := restoredIncomplete(undisturbed), len(undisturbed.Cluster.Calls("list"))
	all := fewest
	points, stride := 0, 2*kills-1
	for n := 0; ; n += stride {
		over := false
		for _, at := range []world.Moment{world.Before, world.After} {
			w := world.New(t)
			w.Workers, w.Driver.Unlisted = 1, unlisted
			bigShop(w)
			number := 0
			for ; number < kills; number++ {
				if !w.Killed(number, n, at, filters) {
					over = over || number == 0
					number++
					break
				}
				points++
			}
			if over {
				continue
			}
			listed := len(w.Cluster.Calls("list"))
			got, err := w.Try(t.Context(), number, filters)
			if err != nil {
				t.Fatalf("%s call %d: %v", at, n, err)
			}
			fewest = min(fewest, len(w.Cluster.Calls("list"))-listed)
			if got.Unswept != "" {
				t.Errorf("%s call %d: %s", at, n, got.Unswept)
			}
			if debris := debris(w); len(debris) > 0 {
				t.Fatalf("%s call %d: debris %v", at, n, debris)
			}
			if diff := cmp.Diff(wantContents, restoredIncomplete(w)); diff != "" {
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
			if err := removal.Delete(t.Context(), w.Plain(), world.ID("one"), world.Attempts[number]); err != nil {
				t.Fatal(err)
			}
			if left := w.Names(); len(left) > 0 {
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
func restoredIncomplete(w *world.World) map[string]string {
	w.T.Helper()
	target := fakecluster.New(world.AllKinds()...)
	use := &restore.Runner{Cluster: target, Clock: w.Clock, Creators: 4, Patience: world.Patience}
	result, err := use.Run(w.T.Context(), restore.Request{Backup: world.ID("one"), AllowIncomplete: true}, w.Files)
	if err != nil || result.FailedTotal > 0 {
		w.T.Fatalf("restoring: %v, failed %+v", err, result.Failed)
	}
	return target.Contents()
}

// TestSleeper: an attempt sleeps after it was told that it is wanted. Meanwhile another one finishes; or it wakes up when
// the other one has been told so too. There is one backup, it is whole, and nothing is left beside it.
func TestSleeper(t *testing.T) {
	for name, firstWins := range map[string]bool{"second wins": false, "first wins": true} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			bigShop(w)
			leaveTransient(w)
			var second backup.Result
			var secondErr error
			firstDone, secondDone, secondConfirmed := make(chan struct{}), make(chan struct{}), make(chan struct{})
			w.Confirm = func(context.Context) error { // the first one's
				w.Confirm = func(context.Context) error { // the second one's
					close(secondConfirmed)
					if firstWins {
						<-firstDone
					}
					return nil
				}
				go func() { //nolint:contextcheck // It is another process.
					defer close(secondDone)
					second, secondErr = w.Try(t.Context(), 1, selection.Filters{})
				}()
				<-secondConfirmed
				if !firstWins {
					<-secondDone
				}
				return nil
			}
			first, err := w.Try(t.Context(), 0, selection.Filters{})
			close(firstDone)
			<-secondDone
			if err != nil || secondErr != nil {
				t.Fatalf("first: %v, second: %v", err, secondErr)
			}
			if first.Manifest.Attempt != second.Manifest.Attempt || first.Adopted == firstWins || second.Adopted != firstWins {
				t.Errorf("first has the manifest of %s (adopted %t), second that of %s (adopted %t)",
					first.Manifest.Attempt, first.Adopted, second.Manifest.Attempt, second.Adopted)
			}
			if debris := debris(w); len(debris) > 0 {
				t.Errorf("debris %v", debris)
			}
			if diff := cmp.Diff(w.Cluster.Contents(), restoredIncomplete(w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLateManifest: a manifest that is not written in the time of its confirmation is confirmed again, and a run that is
// not wanted any more by then writes none.
func TestLateManifest(t *testing.T) {
	w := world.New(t)
	w.Shop()
	confirmed := 0
	use := &backup.Runner{Cluster: w.Cluster, Clock: w.Clock, Listers: 1, Packers: 1, Writer: "test", ManifestTime: 1}
	_, err := use.Run(t.Context(), backup.Request{
		ID: world.ID("one"), Attempt: "first", LocationID: "location", Object: json.RawMessage(`{}`),
		Confirm: func(ctx context.Context) error {
			<-ctx.Done() // It sleeps through its time.
			if confirmed++; confirmed == 3 {
				return world.ErrRefused
			}
			return nil
		},
	}, w.Files)
	if err == nil || confirmed < 2 {
		t.Errorf("after %d confirmations: %v", confirmed, err)
	}
	if left := w.Names(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestDamagedCheckpoint: a checkpoint that is not as it was written, or whose segments are not, is not gone on with.
func TestDamagedCheckpoint(t *testing.T) {
	interrupted := func(t *testing.T) *world.World {
		t.Helper()
		w := world.New(t)
		w.Workers = 1
		bigShop(w)
		leaveTransient(w)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w.Confirm = func(context.Context) error {
			cancel()
			return ctx.Err()
		}
		if _, err := w.Try(ctx, 0, selection.Filters{}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		w.Confirm = nil
		return w
	}
	whole := interrupted(t)
	tested := 0
	for _, name := range whole.Names() {
		if _, is := archive.ParseSegmentName(name); !is && !strings.HasPrefix(name, world.ID("one").CheckpointPrefix()) {
			continue
		}
		for damage, content := range map[string]func(content []byte) []byte{
			"gone": func([]byte) []byte { return nil },
			"cut":  func(content []byte) []byte { return content[:len(content)/2] },
		} {
			tested++
			t.Run(name[strings.LastIndex(name, "/")+1:]+" "+damage, func(t *testing.T) {
				w := interrupted(t)
				if damaged := content(w.Content(name)); damaged == nil {
					if err := w.Plain().Remove(t.Context(), name); err != nil {
						t.Fatal(err)
					}
				} else {
					w.Put(name, string(damaged))
				}
				listed := len(w.Cluster.Calls("list"))
				if _, err := w.Try(t.Context(), 1, selection.Filters{}); err != nil {
					t.Fatal(err)
				}
				if again := len(w.Cluster.Calls("list")) - listed; again == 0 {
					t.Error("nothing was listed again")
				}
				if diff := cmp.Diff(w.Cluster.Contents(), restoredIncomplete(w)); diff != "" {
					t.Error(diff)
				}
				if debris := debris(w); len(debris) > 0 {
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
	w := world.New(t)
	w.Workers = 1
	bigShop(w)
	leaveTransient(w)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.Confirm = func(context.Context) error {
		cancel()
		return ctx.Err()
	}
	if _, err := w.Try(ctx, 0, selection.Filters{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.Confirm = nil
	w.Cluster.RemoveKind(world.Widgets)
	w.Cluster.Put(t, world.ConfigMaps, "shop", "late", `{}`)
	result, err := w.Try(t.Context(), 1, selection.Filters{})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range result.Manifest.Kinds {
		if kind.Kind.Resource == "widgets" {
			t.Error("a kind that is gone is in the backup")
		}
	}
	want := w.Cluster.Contents()
	delete(want, (core.Key{Resource: "configmaps", Namespace: "shop", Name: "late"}).String()) // its kind was copied before it came
	if diff := cmp.Diff(want, restoredIncomplete(w)); diff != "" {
		t.Error(diff)
	}
}
