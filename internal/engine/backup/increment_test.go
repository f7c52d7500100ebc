package backup_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// definitions is a kind whose objects define others, and gadgets one that is defined so.
var (
	definitions = fakecluster.Kind("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false)
	gadgets     = core.Kind{Group: "example.com", Version: "v1", Name: "Gadget", Resource: "gadgets", Namespaced: true, Custom: true}
)

// series makes one backup after the other; each may build on those before.
type series struct {
	*world.World

	made    []increment.Candidate
	server  string
	filters selection.Filters
	earlier []string // the attempts on which the next one goes on
	change  func(request *backup.Request)
}

func newSeries(t *testing.T) *series {
	t.Helper()
	w := world.New(t)
	w.Cluster = fakecluster.New(append(world.AllKinds(), definitions, gadgets)...)
	w.Cluster.Put(t, definitions, "", "gadgets.example.com", `{"metadata":{"generation":1}}`)
	w.Shop()
	w.Cluster.Put(t, world.Deployments, "shop", "web", needy)
	w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"volumeName":"pv-1"},"status":{"phase":"Pending"}}`)
	w.Cluster.Put(t, gadgets, "shop", "small", `{"spec":{"size":1}}`)
	return &series{World: w, server: "v1.36.0"}
}

// try makes a backup in a mode.
func (s *series) try(name string, mode increment.Mode) (backup.Result, error) {
	s.T.Helper()
	return s.tryIn(s.T.Context(), name, mode)
}

func (s *series) tryIn(ctx context.Context, name string, mode increment.Mode) (backup.Result, error) {
	s.T.Helper()
	runner := &backup.Runner{
		Cluster: s.Cluster, Clock: s.Clock, Listers: s.Workers, Packers: s.Workers, Writer: "test", CheckpointEvery: -1,
	}
	request := backup.Request{
		ID: world.ID(name), Attempt: "attempt" + name, Earlier: s.earlier, LocationID: "location", ServerVersion: s.server,
		Object: json.RawMessage(`{}`), Filters: s.filters, Confirm: func(context.Context) error { return nil },
		Increment: backup.Increment{
			Wish: increment.Wish{Mode: mode}, Candidates: s.made, Owned: func(context.Context) (bool, error) { return true, nil },
		},
	}
	if s.change != nil {
		s.change(&request)
	}
	return runner.Run(ctx, request, s.Files)
}

// backup makes a backup that must be Completed, and may be a base from then on.
func (s *series) backup(name string, mode increment.Mode) backup.Result {
	s.T.Helper()
	result, err := s.try(name, mode)
	if err != nil || !result.Manifest.Complete {
		s.T.Fatalf("backup %s: %+v, %v", name, result.Missing, err)
	}
	s.made = append(s.made, increment.Candidate{
		ID: world.ID(name), Mode: result.Choice.Mode, Attempt: result.Manifest.Attempt,
		Started: time.Unix(int64(len(s.made)), 0), Alike: true,
	})
	return result
}

// remove removes a file past all faults.
func (s *series) remove(name string) {
	s.T.Helper()
	if err := s.Plain().Remove(s.T.Context(), name); err != nil {
		s.T.Fatal(err)
	}
}

// stored is what a backup has of an object.
type stored struct {
	Version string
	Reason  core.Reason
	Labels  map[string]string
	JSON    string
}

// contents returns everything that a backup has, read by its manifest alone.
func (s *series) contents(name string) map[string]stored {
	s.T.Helper()
	manifest, err := engine.ReadManifest(s.T.Context(), s.Plain(), world.ID(name))
	if err != nil {
		s.T.Fatal(err)
	}
	reader := engine.PlainContents(s.Plain())
	var records []archive.Record
	if err := reader.EachRecord(s.T.Context(), manifest.Index, func(record archive.Record) error {
		records = append(records, record)
		return nil
	}); err != nil {
		s.T.Fatal(err)
	}
	found := map[string]stored{}
	err = reader.Objects(s.T.Context(), &manifest, records, func(record archive.Record, content []byte) error {
		found[record.Key().String()] = stored{record.ResourceVersion, record.Reason, record.Labels, string(content)}
		return nil
	})
	if err != nil {
		s.T.Fatal(err)
	}
	return found
}

// check compares a backup with a full one of the same moment.
func (s *series) check(name string) {
	s.T.Helper()
	result, err := s.try("full"+name, increment.Full)
	if err != nil || !result.Manifest.Increment.IsZero() {
		s.T.Fatalf("a full backup: %+v, %v", result.Manifest.Increment, err)
	}
	if diff := cmp.Diff(s.contents("full"+name), s.contents(name)); diff != "" {
		s.T.Fatalf("backup %s is not what a full one is (-full +it):\n%s", name, diff)
	}
}

func reads(w *world.World) int {
	return len(w.Cluster.Calls("get")) + len(w.Cluster.Calls("list")) + len(w.Cluster.Calls("whole page"))
}

func TestIncrementReadsAndWritesWhatChanged(t *testing.T) {
	t.Parallel()
	s := newSeries(t)
	s.Cluster.PageSize = 100
	for i := range 60 {
		s.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("many-%03d", i), `{"data":{"key":"value"}}`)
	}
	full := s.backup("one", increment.Incremental)
	if full.Choice.Mode != increment.Full || full.Choice.Reason != increment.NoBase {
		t.Errorf("the first one: %+v", full.Choice)
	}
	s.Cluster.Change(t, world.ConfigMaps, "shop", "many-007", `{"data":{"key":"other"}}`)
	s.Cluster.Put(t, world.ConfigMaps, "shop", "new", `{"data":{}}`)
	s.Cluster.Remove(world.ConfigMaps, "shop", "many-013")
	s.Cluster.Put(t, world.Secrets, "shop", "password", `{"data":{"key":"dmFsdWU="}}`) // another one of the same name
	s.Cluster.Change(t, world.ConfigMaps, "shop", "many-030", `{"data":{"key":"other"}}`)
	s.Cluster.Change(t, world.ConfigMaps, "shop", "many-030", `{"data":{"key":"value"}}`)
	before := reads(s.World)
	made := s.backup("two", increment.Incremental)
	got := made.Manifest.Increment
	all := made.Manifest.Counts.Objects
	want := archive.Increment{
		Mode: "Incremental", Base: world.ID("one"), Unchanged: all - 4, Read: 4, Written: 3, WrittenBytes: got.WrittenBytes,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// One list for the definitions, three objects one by one, and the only Secret in a page of its own.
	if now := reads(s.World) - before; now != 5 {
		t.Errorf("%d reads of contents: %v, %v", now, s.Cluster.Calls("get"), s.Cluster.Calls("list"))
	}
	if got.WrittenBytes == 0 || got.WrittenBytes >= full.Manifest.Sizes.Segments {
		t.Errorf("%d bytes written, %d by the full one", got.WrittenBytes, full.Manifest.Sizes.Segments)
	}
	s.check("two")
	again := s.backup("three", increment.Incremental)
	if got := again.Manifest.Increment; got.Read != 0 || got.Written != 0 || got.WrittenBytes != 0 || got.Base != world.ID("two") {
		t.Errorf("nothing has changed: %+v", got)
	}
	s.check("three")
	differential := s.backup("four", increment.Differential)
	if got := differential.Manifest.Increment; got.Read != 4 || got.Written != 3 || got.Base != world.ID("one") || got.Mode != "Differential" {
		t.Errorf("since the full one: %+v", got)
	}
	s.check("four")
}

func TestIncrementIsRestored(t *testing.T) {
	t.Parallel()
	s := newSeries(t)
	s.backup("one", increment.Full)
	s.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	s.Cluster.Remove(world.ConfigMaps, "shop", "settings-2")
	s.backup("two", increment.Incremental)
	s.Cluster.Put(t, world.Accounts, "shop", "late", `{}`)
	s.backup("three", increment.Incremental)
	to := fakecluster.New(append(world.AllKinds(), definitions, gadgets)...)
	result, err := s.Restore("three", to)
	if err != nil || result.FailedTotal > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if got, want := len(to.Contents()), len(s.Cluster.Contents()); got != want {
		t.Errorf("%d objects restored, of %d", got, want)
	}
	if content := to.Contents()["configmaps shop/settings-1"]; !strings.Contains(content, "other") {
		t.Errorf("restored %s", content)
	}
	if content, there := to.Contents()["configmaps shop/settings-2"]; there {
		t.Errorf("a deleted object came back: %s", content)
	}
}

// TestIncrementReadsWhereNothingIsProved goes through what makes a pair of UID and resourceVersion worth nothing.
func TestIncrementReadsWhereNothingIsProved(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(s *series)
		// full is why the run is full, read how many objects are read where it is not; all where it is less than zero.
		full increment.Reason
		read int64
	}{
		"Nothing": {func(*series) {}, "", 0},
		"Server":  {func(s *series) { s.server = "v1.37.0" }, "", -1},
		"Definition": {func(s *series) {
			s.Cluster.Change(s.T, definitions, "", "gadgets.example.com", `{"metadata":{"generation":2}}`)
		}, "", 2},
		"Version": {func(s *series) {
			served := gadgets
			served.Version = "v2"
			s.Cluster.Serve(served)
			s.Cluster.Change(s.T, gadgets, "shop", "small", `{"apiVersion":"example.com/v2"}`)
		}, "", 1},
		"WentBack": {func(s *series) { s.Cluster.SetBack(3) }, "", -1},
		"NotOwner": {func(s *series) {
			s.change = func(request *backup.Request) {
				request.Increment.Owned = func(context.Context) (bool, error) { return false, nil }
			}
		}, increment.OwnerChanged, -1},
		"Gone":      {func(s *series) { s.remove(world.ID("one").ManifestName()) }, increment.BaseGone, -1},
		"Damaged":   {func(s *series) { s.Put(world.ID("one").ManifestName(), "{}\n") }, increment.BaseUnreadable, -1},
		"Index":     {func(s *series) { s.Put(world.ID("one").IndexName(), "x") }, increment.BaseUnreadable, -1},
		"Adopted":   {func(s *series) { s.made[0].Attempt = "other" }, increment.BaseAdopted, -1},
		"Elsewhere": {func(s *series) { s.change = func(r *backup.Request) { r.LocationID = "other" } }, increment.BaseGone, -1},
		"Unlistable": {func(s *series) {
			s.Driver.Unlisted = true
			s.Files = store.New(s.Driver, store.Options{Attempts: 1})
		}, increment.Unlistable, -1},
		"Segment": {func(s *series) {
			name := archive.SegmentID{ClusterID: world.ClusterID, Attempt: "attemptone", Number: 1}.Name()
			s.remove(name)
		}, increment.BaseUnreadable, -1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSeries(t)
			first := s.backup("one", increment.Full)
			tc.change(s)
			made := s.backup("two", increment.Incremental)
			if made.Choice.Reason != tc.full {
				t.Fatalf("full because of %q, %s; want %q", made.Choice.Reason, made.Choice.Message, tc.full)
			}
			want := tc.read
			if want < 0 {
				want = made.Manifest.Counts.Objects
			}
			if got := made.Manifest.Increment; tc.full == "" && got.Read != want {
				t.Errorf("%d objects read, want %d", got.Read, want)
			}
			if got := made.Manifest.Increment; tc.full == "" && got.Written > 1 {
				t.Errorf("%d objects written again", got.Written)
			}
			if tc.full != "" && made.Manifest.Sizes.Segments < first.Manifest.Sizes.Segments/2 {
				t.Errorf("a full backup has %d bytes of segments", made.Manifest.Sizes.Segments)
			}
			s.change = nil
			s.check("two")
		})
	}
}

// TestIncrementWithOtherFilters builds backups of some objects on one of all, and the other way round.
func TestIncrementWithOtherFilters(t *testing.T) {
	t.Parallel()
	s := newSeries(t)
	s.backup("all", increment.Full)
	for i, filters := range []selection.Filters{
		{IncludeNamespaces: []string{"shop"}, IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}}},
		{ExcludeResources: []selection.ResourceFilter{{Kind: "Secret"}}},
		{IncludeNamespaces: []string{"shop"}},
		{},
	} {
		s.filters = filters
		name := fmt.Sprintf("some%d", i)
		made := s.backup(name, increment.Incremental)
		if made.Choice.Mode != increment.Incremental {
			t.Errorf("%s: %+v", name, made.Choice)
		}
		s.check(name)
	}
}
