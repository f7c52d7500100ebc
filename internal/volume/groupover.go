package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// before looks at the groups that were cut in a moment that is over. What is in none of them can have been cut by itself.
func (w *groupCut) before(ctx context.Context, version schema.GroupVersion, groups map[string][]*volumeplan.Decision) error {
	list := groupList(version, groupKind)
	if err := patiently(ctx, func() error { return w.api.List(ctx, list, ofRun(w.run)) }); err != nil {
		return fmt.Errorf("listing the groups of snapshots of backup %s: %w", w.run.Name, err)
	}
	single, err := w.single(ctx)
	if err != nil {
		return err
	}
	there := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		there[list.Items[i].GetName()] = &list.Items[i]
	}
	for name, members := range groups {
		object := there[groupName(w.run, name)]
		if object == nil {
			w.refuse(members, errTooLate)
			continue
		}
		state := groupOf(object)
		if state.leaving || !state.isCut() || !state.tellable() {
			w.end(object, members, errTooLate)
			continue
		}
		if err := ofMoment(w.at, state.attempt, object.GetCreationTimestamp().Time); err != nil {
			w.end(object, members, err)
			continue
		}
		w.accept(object, w.together(members, single), state)
	}
	return nil
}

// together returns the members that were cut with the group. Where there is a snapshot of one by itself, the group had been given up for
// it, and what that has cut since is of another moment.
func (w *groupCut) together(members []*volumeplan.Decision, single map[string]bool) []*volumeplan.Decision {
	return slices.DeleteFunc(slices.Clone(members), func(each *volumeplan.Decision) bool {
		alone := single[snapshotName(w.run, each.Claim.Key())]
		if alone {
			w.refuse([]*volumeplan.Decision{each}, errors.New("it was cut by itself"))
		}
		return alone
	})
}
