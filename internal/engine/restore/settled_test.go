package restore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

var jobs = fakecluster.Kind("batch", "Job", "jobs", true)

// killedAt makes every call of a cluster fail from the one on that a test names.
func killedAt(to *fakecluster.Cluster, is func(call fakecluster.Call) bool) {
	dead := false
	to.Intercept = func(call fakecluster.Call) error {
		if dead = dead || is(call); dead {
			return errKilled
		}
		return nil
	}
}

// asked are the questions of one attempt.
type asked struct{ Create, Living, Merge, Replace int }

// askedSince counts the questions to a cluster, less those before.
func askedSince(to *fakecluster.Cluster, before asked) asked {
	return asked{
		Create: len(to.Calls("create")) - before.Create, Living: len(to.Calls("living")) - before.Living,
		Merge: len(to.Calls("merge")) - before.Merge, Replace: len(to.Calls("replace")) - before.Replace,
	}
}

// segmentsRead returns the segments that were read since the last time.
func segmentsRead(w *world.World) map[string]bool {
	found := map[string]bool{}
	for _, call := range w.Driver.Recorded() {
		what, name, _ := strings.Cut(call, " ")
		if (what == "download" || what == "range") && strings.Contains(name, "/segment") {
			found[name] = true
		}
	}
	return found
}

// segmentsWithout returns the segments with objects of backup one that a cluster does not have.
func segmentsWithout(w *world.World, to *fakecluster.Cluster) map[string]bool {
	w.T.Helper()
	found, contents := map[string]bool{}, to.Contents()
	for _, record := range w.Records() {
		if _, there := contents[record.Key().String()]; !there {
			found[record.Frame.Segment] = true
		}
	}
	return found
}

// TestRestoreDoesNotStartOver: after an interruption, nothing is sent for what is there already, and segments with nothing
// but that are not read.
func TestRestoreDoesNotStartOver(t *testing.T) {
	const many = 60
	cases := map[string]struct {
		made int // before the attempt is interrupted
		want asked
	}{
		"nothing is left": {made: 1 + many + 3},
		"one is left":     {made: many + 3, want: asked{Create: 1}},
		"two are left":    {made: many + 2, want: asked{Create: 2}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
			for i := range many {
				w.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("settings-%d", i), `{"data":{"key":"value"}}`)
			}
			for i := range 3 { // They come last.
				w.Cluster.Put(t, world.Deployments, "shop", fmt.Sprintf("web-%d", i), `{"spec":{"replicas":1}}`)
			}
			w.BackupInParts()
			to := fakecluster.New(world.AllKinds()...)
			created := 0
			killedAt(to, func(call fakecluster.Call) bool {
				if call.Verb == "create" {
					created++
				}
				return created > test.made
			})
			if first, err := attemptRestore(w, "first", to); err != nil || int(first.Counts.Created) != test.made {
				t.Fatalf("got %+v %v", first.Counts, err)
			}
			to.Intercept = nil
			left := segmentsWithout(w, to)
			segmentsRead(w)
			before := askedSince(to, asked{})
			got, err := attemptWish(w, to, restore.Request{Attempt: "second", Resumed: true})
			if err != nil || got.Counts.Created != 1+many+3 || got.Counts.Existing != 0 {
				t.Errorf("got %+v %v", got.Counts, err)
			}
			if diff := cmp.Diff(test.want, askedSince(to, before)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(left, segmentsRead(w)); diff != "" {
				t.Errorf("it reads others than needed: %s", diff)
			}
			if diff := cmp.Diff(w.Cluster.Contents(), to.Contents()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSecondStepsAreResumed kills a restore before each of its writes, also those after the creation of an object: what was
// created gets its status, and Jobs that were held are let go, without being created again.
func TestSecondStepsAreResumed(t *testing.T) {
	kinds := append(world.AllKinds(), jobs)
	w := world.New(t)
	w.Cluster = fakecluster.New(kinds...)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	w.Cluster.Put(t, jobs, "shop", "done", `{"spec":{"parallelism":1},"status":{"conditions":[{"type":"Complete","status":"True"}]}}`)
	w.Cluster.Put(t, jobs, "shop", "running", `{"spec":{"parallelism":1},"status":{"active":1}}`)
	w.Cluster.Put(t, world.Widgets, "shop", "bare", `{"status":{"found":"here"}}`)
	w.Cluster.Put(t, world.Widgets, "shop", "filled", `{"spec":{"find":"it"},"status":{"found":"there"}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	wish := func(attempt string, resumed bool) restore.Request {
		return restore.Request{Attempt: attempt, Resumed: resumed, Status: &selection.Filters{
			IncludeResources: []selection.ResourceFilter{{Kind: "Widget"}},
		}}
	}
	undisturbed := fakecluster.New(kinds...)
	if _, err := attemptWish(w, undisturbed, wish("whole", false)); err != nil {
		t.Fatal(err)
	}
	want := undisturbed.Contents()
	if job := want["jobs.batch shop/done"]; !strings.Contains(job, `"suspend":false`) || !strings.Contains(job, "Complete") {
		t.Fatalf("undisturbed, the Job is %s", job)
	}
	writes := len(undisturbed.Calls("create")) + len(undisturbed.Calls("merge"))
	for number := range writes + 1 {
		to := fakecluster.New(kinds...)
		seen := 0
		killedAt(to, func(call fakecluster.Call) bool {
			if call.Verb == "create" || call.Verb == "merge" {
				seen++
			}
			return seen > number
		})
		if _, err := attemptWish(w, to, wish(fmt.Sprintf("killed%d", number), false)); err != nil {
			t.Fatal(err)
		}
		to.Intercept = nil
		left, before := len(want)-len(to.Contents()), askedSince(to, asked{})
		got, err := attemptWish(w, to, wish(fmt.Sprintf("next%d", number), true))
		if err != nil || int(got.Counts.Created) != len(want) || got.FailedTotal != 0 {
			t.Errorf("%d: got %+v %v", number, got, err)
		}
		if diff := cmp.Diff(want, to.Contents()); diff != "" {
			t.Errorf("%d: %s", number, diff)
		}
		if asks := askedSince(to, before); asks.Create != left || asks.Living > 1 {
			t.Errorf("%d: it sends %+v, and %d are left", number, asks, left)
		}
		// Of a Job it cannot be seen from outside whether it was held and let go, and of what is bare not who made it: their
		// last steps are done again.
		if asks := askedSince(to, before); number == writes && asks.Merge != 3 {
			t.Errorf("%d: it writes after the creation %d times", number, asks.Merge)
		}
	}
}

// TestOwnersAreResumed: what is created after an interruption belongs to the owners that were created before it.
func TestOwnersAreResumed(t *testing.T) {
	w := world.New(t)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	w.Cluster.Put(t, world.ConfigMaps, "shop", "owner", `{}`)
	owner, err := w.Cluster.Living(t.Context(), world.ConfigMaps, "shop", "owner")
	if err != nil {
		t.Fatal(err)
	}
	w.Cluster.Put(t, world.Secrets, "shop", "owned", fmt.Sprintf(
		`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":%q}]}}`, owner.UID))
	w.Cluster.Put(t, world.Secrets, "shop", "orphan",
		`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"gone"}]}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	killedAt(to, func(call fakecluster.Call) bool { return call.Verb == "create" && call.Key.Name == "owned" })
	if _, err := attemptRestore(w, "first", to); err != nil {
		t.Fatal(err)
	}
	to.Intercept = nil
	for _, attempt := range []string{"second", "third"} {
		got, err := attemptWish(w, to, restore.Request{Attempt: attempt, Resumed: true})
		if err != nil || got.Counts.Created != 4 {
			t.Fatalf("%s: got %+v %v", attempt, got, err)
		}
		// What was said by an attempt that was interrupted is said again.
		if got.WarningsTotal != 1 || !strings.Contains(got.Warnings[0], "owner ConfigMap gone is dropped") {
			t.Errorf("%s: it warns of %q", attempt, got.Warnings)
		}
	}
	made, err := to.Living(t.Context(), world.ConfigMaps, "shop", "owner")
	if err != nil {
		t.Fatal(err)
	}
	owned, err := to.Living(t.Context(), world.Secrets, "shop", "owned")
	if err != nil || len(owned.Owners) != 1 || owned.Owners[0].UID != made.UID {
		t.Errorf("it belongs to %+v and not to %s: %v", owned.Owners, made.UID, err)
	}
}

// TestTransformsOfResumed: that a transform matched an object is known also where an earlier attempt created that.
func TestTransformsOfResumed(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	wish := restore.Request{Attempt: "first", Transforms: []transformset.Set{{Name: "set", Transforms: []transformset.Transform{
		{Match: transformset.Match{Resources: []selection.ResourceFilter{{Kind: "Secret"}}}, MergePatch: json.RawMessage(`{"data":{"key":"b3RoZXI="}}`)},
	}}}}
	to := fakecluster.New(world.AllKinds()...)
	if got, err := attemptWish(w, to, wish); err != nil || got.WarningsTotal != 0 {
		t.Fatalf("got %+v %v", got, err)
	}
	wish.Attempt, wish.Resumed = "second", true
	before := askedSince(to, asked{})
	if got, err := attemptWish(w, to, wish); err != nil || got.WarningsTotal != 0 || got.Counts.Created != 7 {
		t.Errorf("got %+v %v", got, err)
	}
	if diff := cmp.Diff(asked{}, askedSince(to, before)); diff != "" {
		t.Error(diff)
	}
}

// TestFreshAttemptsAskForNothingMore: only one that was interrupted looks for what is there.
func TestFreshAttemptsAskForNothingMore(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	if _, err := attemptRestore(w, "first", to); err != nil || len(to.Calls("each living")) > 0 {
		t.Errorf("it lists %v: %v", to.Calls("each living"), err)
	}
}

// TestResumedMeetsPeople: what people do between two attempts stays done, but that a deleted object is created again. So it
// is where a kind cannot be listed.
func TestResumedMeetsPeople(t *testing.T) {
	errNoList := errors.New("no list of that")
	for name, listed := range map[string]bool{"listed": true, "not listed": false} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			if _, err := w.Backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(world.AllKinds()...)
			if _, err := attemptRestore(w, "first", to); err != nil {
				t.Fatal(err)
			}
			whole := to.Contents()
			change := core.MergePatch{Kind: world.ConfigMaps, Namespace: "shop", Name: "settings-0", Content: map[string]any{"data": map[string]any{"key": "mine"}}}
			if err := to.Merge(t.Context(), change, "kubectl-edit"); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"settings-1", "settings-2"} {
				living, err := to.Living(t.Context(), world.ConfigMaps, "shop", name)
				if err == nil {
					err = to.Delete(t.Context(), living, false)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			to.Put(t, world.ConfigMaps, "shop", "settings-2", `{"data":{"key":"made anew"}}`)
			want := to.Contents()
			want["configmaps shop/settings-1"] = whole["configmaps shop/settings-1"]
			to.Intercept = func(call fakecluster.Call) error {
				if call.Verb == "each living" && !listed {
					return errNoList
				}
				return nil
			}
			before := askedSince(to, asked{})
			got, err := attemptWish(w, to, restore.Request{Attempt: "second", Resumed: true})
			if err != nil || got.Counts.Created != 6 || got.Counts.Existing != 1 || got.FailedTotal != 0 {
				t.Errorf("got %+v %v", got, err)
			}
			if diff := cmp.Diff(want, to.Contents()); diff != "" {
				t.Error(diff)
			}
			if asks := askedSince(to, before); listed != (asks.Create == 2) || asks.Merge+asks.Replace > 0 {
				t.Errorf("it sends %+v", asks)
			}
		})
	}
}
