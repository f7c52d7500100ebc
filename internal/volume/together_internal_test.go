package volume

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// TestGroupThatWasGivenUp: of a group that was given up while applications held still, and is cut since, nothing is taken: what was
// cut by itself instead was. Of one for which a single member was cut by itself, the others are.
func TestGroupThatWasGivenUp(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)
	over := volumework.Moment{Attempt: "first", Over: true, From: from, To: from.Add(10 * time.Second)}
	version := schema.GroupVersion{Group: groupGroup().Group, Version: "v1"}
	for name, alone := range map[string][]string{"given up": {"a", "b"}, "one left out": {"a"}, "whole": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := fakeClient(t, Options{CutTime: time.Minute})
			var decisions []volumeplan.Decision
			var members []*volumeplan.Decision
			list := []any{}
			for _, claim := range []string{"a", "b"} {
				decision, _ := theClaim()
				decision.Claim.Name, decision.Claim.Handle, decision.Claim.Driver = claim, "handle-"+claim, "d"
				decision.Group = volumeplan.Group{Name: "g", Class: "gs"}
				decisions = append(decisions, decision)
				members = append(members, &decision)
				list = append(list, map[string]any{"volumeHandle": "handle-" + claim, "snapshotHandle": "snap-" + claim})
			}
			group, err := newGroup(theRun, over, version, members, groupObject(version, groupClassKind, "gs"))
			if err != nil {
				t.Fatal(err)
			}
			group.SetCreationTimestamp(metav1.Time{Time: from})
			group.Object["status"] = map[string]any{"volumeGroupSnapshotHandle": "g1", "readyToUse": true, "volumeSnapshotInfoList": list}
			if err := c.api.Create(t.Context(), group); err != nil {
				t.Fatal(err)
			}
			for i := range alone {
				single := newSnapshot(theRun, over, &decisions[i])
				single.SetCreationTimestamp(metav1.Time{Time: from})
				single.Object["status"] = map[string]any{"creationTime": from.Format(time.RFC3339)}
				if err := c.api.Create(t.Context(), single); err != nil {
					t.Fatal(err)
				}
			}
			failed, err := c.Cut(t.Context(), theRun, over, decisions)
			if err != nil || len(failed) > 0 {
				t.Errorf("%v, %v", failed, err)
			}
			for i := range decisions {
				if got, want := decisions[i].Group.Name == "", i < len(alone); got != want {
					t.Errorf("%s is cut by itself: %v: %s", decisions[i].Claim.Name, got, fmt.Sprint(decisions[i].Message))
				}
			}
		})
	}
}
