package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

func TestOwners(t *testing.T) {
	t.Parallel()
	living := map[types.UID]types.UID{"old-1": "new-1", "old-2": "new-2", "same": "same"}
	cases := map[string]struct {
		object  string
		want    string
		paths   []string
		dropped []bool
	}{
		"no owners": {
			object: `{"metadata": {"name": "a"}}`,
			want:   `{"metadata": {"name": "a"}}`,
		},
		"living owners": {
			object: `{"metadata": {"ownerReferences": [
				{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "old-1", "controller": true, "blockOwnerDeletion": true},
				{"apiVersion": "v1", "kind": "B", "name": "b", "uid": "same"},
				{"apiVersion": "v1", "kind": "C", "name": "c", "uid": "old-2"}]}}`,
			want: `{"metadata": {"ownerReferences": [
				{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "new-1", "controller": true, "blockOwnerDeletion": true},
				{"apiVersion": "v1", "kind": "B", "name": "b", "uid": "same"},
				{"apiVersion": "v1", "kind": "C", "name": "c", "uid": "new-2"}]}}`,
			paths:   []string{"metadata.ownerReferences[0].uid", "metadata.ownerReferences[2].uid"},
			dropped: []bool{false, false},
		},
		"one owner gone": {
			object: `{"metadata": {"ownerReferences": [
				{"kind": "A", "name": "a", "uid": "gone"}, {"kind": "B", "name": "b", "uid": "old-2"}]}}`,
			want:    `{"metadata": {"ownerReferences": [{"kind": "B", "name": "b", "uid": "new-2"}]}}`,
			paths:   []string{"metadata.ownerReferences[0]", "metadata.ownerReferences[1].uid"},
			dropped: []bool{true, false},
		},
		"all owners gone": {
			object:  `{"metadata": {"name": "a", "ownerReferences": [{"kind": "A", "name": "a", "uid": "gone"}]}}`,
			want:    `{"metadata": {"name": "a"}}`,
			paths:   []string{"metadata.ownerReferences[0]"},
			dropped: []bool{true},
		},
		"no reference at all": {
			object:  `{"metadata": {"ownerReferences": ["a", null]}}`,
			want:    `{"metadata": {}}`,
			paths:   []string{"metadata.ownerReferences[0]", "metadata.ownerReferences[1]"},
			dropped: []bool{true, true},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := object(t, test.object)
			changes := transform.Owners(got, func(owner core.Owner) (types.UID, bool) {
				uid, ok := living[owner.UID]
				return uid, ok
			})
			var paths []string
			var dropped []bool
			for _, change := range changes {
				paths, dropped = append(paths, change.Path), append(dropped, change.Dropped)
			}
			if diff := cmp.Diff(object(t, test.want), got); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.paths, paths); diff != "" {
				t.Errorf("changed paths (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.dropped, dropped); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
		})
	}
}

// An owner is asked for as the reference describes it.
func TestOwnersAsks(t *testing.T) {
	t.Parallel()
	got := object(t, `{"metadata": {"ownerReferences": [
		{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "1", "controller": true}]}}`)
	var asked []core.Owner
	transform.Owners(got, func(owner core.Owner) (types.UID, bool) {
		asked = append(asked, owner)
		return "2", true
	})
	want := []core.Owner{{APIVersion: "apps/v1", Kind: "Deployment", Name: "a", UID: "1", Controller: true}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("owners asked for (-want +got):\n%s", diff)
	}
}
