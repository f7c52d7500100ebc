package backup

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/seal"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

const thisCluster = "11111111-2222-3333-4444-555555555555"

var startTime = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

// completed returns a backup that can be a base, changed.
func completed(name string, change func(b *kahuv1.Backup)) *kahuv1.Backup {
	started := metav1.NewTime(startTime)
	made := &kahuv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name)},
		Spec:       kahuv1.BackupSpec{MetadataLocation: "main", IncludeNamespaces: []kahuv1.NamespaceName{"shop"}},
		Status: kahuv1.BackupStatus{
			Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted, StartTimestamp: &started, Attempt: "first",
			LocationID: "here", ClusterID: thisCluster,
		},
	}
	change(made)
	return made
}

// TestCandidates shows which Backups can be the base of another one, and what is told of them.
func TestCandidates(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(b *kahuv1.Backup)
		want   *increment.Candidate
	}{
		"full":        {func(*kahuv1.Backup) {}, &increment.Candidate{Mode: increment.Full, Attempt: "first", Alike: true}},
		"incremental": {func(b *kahuv1.Backup) { b.Status.Mode = kahuv1.BackupModeIncremental }, &increment.Candidate{Mode: increment.Incremental, Attempt: "first", Alike: true}},
		"other-filters": {
			func(b *kahuv1.Backup) { b.Spec.IncludeNamespaces = nil }, &increment.Candidate{Mode: increment.Full, Attempt: "first"},
		},
		"other-wish": {
			func(b *kahuv1.Backup) { b.Spec.Mode, b.Spec.DeletionPolicy = "Auto", "Retain" },
			&increment.Candidate{Mode: increment.Full, Attempt: "first", Alike: true},
		},
		"resumed": {
			func(b *kahuv1.Backup) { b.Status.EarlierAttempts = []string{"zeroth"} }, &increment.Candidate{Mode: increment.Full, Attempt: "first", Alike: true},
		},
		"adopted": {
			func(b *kahuv1.Backup) { b.Status.EarlierAttempts = []string{"first"} }, &increment.Candidate{Mode: increment.Full, Alike: true},
		},
		"view":          {func(b *kahuv1.Backup) { b.Spec.Origin = &kahuv1.BackupOrigin{} }, nil},
		"failed":        {func(b *kahuv1.Backup) { b.Status.State = kahuv1.StateFailed }, nil},
		"running":       {func(b *kahuv1.Backup) { b.Status.Stage = kahuv1.StageResources }, nil},
		"elsewhere":     {func(b *kahuv1.Backup) { b.Status.LocationID = "there" }, nil},
		"other-cluster": {func(b *kahuv1.Backup) { b.Status.ClusterID = "other" }, nil},
		"itself":        {func(b *kahuv1.Backup) { b.UID = "uid-of-new" }, nil},
		"going": {func(b *kahuv1.Backup) {
			now := metav1.NewTime(startTime)
			b.DeletionTimestamp, b.Finalizers = &now, []string{Finalizer}
		}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := completed(name, tc.change)
			c := &Controller{
				Direct:    fakeapi.New(t).WithObjects(other).Build(),
				ClusterID: thisCluster, Clock: clocktesting.NewFakePassiveClock(startTime),
			}
			s := &scope{backup: completed("new", func(b *kahuv1.Backup) { b.Spec.Mode = kahuv1.BackupModeAuto }), location: &kahuv1.BackupLocation{}}
			got, err := c.increment(t.Context(), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			var want []increment.Candidate
			if tc.want != nil {
				tc.want.ID = archive.BackupID{ClusterID: thisCluster, Name: name, UID: "uid-of-" + name}
				tc.want.Started = startTime
				want = append(want, *tc.want)
			}
			if diff := cmp.Diff(want, got.Candidates); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Wish.Every != (increment.Every{Backups: 100, Age: 168 * time.Hour}) || got.Wish.Mode != increment.Auto {
				t.Errorf("wish %+v", got.Wish)
			}
		})
	}
}

// TestDamagedIsNoBase: neither a backup that was read back and is damaged can be the base, nor one that builds on it.
func TestDamagedIsNoBase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status metav1.ConditionStatus
		reason string
		want   []string
	}{
		"damaged":           {metav1.ConditionFalse, kahuv1.ReasonArchiveCorrupt, []string{"other"}},
		"manifest damaged":  {metav1.ConditionFalse, kahuv1.ReasonManifestInvalid, []string{"other"}},
		"without manifest":  {metav1.ConditionFalse, kahuv1.ReasonManifestNotFound, []string{"other"}},
		"could not be read": {metav1.ConditionUnknown, kahuv1.ReasonStoreFailed, []string{"first", "other", "second", "third"}},
		"sound":             {metav1.ConditionTrue, kahuv1.ReasonVerified, []string{"first", "other", "second", "third"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := func(base string) func(*kahuv1.Backup) {
				return func(b *kahuv1.Backup) {
					b.Status.Mode = kahuv1.BackupModeIncremental
					b.Status.Incremental = &kahuv1.BackupIncrement{BaseName: base, BaseUID: "uid-of-" + base}
				}
			}
			first := completed("first", func(b *kahuv1.Backup) {
				b.Status.Conditions = []metav1.Condition{{Type: kahuv1.ConditionVerified, Status: test.status, Reason: test.reason}}
			})
			c := &Controller{
				Direct: fakeapi.New(t).WithObjects(
					first, completed("second", on("third")), completed("third", on("first")), completed("other", func(*kahuv1.Backup) {}),
				).Build(),
				ClusterID: thisCluster, Clock: clocktesting.NewFakePassiveClock(startTime),
			}
			s := &scope{backup: completed("new", func(b *kahuv1.Backup) { b.Spec.Mode = kahuv1.BackupModeIncremental }), location: &kahuv1.BackupLocation{}}
			got, err := c.increment(t.Context(), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, each := range got.Candidates {
				names = append(names, each.ID.Name)
			}
			if diff := cmp.Diff(test.want, names); diff != "" || len(got.Candidates)+len(got.Wish.Damaged) != 4 {
				t.Errorf("(-want +got):\n%s\ndamaged: %+v", diff, got.Wish.Damaged)
			}
		})
	}
}

// TestFullAsksNobody: a full backup needs no other one, and none is looked for where nothing is to be compared with it.
func TestFullAsksNobody(t *testing.T) {
	t.Parallel()
	for _, mode := range []kahuv1.BackupMode{"", kahuv1.BackupModeFull} {
		for name, sealing := range map[string]*enginebackup.Sealing{"plain": nil, "readable": {}} {
			s := &scope{backup: completed("new", func(b *kahuv1.Backup) { b.Spec.Mode = mode })}
			got, err := (&Controller{}).increment(t.Context(), s, sealing)
			if err != nil || got.Owned != nil || len(got.Candidates) > 0 {
				t.Errorf("mode %q, %s: %+v, %v", mode, name, got, err)
			}
		}
	}
}

// TestFullKnowsWhatItSupersedes: one of a cluster that cannot read what it writes has a comparison file, and those of earlier ones
// are of no use any more.
func TestFullKnowsWhatItSupersedes(t *testing.T) {
	t.Parallel()
	for _, mode := range []kahuv1.BackupMode{"", kahuv1.BackupModeFull} {
		c := &Controller{
			Direct:    fakeapi.New(t).WithObjects(completed("earlier", func(*kahuv1.Backup) {})).Build(),
			ClusterID: thisCluster, Clock: clocktesting.NewFakePassiveClock(startTime),
		}
		s := &scope{backup: completed("new", func(b *kahuv1.Backup) { b.Spec.Mode = mode }), location: &kahuv1.BackupLocation{}}
		got, err := c.increment(t.Context(), s, &enginebackup.Sealing{Comparison: &seal.Key{}})
		if err != nil || got.Owned == nil || len(got.Candidates) != 1 || got.Candidates[0].ID.Name != "earlier" {
			t.Errorf("mode %q: %+v, %v", mode, got, err)
		}
		if choice := increment.Choose(got.Wish, got.Candidates); choice.Mode != increment.Full || choice.Reason != "" || len(choice.Bases) > 0 {
			t.Errorf("mode %q is not simply full: %+v", mode, choice)
		}
	}
}

// TestTaken: that a backup is full though something else was asked for is told, with the reason.
func TestTaken(t *testing.T) {
	t.Parallel()
	result := &enginebackup.Result{Choice: increment.Refuse(increment.NoBase, "there is %s", "none")}
	result.Manifest.Counts.Objects, result.Manifest.Sizes.Segments = 7, 70
	for mode, want := range map[kahuv1.BackupMode]*kahuv1.BackupIncrement{
		"": nil, "Full": nil,
		"Auto": {Reason: kahuv1.ReasonNoBase, Message: "there is none", ReadObjects: 7, WrittenObjects: 7, WrittenBytes: 70},
	} {
		run := completed("new", func(b *kahuv1.Backup) { b.Spec.Mode = mode })
		taken(run, result)
		if diff := cmp.Diff(want, run.Status.Incremental); diff != "" {
			t.Errorf("mode %q (-want +got):\n%s", mode, diff)
		}
	}
	run := completed("new", func(b *kahuv1.Backup) { b.Spec.Mode = kahuv1.BackupModeAuto })
	if taken(run, &enginebackup.Result{Adopted: true}); run.Status.Incremental != nil {
		t.Errorf("of a manifest that was found: %+v", run.Status.Incremental)
	}
}

// TestReasonsAreThoseOfTheAPI: what the core decides has a name in the API.
func TestReasonsAreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	for core, api := range map[increment.Reason]string{
		increment.NoBase: kahuv1.ReasonNoBase, increment.FullDue: kahuv1.ReasonFullDue, increment.BaseGone: kahuv1.ReasonBaseGone,
		increment.BaseDamaged:    kahuv1.ReasonBaseDamaged,
		increment.BaseUnreadable: kahuv1.ReasonBaseUnreadable, increment.BaseAdopted: kahuv1.ReasonBaseAdopted,
		increment.KeyChanged: kahuv1.ReasonKeyChanged, increment.KeyNeeded: kahuv1.ReasonKeyNeeded,
		increment.ComparisonMissing: kahuv1.ReasonComparisonMissing, increment.ComparisonKeyChanged: kahuv1.ReasonComparisonKeyChanged,
		increment.ComparisonDamaged: kahuv1.ReasonComparisonDamaged,
		increment.SignerChanged:     kahuv1.ReasonSignerChanged, increment.OwnerChanged: kahuv1.ReasonOwnerChanged,
		increment.Unlistable: kahuv1.ReasonListingUnsupported, increment.TooManySegments: kahuv1.ReasonTooManySegments,
	} {
		if string(core) != api {
			t.Errorf("%s is called %s", core, api)
		}
	}
	for core, api := range map[increment.Mode]kahuv1.BackupMode{
		increment.Full: kahuv1.BackupModeFull, increment.Incremental: kahuv1.BackupModeIncremental,
		increment.Differential: kahuv1.BackupModeDifferential, increment.Auto: kahuv1.BackupModeAuto,
	} {
		if fmt.Sprint(core) != fmt.Sprint(api) {
			t.Errorf("%s is called %s", core, api)
		}
	}
}
