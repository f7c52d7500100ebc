package volumeplan_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

const disks = "disks.example.com"

func claim(change func(claim *volumeplan.Claim)) volumeplan.Claim {
	made := volumeplan.Claim{
		Namespace: "shop", Name: "data", UID: "u", StorageClass: "fast", Volume: "pv-1", Source: "csi", Driver: disks,
		Size: 10 << 30, Mode: "Filesystem", Labels: map[string]string{"app": "db"},
	}
	if change != nil {
		change(&made)
	}
	return made
}

func facts() volumeplan.Facts {
	return volumeplan.Facts{
		Claims: []volumeplan.Claim{claim(nil)},
		Providers: []volumeplan.Provider{
			{Name: "mover", NeedsVolume: true},
			{Name: "csi", NeedsSnapshot: true, KeepsSnapshot: true},
			{Name: "vendor", Offloads: true, Drivers: []string{"other.example.com"}},
		},
		Locations: []volumeplan.Location{{Name: "vault", Provider: "mover"}},
		Classes:   []volumeplan.Class{{Name: "snap", Driver: disks}, {Name: "else", Driver: "other.example.com"}},
	}
}

func TestPlan(t *testing.T) {
	selector, err := labels.Parse("app=db")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason   string
		facts    func(facts *volumeplan.Facts)
		settings volumeplan.Settings
		want     volumeplan.Decision // without claim, reason in reason, message as a part
	}{
		"Snapshot": {
			reason: "Without a word from anybody, a snapshot comes before the reading of a volume.",
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonSnapshot, Way: volumeplan.Snapshot, Provider: "csi",
				SnapshotClass: "snap", KeepsSnapshot: true, Message: "class snap",
			},
		},
		"Offload": {
			reason: "A provider that takes the volume itself comes first.",
			facts:  func(facts *volumeplan.Facts) { facts.Providers[2].Drivers = nil },
			want:   volumeplan.Decision{Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonOffload, Way: volumeplan.Offload, Provider: "vendor", Message: "itself"},
		},
		"ClassOfARule": {
			reason: "Who names a class of snapshots wants a snapshot, and not what would come first otherwise.",
			facts:  func(facts *volumeplan.Facts) { facts.Providers[2].Drivers = nil },
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{
				{Action: volumeplan.BackUp, SnapshotClass: "snap"},
			}},
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonSnapshot, Way: volumeplan.Snapshot, Provider: "csi",
				SnapshotClass: "snap", KeepsSnapshot: true, Message: "class snap",
			},
		},
		"NotBound": {
			reason: "A claim without a volume has no data.",
			facts:  func(facts *volumeplan.Facts) { facts.Claims[0].Volume = "" },
			want:   volumeplan.Decision{Verdict: volumeplan.Skipped, Reason: volumeplan.ReasonNotBound, Message: "not bound"},
		},
		"Location": {
			reason:   "Locations that the Backup names leave out every other provider.",
			settings: volumeplan.Settings{Locations: []string{"vault"}},
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonExposed, Way: volumeplan.Volume, Provider: "mover", Location: "vault",
				SnapshotClass: "snap", Message: "made from a snapshot of class snap",
			},
		},
		"NoClass": {
			reason: "What comes closest says what is missing.",
			facts: func(facts *volumeplan.Facts) {
				facts.Classes, facts.Providers = nil, facts.Providers[1:]
			},
			want: volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonNoSnapshotClass, Message: "no VolumeSnapshotClass of its CSI driver"},
		},
		"SeveralClasses": {
			reason: "Of several classes a person must choose.",
			facts: func(facts *volumeplan.Facts) {
				facts.Classes = append(facts.Classes, volumeplan.Class{Name: "a", Driver: disks})
				facts.Providers = facts.Providers[1:]
			},
			want: volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonNoSnapshotClass, Message: "(a, snap)"},
		},
		"DefaultClass": {
			reason: "The default class of the driver is taken of several.",
			facts: func(facts *volumeplan.Facts) {
				facts.Classes = append(facts.Classes, volumeplan.Class{Name: "a", Driver: disks, Default: true})
			},
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonSnapshot, Way: volumeplan.Snapshot, Provider: "csi",
				SnapshotClass: "a", KeepsSnapshot: true, Message: "class a",
			},
		},
		"Unavailable": {
			reason: "A provider that is away is named.",
			facts: func(facts *volumeplan.Facts) {
				facts.Providers = facts.Providers[1:]
				facts.Providers[0].Unavailable = "its lease is over"
			},
			want: volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonProviderUnavailable, Message: "its lease is over"},
		},
		"Nobody": {
			reason: "A volume of a kind that nobody knows makes the backup incomplete, and what to do is said.",
			facts:  func(facts *volumeplan.Facts) { facts.Providers = facts.Providers[2:] },
			want:   volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonWithoutProvider, Message: "set spec.enableVolumeBackup to false"},
		},
		"Annotation": {
			reason: "The annotation of the claim wins over a rule.",
			facts: func(facts *volumeplan.Facts) {
				facts.Claims[0].Annotations = map[string]string{volumeplan.Annotation: "skip"}
			},
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{Action: volumeplan.BackUp, Way: volumeplan.Volume}}},
			want:     volumeplan.Decision{Verdict: volumeplan.Skipped, Reason: volumeplan.ReasonSkippedByAnnotation, Message: "skip"},
		},
		"AnnotationUnknown": {
			reason: "A word that nobody knows is not passed over.",
			facts: func(facts *volumeplan.Facts) {
				facts.Claims[0].Annotations = map[string]string{volumeplan.Annotation: "restic"}
			},
			want: volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonUnknownWay, Message: `"restic"`},
		},
		"FirstRule": {
			reason: "The first rule that matches counts.",
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{
				{StorageClasses: []string{"slow"}, Action: volumeplan.BackUp},
				{Labels: selector, MinSize: 1 << 30, Claims: []string{"da*"}, Drivers: []string{disks}, Action: volumeplan.Skip},
				{Action: volumeplan.BackUp},
			}},
			want: volumeplan.Decision{Verdict: volumeplan.Skipped, Reason: volumeplan.ReasonSkippedByRule, Message: "spec.volumeRules[1]"},
		},
		"RuleOfSize": {
			reason:   "A rule for small volumes leaves a great one alone.",
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{MaxSize: 1 << 30, Action: volumeplan.Skip}, {Way: volumeplan.Volume, Action: volumeplan.BackUp}}},
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonExposed, Way: volumeplan.Volume, Provider: "mover", Location: "vault",
				SnapshotClass: "snap", Message: "made from a snapshot of class snap",
			},
		},
		"RuleOfMode": {
			reason:   "A rule for block volumes leaves one with files alone.",
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{Mode: "Block", Action: volumeplan.Skip}, {Mode: "Filesystem", Way: volumeplan.Volume, Action: volumeplan.BackUp}}},
			facts:    func(facts *volumeplan.Facts) { facts.Claims[0].Mode = "Filesystem" },
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonExposed, Way: volumeplan.Volume, Provider: "mover", Location: "vault",
				SnapshotClass: "snap", Message: "made from a snapshot of class snap",
			},
		},
		"RuleNamesProvider": {
			reason:   "A provider that a rule names and that cannot do it is not replaced by another one.",
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{Action: volumeplan.BackUp, Provider: "vendor"}}},
			want:     volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonWithoutProvider, Message: "provider vendor, which spec.volumeRules[0].providerName names"},
		},
		"RuleNamesNobody": {
			reason:   "That there is no such provider is said, and not that it cannot do it.",
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{Action: volumeplan.BackUp, Provider: "vendr"}}},
			want:     volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonWithoutProvider, Message: "there is no volume provider vendr"},
		},
		"NoCSI": {
			reason: "A volume that is none of CSI has no snapshots, so that no class of them is missing.",
			facts: func(facts *volumeplan.Facts) {
				facts.Claims[0].Driver, facts.Claims[0].Source = "", "hostPath"
				facts.Providers = facts.Providers[1:]
			},
			want: volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonWithoutProvider, Message: "(hostPath): register a provider"},
		},
		"SeveralLocations": {
			reason: "Of several locations of a provider a person must choose.",
			facts: func(facts *volumeplan.Facts) {
				facts.Locations = append(facts.Locations, volumeplan.Location{Name: "attic", Provider: "mover"})
				facts.Providers = facts.Providers[:1]
			},
			want: volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonNoLocation, Message: "(attic, vault)"},
		},
		"MoverAndSeveralClasses": {
			reason: "The volume in use is not read because it is not clear of which class a snapshot would be.",
			facts: func(facts *volumeplan.Facts) {
				facts.Classes = append(facts.Classes, volumeplan.Class{Name: "a", Driver: disks})
				facts.Providers = facts.Providers[:1]
			},
			want: volumeplan.Decision{Verdict: volumeplan.Impossible, Reason: volumeplan.ReasonNoSnapshotClass, Message: "(a, snap)"},
		},
		"MoverAndNoClass": {
			reason: "Of a driver without snapshots, the volume in use is read, and it is said why.",
			facts:  func(facts *volumeplan.Facts) { facts.Classes, facts.Providers = nil, facts.Providers[:1] },
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonLive, Way: volumeplan.Volume, Provider: "mover", Location: "vault",
				Message: "no VolumeSnapshotClass of its CSI driver",
			},
		},
		"MoverAndClassOfARule": {
			reason:   "A class that a rule names is good for a provider that mounts volumes, too.",
			facts:    func(facts *volumeplan.Facts) { facts.Providers = facts.Providers[:1] },
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{Action: volumeplan.BackUp, SnapshotClass: "snap"}}},
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonExposed, Way: volumeplan.Volume, Provider: "mover", Location: "vault",
				SnapshotClass: "snap", Message: "class snap",
			},
		},
		"NoSnapshots": {
			reason: "Where the cluster cuts no snapshots, the volume itself is read.",
			facts:  func(facts *volumeplan.Facts) { facts.NoSnapshots, facts.Classes = "no definitions", nil },
			want: volumeplan.Decision{
				Verdict: volumeplan.Chosen, Reason: volumeplan.ReasonLive, Way: volumeplan.Volume, Provider: "mover", Location: "vault", Message: "crash-consistent",
			},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			given := facts()
			if test.facts != nil {
				test.facts(&given)
			}
			got := volumeplan.Plan(given, test.settings)[0]
			if !strings.Contains(got.Message, test.want.Message) {
				t.Errorf("%s\nmessage: %s", test.reason, got.Message)
			}
			got.Message, got.Claim = test.want.Message, volumeplan.Claim{}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s\n%s", test.reason, diff)
			}
		})
	}
}

// TestPlanDoesNotDependOnOrder: whatever the order of the facts, the decisions are the same, one for each claim.
func TestPlanDoesNotDependOnOrder(t *testing.T) {
	given := facts()
	for _, name := range []string{"c", "a", "b"} {
		given.Claims = append(given.Claims, claim(func(claim *volumeplan.Claim) { claim.Name = name }))
	}
	given.Providers = append(given.Providers, volumeplan.Provider{Name: "also", NeedsSnapshot: true}, volumeplan.Provider{Name: "beta", NeedsSnapshot: true})
	want := volumeplan.Plan(given, volumeplan.Settings{})
	if len(want) != 4 || want[0].Claim.Name != "a" || want[0].Provider != "also" {
		t.Fatalf("%+v", want)
	}
	for range 50 {
		rand.Shuffle(len(given.Claims), func(i, j int) { given.Claims[i], given.Claims[j] = given.Claims[j], given.Claims[i] })
		rand.Shuffle(len(given.Providers), func(i, j int) { given.Providers[i], given.Providers[j] = given.Providers[j], given.Providers[i] })
		rand.Shuffle(len(given.Classes), func(i, j int) { given.Classes[i], given.Classes[j] = given.Classes[j], given.Classes[i] })
		if diff := cmp.Diff(want, volumeplan.Plan(given, volumeplan.Settings{})); diff != "" {
			t.Fatal(diff)
		}
	}
}
