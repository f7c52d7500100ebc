package volumeplan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// TestIdle: of a rule that is for no claim, people are told.
func TestIdle(t *testing.T) {
	t.Parallel()
	rule := func(claims ...string) volumeplan.Rule {
		return volumeplan.Rule{Claims: claims, Action: volumeplan.BackUp}
	}
	mistyped := rule()
	mistyped.Labels = labels.SelectorFromSet(labels.Set{"ap": "db"})
	const none = ": no claim of the backup, which has 2 claims, is matched: see whether names and labels are right"
	const behind = ": each claim that is matched is matched by a rule before, and the first one counts: change their order"
	for name, test := range map[string]struct {
		rules []volumeplan.Rule
		want  []string
	}{
		"none":             {},
		"each has its own": {rules: []volumeplan.Rule{rule("a"), rule("b"), rule("*"), rule("b")}, want: []string{"spec.volumeRules[2], spec.volumeRules[3]" + behind}},
		"a name":           {rules: []volumeplan.Rule{rule("a"), rule("c"), rule()}, want: []string{"spec.volumeRules[1]" + none}},
		"labels":           {rules: []volumeplan.Rule{mistyped, rule("c"), rule("*"), rule("a")}, want: []string{"spec.volumeRules[0], spec.volumeRules[1]" + none, "spec.volumeRules[3]" + behind}},
	} {
		if diff := cmp.Diff(test.want, volumeplan.Idle(grouped("a", "b"), volumeplan.Settings{Rules: test.rules})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestUnusedGroupClass: of a class for groups that is not used, people are told, with the rule that names it.
func TestUnusedGroupClass(t *testing.T) {
	t.Parallel()
	named := func(class string) volumeplan.Settings {
		return volumeplan.Settings{Rules: []volumeplan.Rule{{Claims: []string{"z"}, Action: volumeplan.Skip}, {Action: volumeplan.BackUp, GroupClass: class}}}
	}
	const field = "spec.volumeRules[1].groupSnapshotClass "
	for name, test := range map[string]struct {
		facts    volumeplan.Facts
		change   func(facts *volumeplan.Facts)
		settings volumeplan.Settings
		want     string
	}{
		"used":          {facts: grouped("a", "b"), settings: named("together")},
		"nobody named":  {facts: grouped("a")},
		"one claim":     {facts: grouped("a"), settings: named("together"), want: field + "together is not used: its snapshot is cut by itself, as there is no other claim with which it could be, or there are too many"},
		"no such class": {facts: grouped("a", "b"), settings: named("gone"), want: field + "gone is not used: its snapshot is cut by itself, as there is no VolumeGroupSnapshotClass gone, which " + field + "names, of CSI driver " + disks},
		"not served": {
			facts: grouped("a", "b"), settings: named("together"), change: func(facts *volumeplan.Facts) { facts.NoGroups = "it is not served" },
			want: field + "together is not used: its snapshot is cut by itself, as it is not served",
		},
		"its annotation": {
			facts: grouped("a", "b", "c"), settings: named("together"),
			change: func(facts *volumeplan.Facts) { annotate(facts, "a", volumeplan.GroupAnnotation, "none") },
			want:   field + "together is not used: its annotation " + volumeplan.GroupAnnotation + " has its snapshot cut by itself",
		},
		"another way": {
			facts: grouped("a", "b"), settings: named("together"),
			change: func(facts *volumeplan.Facts) { annotate(facts, "a", volumeplan.Annotation, "volume") },
			want:   field + "together is not used: its way is Volume, for which its annotation " + volumeplan.Annotation + " asks",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.change != nil {
				test.change(&test.facts)
			}
			decision := volumeplan.Plan(test.facts, test.settings)[0]
			if decision.Verdict != volumeplan.Chosen || decision.Advice != test.want {
				t.Errorf("%s: %s", decision.Verdict, cmp.Diff(test.want, decision.Advice))
			}
		})
	}
}

// TestRulesAreNamed: what a rule asks for and is not there is told with the field that asks for it.
func TestRulesAreNamed(t *testing.T) {
	t.Parallel()
	other := volumeplan.Rule{Claims: []string{"other"}, Action: volumeplan.Skip}
	for want, rule := range map[string]volumeplan.Rule{
		"there is no volume provider none, which spec.volumeRules[1].providerName names":        {Provider: "none"},
		"provider vendor, which spec.volumeRules[1].providerName names, cannot back up":         {Provider: "vendor"},
		"no VolumeSnapshotClass none, which spec.volumeRules[1].snapshotClass names":            {SnapshotClass: "none"},
		"in the way Offload, for which spec.volumeRules[1].way asks":                            {Way: volumeplan.Offload},
		"as spec.volumeRules[1].groupSnapshot demands: there is no VolumeGroupSnapshotClass no": {Together: volumeplan.Required, GroupClass: "no"},
	} {
		rule.Action = volumeplan.BackUp
		decision := volumeplan.Plan(grouped("a", "b"), volumeplan.Settings{Rules: []volumeplan.Rule{other, rule}})[0]
		if decision.Verdict != volumeplan.Impossible || !strings.Contains(decision.Message, want) {
			t.Errorf("%q is not in %q", want, decision.Message)
		}
	}
}
