package volumeplan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// grouped are facts of a cluster in which disks can be cut together, with claims of these names, "namespace/name" or "name".
func grouped(names ...string) volumeplan.Facts {
	made := facts()
	made.Claims = nil
	for _, name := range names {
		made.Claims = append(made.Claims, claim(func(claim *volumeplan.Claim) {
			claim.Name, claim.Handle = name, "handle-of-"+name
			if namespace, rest, cut := strings.Cut(name, "/"); cut {
				claim.Namespace, claim.Name = namespace, rest
			}
		}))
	}
	made.GroupClasses = []volumeplan.Class{{Name: "together", Driver: disks}, {Name: "else", Driver: "other.example.com"}}
	return made
}

// annotate gives the claim of a name an annotation.
func annotate(facts *volumeplan.Facts, claim, key, value string) {
	for i := range facts.Claims {
		if facts.Claims[i].Name == claim {
			facts.Claims[i].Annotations = map[string]string{key: value}
		}
	}
}

func TestGroups(t *testing.T) {
	const all = "shop/disks.example.com/csi"
	demand := volumeplan.Settings{Rules: []volumeplan.Rule{{Claims: []string{"a"}, Action: volumeplan.BackUp, Together: volumeplan.Required}}}
	demandAll := volumeplan.Settings{Rules: []volumeplan.Rule{{Action: volumeplan.BackUp, Together: volumeplan.Required}}}
	many := []string{"a"}
	for i := range volumeplan.MaxGroup {
		many = append(many, fmt.Sprintf("c%02d", i))
	}
	cases := map[string]struct {
		reason   string
		facts    volumeplan.Facts
		change   func(facts *volumeplan.Facts)
		settings volumeplan.Settings
		want     map[string]string // the claims that are in a group, and its name and class
		required bool
		says     string // a part of the message of claim a
		advice   string // the beginning of the advice for it
		verdict  volumeplan.Verdict
	}{
		"OfOneNamespaceAndDriver": {
			reason: "What an application writes into several volumes is of one instant without a word from anybody.",
			facts:  grouped("a", "b", "other/c"), want: map[string]string{"a": all + " together", "b": all + " together"},
			says: "cut at one instant with 1 other",
		},
		"One": {reason: "One volume has its instant.", facts: grouped("a"), says: "class snap"},
		"NotServed": {
			reason: "Where there are no groups, nothing is said of them.", facts: grouped("a", "b"),
			change: func(facts *volumeplan.Facts) { facts.GroupClasses, facts.NoGroups = nil, "not served" }, says: "class snap",
		},
		"NoClassOfTheDriver": {
			reason: "Another driver has groups.", facts: grouped("a", "b"),
			change: func(facts *volumeplan.Facts) { facts.GroupClasses = facts.GroupClasses[1:] }, says: "by itself: there is no VolumeGroupSnapshotClass",
		},
		"SeveralClasses": {
			reason: "Nobody has said which.", facts: grouped("a", "b"),
			change: func(facts *volumeplan.Facts) {
				facts.GroupClasses = append(facts.GroupClasses, volumeplan.Class{Name: "more", Driver: disks})
			},
			says: "several VolumeGroupSnapshotClasses of CSI driver " + disks + " (more, together)",
		},
		"DefaultClass": {
			reason: "The annotated one is taken.", facts: grouped("a", "b"),
			change: func(facts *volumeplan.Facts) {
				facts.GroupClasses = append(facts.GroupClasses, volumeplan.Class{Name: "more", Driver: disks, Default: true})
			},
			want: map[string]string{"a": all + " more", "b": all + " more"},
		},
		"NamedClass": {
			reason: "A rule names the class.", facts: grouped("a", "b"),
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{Action: volumeplan.BackUp, GroupClass: "together"}}},
			want:     map[string]string{"a": all + "//together together", "b": all + "//together together"},
		},
		"NamedClassThatIsNot": {
			reason: "A class that is not there is not replaced.", facts: grouped("a", "b"),
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{Action: volumeplan.BackUp, GroupClass: "gone"}}},
			says:     "no VolumeGroupSnapshotClass gone",
		},
		"Never": {
			reason: "A rule keeps a claim out.", facts: grouped("a", "b", "c"),
			settings: volumeplan.Settings{Rules: []volumeplan.Rule{{Claims: []string{"a"}, Action: volumeplan.BackUp, Together: volumeplan.Never}}},
			want:     map[string]string{"b": all + " together", "c": all + " together"}, says: "class snap",
		},
		"AnnotatedNone": {
			reason: "A claim keeps itself out.", facts: grouped("a", "b", "c"),
			change: func(facts *volumeplan.Facts) { annotate(facts, "a", volumeplan.GroupAnnotation, "none") },
			want:   map[string]string{"b": all + " together", "c": all + " together"},
		},
		"Annotated": {
			reason: "Claims say with which others they are.", facts: grouped("a", "b", "c", "d"),
			change: func(facts *volumeplan.Facts) {
				annotate(facts, "a", volumeplan.GroupAnnotation, "db")
				annotate(facts, "c", volumeplan.GroupAnnotation, "db")
			},
			want: map[string]string{
				"a": all + "/db together", "b": all + " together", "c": all + "/db together", "d": all + " together",
			},
		},
		"Skipped": {
			reason: "Whose data is left out is in no group.", facts: grouped("a", "b"),
			change: func(facts *volumeplan.Facts) { annotate(facts, "b", volumeplan.Annotation, "skip") }, says: "class snap",
		},
		"Required": {
			reason: "One that must be cut with others makes it so for all of its group.", facts: grouped("a", "b"), settings: demand,
			want: map[string]string{"a": all + " together", "b": all + " together"}, required: true,
		},
		"RequiredAndNotServed": {
			reason: "The backup has no data of claims that must be cut together and cannot.", facts: grouped("a", "b"), settings: demand,
			change:  func(facts *volumeplan.Facts) { facts.GroupClasses, facts.NoGroups = nil, "not served" },
			verdict: volumeplan.Impossible, says: "as spec.volumeRules[0].groupSnapshot demands: not served",
		},
		"RequiredOfSeveralDrivers": {
			reason: "Two storage systems have no instant in common.", facts: grouped("a", "b"), settings: demandAll,
			change:  func(facts *volumeplan.Facts) { facts.Claims[1].Driver = "other.example.com" },
			verdict: volumeplan.Impossible, says: "as spec.volumeRules[0].groupSnapshot demands: they are of the CSI drivers",
		},
		"RequiredAndAnnotatedNone": {
			reason: "The word of the claim counts, and is told.", facts: grouped("a", "b", "c"), settings: demandAll,
			change: func(facts *volumeplan.Facts) { annotate(facts, "a", volumeplan.GroupAnnotation, "none") },
			want:   map[string]string{"b": all + " together", "c": all + " together"}, required: true,
			advice: "spec.volumeRules[0].groupSnapshot demands that it is cut with others: its annotation",
		},
		"RequiredAlone": {reason: "One volume has its instant.", facts: grouped("a"), settings: demandAll, says: "class snap"},
		"TooMany":       {reason: "A group has a limit.", facts: grouped(many...), says: "at most 32"},
		"NoHandle": {
			reason: "Nobody knows what the driver knows the volume by.", facts: grouped("a", "b"),
			change: func(facts *volumeplan.Facts) { facts.Claims[1].Handle = "" }, says: "class snap",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.change != nil {
				tc.change(&tc.facts)
			}
			found := map[string]string{}
			for _, decision := range volumeplan.Plan(tc.facts, tc.settings) {
				if decision.Group.Name != "" {
					found[decision.Claim.Name] = decision.Group.Name + " " + decision.Group.Class
				}
				if decision.Group.Name != "" && decision.Group.Required != tc.required {
					t.Errorf("claim %s: required is %v", decision.Claim.Name, decision.Group.Required)
				}
				if want := tc.verdict; want != "" && decision.Verdict != want {
					t.Errorf("claim %s: %s, want %s", decision.Claim.Name, decision.Verdict, want)
				}
				if decision.Claim.Name == "a" && !strings.HasPrefix(decision.Advice, tc.advice) {
					t.Errorf("it advises %q, want the beginning %q", decision.Advice, tc.advice)
				}
				if decision.Claim.Name == "a" && !strings.Contains(decision.Message, tc.says) {
					t.Errorf("it says %q, want a part %q", decision.Message, tc.says)
				}
			}
			if diff := cmp.Diff(orEmpty(tc.want), found); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func orEmpty(of map[string]string) map[string]string {
	if of == nil {
		return map[string]string{}
	}
	return of
}

// TestGroupsFollowFromFacts: the order in which claims are told changes nothing.
func TestGroupsFollowFromFacts(t *testing.T) {
	one := grouped("a", "b", "c", "other/d", "other/e")
	two := one
	two.Claims = slices.Clone(one.Claims)
	slices.Reverse(two.Claims)
	if diff := cmp.Diff(volumeplan.Plan(one, volumeplan.Settings{}), volumeplan.Plan(two, volumeplan.Settings{})); diff != "" {
		t.Error(diff)
	}
	names := map[string]int{}
	for _, decision := range volumeplan.Plan(one, volumeplan.Settings{}) {
		names[decision.Group.Name]++
	}
	if got := slices.Sorted(maps.Values(names)); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("the groups have %v members", got)
	}
}

// TestAlone: a claim that is cut by itself after all says so, and why.
func TestAlone(t *testing.T) {
	decision := volumeplan.Plan(grouped("a", "b"), volumeplan.Settings{})[0]
	decision.Alone("the array is busy")
	if decision.Group != (volumeplan.Group{}) || !strings.HasSuffix(decision.Message, "by itself: the array is busy") || decision.SnapshotClass != "snap" {
		t.Errorf("%+v", decision)
	}
}
