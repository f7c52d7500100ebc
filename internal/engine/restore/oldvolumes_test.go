package restore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

var persistentVolumes = fakecluster.Kind("", "PersistentVolume", "persistentvolumes", false)

// oldVolume is a PersistentVolume of a claim in the namespace shop.
func oldVolume(policy, claim, phase string) string {
	namespace, name, _ := strings.Cut(claim, "/")
	return fmt.Sprintf(`{"metadata":{"annotations":{"pv.kubernetes.io/provisioned-by":"disks.example.com"}},
		"spec":{"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":%q,"storageClassName":"fast",
		"csi":{"driver":"disks.example.com","volumeHandle":"vol-1"},"claimRef":{"namespace":%q,"name":%q,"uid":%q}},"status":{"phase":%q}}`,
		policy, namespace, name, "uid-of-"+name, phase)
}

const boundClaim = `{"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes"}},
	"spec":{"volumeName":"pv-1","storageClassName":"fast","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},
	"status":{"phase":"Bound"}}`

// TestClaimsWithoutTheirData: a claim whose data is not in the backup gets its old volume where that is there and nobody else's,
// and a new one everywhere else, which is said.
func TestClaimsWithoutTheirData(t *testing.T) {
	const said = "its data is not in the backup, and it gets a new, empty volume"
	for name, test := range map[string]struct {
		policy   string
		mapping  map[string]string
		existing restoreplan.Policy
		living   string // a PersistentVolume that is there
		called   string
		elsewhere,
		keeps, made bool
		says string
	}{
		"the storage went with its claim":      {policy: "Delete", says: said},
		"retained, and nobody has it":          {policy: "Retain", keeps: true, made: true},
		"retained by another cluster":          {policy: "Retain", elsewhere: true, keeps: true, made: true, says: "make sure"},
		"a copy, of another cluster":           {policy: "Retain", elsewhere: true, mapping: map[string]string{"shop": "copy"}, says: said},
		"a copy, and the original is gone":     {policy: "Retain", mapping: map[string]string{"shop": "copy"}, made: true},
		"a copy beside the original":           {policy: "Retain", mapping: map[string]string{"shop": "copy"}, called: "pv-1", living: oldVolume("Retain", "shop/data", "Bound"), says: said},
		"a copy over the original":             {policy: "Retain", existing: restoreplan.Update, mapping: map[string]string{"shop": "copy"}, called: "pv-1", living: oldVolume("Retain", "shop/data", "Bound"), says: said},
		"others have the storage":              {policy: "Retain", called: "pv-2", living: oldVolume("Retain", "other/theirs", "Bound"), says: "other/theirs"},
		"released":                             {policy: "Retain", called: "pv-1", living: oldVolume("Retain", "shop/data", "Released"), keeps: true, made: true, says: "the volume again that it had"},
		"released, and its storage is deleted": {policy: "Delete", called: "pv-1", living: oldVolume("Delete", "shop/data", "Released"), says: said},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			w.Cluster.Serve(persistentVolumes)
			w.Cluster.Put(t, persistentVolumes, "", "pv-1", oldVolume(test.policy, "shop/data", "Bound"))
			w.Cluster.Put(t, world.Claims, "shop", "data", boundClaim)
			if _, err := w.Backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(append(world.AllKinds(), persistentVolumes)...)
			if test.living != "" {
				to.Put(t, persistentVolumes, "", test.called, test.living)
			}
			id := world.RestoreID
			if !test.elsewhere {
				id.ClusterID = world.ClusterID
			}
			for _, dry := range []bool{true, false} {
				use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
				result, err := use.Run(t.Context(), restore.Request{
					Backup: world.ID("one"), ID: id, Attempt: "attempt1", DryRun: dry, Existing: test.existing, AllowIncomplete: true,
					Transform: transform.Options{NamespaceMapping: test.mapping},
				}, w.Files)
				if err != nil || result.FailedTotal > 0 {
					t.Fatalf("%v, %+v", err, result.Failed)
				}
				text := strings.Join(result.Warnings, "\n")
				if !strings.Contains(text, test.says) || test.says == "" && strings.Contains(text, "its data") {
					t.Errorf("dry run %v says:\n%s", dry, text)
				}
			}
			target := "shop"
			if test.mapping != nil {
				target = test.mapping[target]
			}
			volume, chosen, waits := claimAndVolume(t, to, target+"/data")
			if test.keeps != (volume == "pv-1") || test.keeps != (chosen != "") || test.made != (waits == target+"/data") {
				t.Errorf("the claim names %q, the volume waits for %q: %v", volume, waits, to.Contents())
			}
		})
	}
}

// claimAndVolume returns which volume the claim names, whether the cluster chose it, and for whom that volume waits.
func claimAndVolume(t *testing.T, in *fakecluster.Cluster, claim string) (volume, chosen, waits string) {
	t.Helper()
	read := func(key string) *unstructured.Unstructured {
		object := &unstructured.Unstructured{}
		if text := in.Contents()[key]; text != "" {
			if err := json.Unmarshal([]byte(text), &object.Object); err != nil {
				t.Fatal(err)
			}
		}
		return object
	}
	found := read("persistentvolumeclaims " + claim)
	volume, _, _ = unstructured.NestedString(found.Object, "spec", "volumeName")
	of, _, _ := unstructured.NestedStringMap(read("persistentvolumes pv-1").Object, "spec", "claimRef")
	if len(of) > 0 && of["uid"] == "" {
		waits = of["namespace"] + "/" + of["name"]
	}
	return volume, found.GetAnnotations()["pv.kubernetes.io/bound-by-controller"], waits
}
