package restore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

var errKilled = errors.New("killed")

// attemptRestore tries to restore backup one under an attempt's id.
func attemptRestore(w *world.World, attempt string, to *fakecluster.Cluster) (restore.Result, error) {
	w.T.Helper()
	return attemptWish(w, to, restore.Request{Attempt: attempt})
}

// attemptWish tries to restore backup one with more to the wish.
func attemptWish(w *world.World, to *fakecluster.Cluster, wish restore.Request) (restore.Result, error) {
	w.T.Helper()
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 1, Patience: world.Patience}
	wish.Backup, wish.ID, wish.Confirm = world.ID("one"), world.RestoreID, func(context.Context) error { return nil }
	return use.Run(w.T.Context(), wish, w.Files)
}

// TestRestoreResumes ends a restore before and after each of its writes, and goes on: everything is there once, and the counts are
// those of a restore that nothing had ended.
func TestRestoreResumes(t *testing.T) {
	w := world.New(t)
	w.Shop()
	w.Cluster.Put(t, world.Accounts, "shop", "default", `{"metadata":{"labels":{"a":"b"}}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	newTarget := func() *fakecluster.Cluster {
		to := fakecluster.New(world.AllKinds()...)
		// As a cluster does, it makes an account in every new namespace.
		to.Intercept = func(call fakecluster.Call) error {
			if call.Verb == "create" && call.Key.Namespace == "shop" {
				if _, there := to.Contents()["serviceaccounts shop/default"]; !there {
					to.Put(t, world.Accounts, "shop", "default", `{}`)
				}
			}
			return nil
		}
		to.Put(t, world.Namespaces, "", "other", `{}`)
		return to
	}
	undisturbed := newTarget()
	want, err := attemptRestore(w, "whole", undisturbed)
	if err != nil || want.Counts.Created != 7 || want.Counts.Updated != 1 || want.Counts.Existing != 0 {
		t.Fatalf("got %+v %v", want, err)
	}
	writes := len(undisturbed.Calls("create")) + len(undisturbed.Calls("replace"))
	for number := range 2 * writes {
		number, resumed := number/2, number%2 == 1 // It goes on without having been told that it does, too.
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d-%t-%t", number, after, resumed), func(t *testing.T) {
				to := newTarget()
				inner, seen, replaced, dead := to.Intercept, 0, 0, false
				to.Intercept = func(call fakecluster.Call) error {
					if err := inner(call); err != nil || call.Verb != "create" && call.Verb != "replace" && !dead {
						return err
					}
					seen++
					if after {
						dead = dead || seen == number+2
					} else {
						dead = dead || seen == number+1
					}
					if dead {
						return errKilled
					}
					if call.Verb == "replace" {
						replaced++
					}
					return nil
				}
				if _, err := attemptRestore(w, fmt.Sprintf("killed%d%t%t", number, after, resumed), to); err != nil {
					t.Fatal(err)
				}
				to.Intercept = func(call fakecluster.Call) error {
					if call.Verb == "replace" {
						replaced++
					}
					return inner(call)
				}
				got, err := attemptWish(w, to, restore.Request{
					Attempt: fmt.Sprintf("next%d%t%t", number, after, resumed), Resumed: resumed,
				})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want.Counts, got.Counts); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(undisturbed.Contents(), to.Contents()); diff != "" {
					t.Error(diff)
				}
				if replaced != 1 {
					t.Errorf("written over %d times", replaced)
				}
			})
		}
	}
}

// TestRestoreResumesInNamespacesOfItsOwn: a namespace that an earlier attempt made, as nobody else would, is still this
// restore's own: the account that the cluster made in it is written over, and the namespace is warned of.
func TestRestoreResumesInNamespacesOfItsOwn(t *testing.T) {
	w := world.New(t)
	w.Shop()
	w.Cluster.Put(t, world.Accounts, "shop", "default", `{"metadata":{"labels":{"a":"b"}}}`)
	if _, err := w.Backup("one", selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "Namespace"}}}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	to.Accounts = true
	to.Intercept = func(call fakecluster.Call) error {
		if call.Verb == "create" && call.Key.Resource != "namespaces" {
			return errKilled
		}
		return nil
	}
	if first, err := attemptRestore(w, "first", to); err != nil || first.Counts.Created != 0 {
		t.Fatalf("got %+v %v", first.Counts, err)
	}
	to.Intercept = nil
	got, err := attemptRestore(w, "second", to)
	if err != nil || got.Counts.Updated != 1 || got.Counts.Existing != 0 || got.WarningsTotal != 1 {
		t.Errorf("got %+v %v", got, err)
	}
	if content := to.Contents()["serviceaccounts shop/default"]; !strings.Contains(content, `"a":"b"`) {
		t.Error(content)
	}
}

// TestBareResumes: an object without any field, of which the API server keeps no account, is an earlier attempt's where it is not
// older than the Restore; one that is older, or that the restore would fill, is somebody else's.
func TestBareResumes(t *testing.T) {
	w := world.New(t)
	w.Shop()
	w.Cluster.Put(t, world.ConfigMaps, "shop", "bare", `{}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason  string
		before  string // the object of somebody else that is there before the Restore
		between string // the one that is made between the attempts
		resumed bool
		want    int64 // how many are in the way
	}{
		"Resumed": {"the earlier attempt made it", "", "", true, 0},
		"Unknown": {"without an earlier attempt it is another's", "", "", false, 1},
		"Older":   {"it was there before", "bare", "", true, 1},
		"Filled":  {"this restore would have filled it", "", "settings-0", true, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			to := fakecluster.New(world.AllKinds()...)
			if tc.before != "" {
				to.Put(t, world.ConfigMaps, "shop", tc.before, `{}`)
			}
			request := restore.Request{
				Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first" + name, Began: to.Now(), Existing: restoreplan.Skip,
				Filters: selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "ConfigMap", Name: "settings-0"}}},
			}
			use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 1}
			if _, err := use.Run(t.Context(), request, w.Files); err != nil {
				t.Fatal(err)
			}
			if tc.between != "" {
				to.Put(t, world.ConfigMaps, "shop", tc.between, `{}`)
			}
			request.Attempt, request.Resumed, request.Existing = "second"+name, tc.resumed, restoreplan.Fail
			request.Filters = selection.Filters{}
			result, err := use.Run(t.Context(), request, w.Files)
			exists := new(restore.ExistsError)
			if errors.As(err, &exists) && exists.Total != tc.want || tc.want > 0 && exists.Total == 0 || tc.want == 0 && err != nil {
				t.Errorf("%s: %v, %+v", tc.reason, err, result.Failed)
			}
			if tc.want == 0 && (result.Counts.Created != 8 || result.Counts.Existing != 0) {
				t.Errorf("%s: got %+v", tc.reason, result.Counts)
			}
		})
	}
}

// TestForeignIsExisting: what another restore, or anybody else, made is not this one's.
func TestForeignIsExisting(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	if _, err := attemptRestore(w, "first", to); err != nil {
		t.Fatal(err)
	}
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 1}
	other := world.RestoreID
	other.UID = "uid-of-another"
	result, err := use.Run(t.Context(), restore.Request{
		Backup: world.ID("one"), ID: other, Attempt: "second", Confirm: func(context.Context) error { return nil },
	}, w.Files)
	if err != nil || result.Counts.Created != 0 || result.Counts.Existing != 7 {
		t.Errorf("got %+v %v", result.Counts, err)
	}
	living, err := to.Living(t.Context(), world.ConfigMaps, "shop", "settings-0")
	if err != nil || !living.WrittenBy(restoreplan.Manager(world.RestoreID.UID)) || living.WrittenBy(restoreplan.Manager(other.UID)) {
		t.Errorf("written by %+v, %v", living.Managers, err)
	}
}

// TestRestoreReport: the report says of each object what became of it, and why what is missing is.
func TestRestoreReport(t *testing.T) {
	w := world.New(t)
	w.Shop()
	w.Cluster.Put(t, world.Deployments, "shop", "web", `{"metadata":{"finalizers":["a/b"],"deletionGracePeriodSeconds":3},"status":{"x":1}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	to.Put(t, world.Namespaces, "", "shop", `{}`)
	to.Put(t, world.ConfigMaps, "shop", "settings-0", `{}`)
	to.Intercept = func(call fakecluster.Call) error {
		if call.Verb == "create" && call.Key.Name == "settings-1" {
			return world.ErrRefused
		}
		return nil
	}
	result, err := attemptRestore(w, "first", to)
	if err != nil || result.Report != "clusters/99/restores/back/uid-of-back/report-first.jsonl.zst" {
		t.Fatalf("the report is %q: %v", result.Report, err)
	}
	got := map[string]string{}
	for entry, err := range archive.ReadReport(bytes.NewReader(w.Content(result.Report))) {
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Object.Name] += strings.Join([]string{string(entry.Level), entry.Action, entry.Reason, entry.Message}, "|") + "\n"
	}
	want := map[string]string{
		"shop":       "info|Existing||an object of that name is there already\n",
		"settings-0": "info|Existing||an object of that name is there already\n",
		"settings-1": "error|Missing|ObjectRefused|refused\n",
		"settings-2": "info|Created||\n", "settings-3": "info|Created||\n", "settings-4": "info|Created||\n",
		"password": "info|Created||\n",
		"web":      "info|Changed||metadata.deletionGracePeriodSeconds: the old object was being deleted, the new one is not\ninfo|Created||\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestReportCannotBeWritten: a place that takes no files costs the report alone.
func TestReportCannotBeWritten(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	w.Driver.Before = func(_ int, _, name string) error {
		if strings.Contains(name, "/restores/") {
			return world.ErrRefused
		}
		return nil
	}
	result, err := attemptRestore(w, "first", fakecluster.New(world.AllKinds()...))
	if err != nil || result.Report != "" || result.Counts.Created != 7 || result.WarningsTotal != 1 ||
		!strings.Contains(result.Warnings[0], "report could not be written") {
		t.Errorf("got %+v %v", result, err)
	}
}

// TestNotWanted: a restore that is not wanted any more writes nothing from then on, and its report tells.
func TestNotWanted(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 1}
	asked := 0
	result, err := use.Run(t.Context(), restore.Request{
		Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", Confirm: func(context.Context) error {
			asked++
			if asked > 1 {
				return world.ErrRefused
			}
			return nil
		},
	}, w.Files)
	if !errors.Is(err, world.ErrRefused) || result.Counts.Created != 1 || len(to.Contents()) != 1 || !w.Has(result.Report) {
		t.Errorf("got %+v %v, %d objects", result, err, len(to.Contents()))
	}
}

// TestSweepRestores: the files of restores that are gone go, and no others.
func TestSweepRestores(t *testing.T) {
	w := world.New(t)
	living, gone := world.RestoreID, archive.RestoreID{ClusterID: "99", Name: "gone", UID: "u"}
	other := archive.RestoreID{ClusterID: "98", Name: "gone", UID: "u"}
	stay := []string{living.ReportName("a"), other.ReportName("a"), gone.Folder() + "notes.txt"}
	for _, name := range append([]string{gone.ReportName("a"), gone.ReportName("b"), gone.PlanName("b")}, stay...) {
		w.Put(name, "x")
	}
	if err := removal.SweepRestores(t.Context(), w.Files, "99", map[archive.RestoreID]bool{gone: true, other: true}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(stay)
	if diff := cmp.Diff(stay, w.AllNames()); diff != "" {
		t.Error(diff)
	}
}

// patient notes how long the files of a restore may take.
type patient struct {
	restore.Files

	until time.Time
}

// Create notes the deadline.
func (p *patient) Create(ctx context.Context, name string) (core.FileWriter, error) {
	p.until, _ = ctx.Deadline()
	return p.Files.Create(ctx, name)
}

// TestReportHasTime: a slow store has time for the report, which is as large as the restore.
func TestReportHasTime(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to, files := fakecluster.New(world.AllKinds()...), &patient{Files: w.Files}
	before := clock.RealClock{}.Now()
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 1}
	if _, err := use.Run(t.Context(), restore.Request{Backup: world.ID("one"), ID: world.RestoreID, Attempt: "one"}, files); err != nil {
		t.Fatal(err)
	}
	if given := files.until.Sub(before); given < time.Minute {
		t.Errorf("the report had %v", given)
	}
}
