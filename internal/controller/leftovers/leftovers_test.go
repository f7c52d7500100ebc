package leftovers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/leftovers"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/leftover"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

const (
	grace = time.Hour
	home  = "location"
)

// volumes has traces, and writes down what is done with them.
type volumes struct {
	traces []leftover.Trace
	done   []string
}

func (v *volumes) Leftovers(_ context.Context, known func(uid string) bool) ([]leftover.Trace, error) {
	return slices.DeleteFunc(slices.Clone(v.traces), func(trace leftover.Trace) bool { return known(trace.UID) }), nil
}

func (v *volumes) note(what string, run volumework.Run) error {
	v.done = append(v.done, what+" "+run.UID)
	return nil
}

func (v *volumes) Release(_ context.Context, run volumework.Run) error { return v.note("release", run) }

func (v *volumes) Forget(_ context.Context, run volumework.Run) error { return v.note("forget", run) }

func (v *volumes) Remove(_ context.Context, run volumework.Run, rows []archive.Volume) error {
	if rows != nil {
		return fmt.Errorf("nobody knows of %v", rows)
	}
	return v.note("remove", run)
}

// recorder keeps what people are told.
type recorder struct{ notes []string }

func (r *recorder) Eventf(_, _ runtime.Object, _, _, _, note string, args ...any) { //nolint:revive // That many arguments are the Recorder's.
	r.notes = append(r.notes, fmt.Sprintf(note, args...))
}

// scene is a sweeper with a location that has the manifest of the backup named whole.
type scene struct {
	*testing.T

	api     client.Client
	files   *world.World
	volumes *volumes
	news    *recorder
	clock   *clocktesting.FakeClock
	sweeper *leftovers.Sweeper
	kept    int
}

// Files implements place.Stores.
func (s *scene) Files(string, kahuv1.ProviderEndpoint) (place.Files, error) { //nolint:ireturn // It is the port's word.
	return s.files.Files, nil
}

func newScene(t *testing.T, traces ...leftover.Trace) *scene {
	t.Helper()
	s := &scene{T: t, files: world.New(t), volumes: &volumes{traces: traces}, news: &recorder{}, clock: clocktesting.NewFakeClock(time.Unix(1e9, 0))}
	s.files.Shop()
	at := &enginelocation.Location{Files: s.files.Files, Clock: s.clock, NewID: func() string { return home }}
	if _, err := at.Open(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := at.TakeOwner(t.Context(), world.ClusterID, "ours"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.files.Backup("whole", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	driver := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "files"}, Spec: kahuv1.ProviderSpec{Type: kahuv1.ProviderTypeMetadata}}
	driver.Status.State = kahuv1.ProviderStateAvailable
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}, Spec: kahuv1.BackupLocationSpec{ProviderName: "files"}}
	location.Status.LocationID, location.Status.Owner.Nonce = home, "ours"
	location.Status.Conditions = []metav1.Condition{{Type: kahuv1.ConditionReady, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonAvailable}}
	known := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "known", UID: "uid-of-known"}}
	ended := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "ended", UID: "uid-of-ended"}}
	ended.Status.State = kahuv1.StateCompleted
	shown := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "shown", UID: "of-a-view"}}
	shown.Spec.Origin = &kahuv1.BackupOrigin{ClusterID: world.ClusterID, Name: "shown", UID: "uid-of-shown"}
	s.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(driver, location, known, ended, shown).WithStatusSubresource(location).Build()
	finder := &place.Finder{Client: s.api, Direct: s.api, Stores: s, Clock: s.clock}
	finder.Claimed(home, "ours", time.Time{})
	s.sweeper = &leftovers.Sweeper{
		Client: s.api, Direct: s.api, Finder: finder, Volumes: s.volumes, ClusterID: world.ClusterID, Every: grace, Grace: grace,
		Clock: s.clock, News: s.news, Kept: func(backups int) { s.kept = backups },
	}
	return s
}

// look looks, and makes sure of what is done.
func (s *scene) look(want ...string) {
	s.Helper()
	s.volumes.done = nil
	if err := s.sweeper.Look(s.Context()); err != nil {
		s.Fatal(err)
	}
	if !slices.Equal(s.volumes.done, want) {
		s.Errorf("done is %q, want %q", s.volumes.done, want)
	}
}

// trace is what a backup has left that was to be at a location.
func trace(name, locationID string) leftover.Trace {
	return leftover.Trace{
		Name: name, UID: "uid-of-" + name, LocationID: locationID, Youngest: time.Unix(1, 0),
		Example: leftover.Object{APIVersion: "kahu.io/v1beta1", Kind: "VolumeBackupContent", Name: "order-of-" + name},
	}
}

// TestLook: what has a Backup or a view of it is nobody's business here, and of the rest each is dealt with once it was missed for long.
func TestLook(t *testing.T) {
	t.Parallel()
	s := newScene(t, trace("known", home), trace("lost", home), trace("shown", home), trace("strange", "elsewhere"), trace("whole", home))
	s.look()
	s.clock.Step(grace - time.Second)
	s.look()
	s.clock.Step(time.Second)
	s.look("remove uid-of-lost", "release uid-of-strange", "forget uid-of-whole")
	if s.kept != 1 || len(s.news.notes) != 1 || !strings.Contains(s.news.notes[0], "location elsewhere") {
		t.Errorf("%d are kept, and people are told %q", s.kept, s.news.notes)
	}
	s.volumes.traces = s.volumes.traces[3:4]
	s.look("release uid-of-strange")
	if len(s.news.notes) != 1 {
		t.Errorf("people are told the same again: %q", s.news.notes)
	}
	s.volumes.traces = nil
	s.look()
	if s.kept != 0 {
		t.Errorf("%d are kept", s.kept)
	}
}

// TestRunsThatAreOver: what a run could not remove is removed by its own rules, though its Backup is there. Its work orders stay.
func TestRunsThatAreOver(t *testing.T) {
	t.Parallel()
	snapshots, orders := trace("ended", home), trace("ended", home)
	snapshots.Cut = true
	s := newScene(t, snapshots)
	s.look()
	s.clock.Step(grace)
	s.look("release uid-of-ended")
	s.look("release uid-of-ended")
	if s.volumes.traces = []leftover.Trace{orders}; s.kept != 0 || len(s.news.notes) > 0 {
		t.Errorf("%d are kept, and people are told %q", s.kept, s.news.notes)
	}
	s.look()
	s.clock.Step(grace)
	s.look()
}

// TestYoungest: an attempt may still go on that nobody knows of.
func TestYoungest(t *testing.T) {
	t.Parallel()
	lost := trace("lost", home)
	lost.Youngest = time.Unix(1e9, 0).Add(grace)
	s := newScene(t, lost)
	s.look()
	s.clock.Step(2*grace - time.Second)
	s.look()
	s.clock.Step(time.Second)
	s.look("remove uid-of-lost")
}

// TestDoubt: nothing is removed where it cannot be known that no manifest names it.
func TestDoubt(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		doubt func(s *scene)
		says  string
	}{
		"TheProviderIsAway": {func(s *scene) {
			driver := &kahuv1.Provider{}
			s.must(s.api.Get(s.Context(), client.ObjectKey{Name: "files"}, driver))
			driver.Status.State = kahuv1.ProviderStateUnavailable
			s.must(s.api.Update(s.Context(), driver))
		}, "not available"},
		"TheProviderIsGone": {func(s *scene) {
			s.must(s.api.Delete(s.Context(), &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "files"}}))
		}, "registered"},
		"TheLocationIsGone": {func(s *scene) {
			s.must(s.api.Delete(s.Context(), &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}}))
		}, "no BackupLocation"},
		"ThePlaceIsAnother": {func(s *scene) { s.files.Put(archive.MarkerName, "{}") }, "marker"},
		"ThePlaceIsEmpty":   {func(s *scene) { s.must(s.files.Files.Remove(s.Context(), archive.MarkerName)) }, archive.MarkerName},
		"AnotherClaimedIt": {func(s *scene) {
			at := &enginelocation.Location{Files: s.files.Files, Clock: s.clock}
			s.must(at.TakeOwner(s.Context(), world.ClusterID, "anothers"))
		}, "main"},
		"TheManifestIsDamaged": {func(s *scene) { s.files.Put(world.ID("lost").ManifestName(), "{}\n") }, "manifest.json"},
		"ItIsReadOnly": {func(s *scene) {
			location := &kahuv1.BackupLocation{}
			s.must(s.api.Get(s.Context(), client.ObjectKey{Name: "main"}, location))
			location.Spec.AccessMode = kahuv1.AccessReadOnly
			s.must(s.api.Update(s.Context(), location))
		}, "main"},
		"AnotherLocationIsNotReady": {func(s *scene) {
			s.must(s.api.Create(s.Context(), &kahuv1.BackupLocation{
				ObjectMeta: metav1.ObjectMeta{Name: "second", UID: types.UID("second")}, Spec: kahuv1.BackupLocationSpec{ProviderName: "files"},
			}))
		}, "second"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, trace("lost", home))
			test.doubt(s)
			s.look()
			s.clock.Step(grace)
			s.look("release uid-of-lost")
			if len(s.news.notes) != 1 || !strings.Contains(s.news.notes[0], test.says) {
				t.Errorf("people are told %q, want %q", s.news.notes, test.says)
			}
		})
	}
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}
