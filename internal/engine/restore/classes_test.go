package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/restore/preview"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

var storageClasses = fakecluster.Kind("storage.k8s.io", "StorageClass", "storageclasses", false)

// TestMappingToAClassThatIsMissing: a storage class to which a wish maps is in the cluster or in the restore, or is that of volumes that
// people make. Otherwise nothing is written, and a dry run says why.
func TestMappingToAClassThatIsMissing(t *testing.T) {
	const field = "spec.storageClassMapping[fast]"
	for name, test := range map[string]struct {
		from string // what is mapped
		has  func(to *fakecluster.Cluster)
		fits bool
	}{
		"missing": {from: "fast"},
		"there":   {from: "fast", fits: true, has: func(to *fakecluster.Cluster) { to.Put(t, storageClasses, "", "slow", `{}`) }},
		"of volumes people make": {from: "fast", fits: true, has: func(to *fakecluster.Cluster) {
			to.Put(t, persistentVolumes, "", "nfs", `{"spec":{"storageClassName":"slow"}}`)
		}},
		"nothing is mapped to it": {from: "other", fits: true},
		"the claim is there": {from: "fast", fits: true, has: func(to *fakecluster.Cluster) {
			to.Put(t, world.Namespaces, "", "shop", `{}`)
			to.Put(t, world.Claims, "shop", "data", `{}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"storageClassName":"fast"}}`)
			if _, err := w.Backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(append(world.AllKinds(), persistentVolumes, storageClasses)...)
			if test.has != nil {
				test.has(to)
			}
			before := len(to.Contents())
			run := func(dry bool) (restore.Result, error) {
				use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
				return use.Run(t.Context(), restore.Request{
					Backup: world.ID("one"), DryRun: dry,
					Transforms: []transformset.Set{{StorageClassMapping: map[string]string{test.from: "slow"}}},
				}, w.Files)
			}
			dry, err := run(true)
			if err != nil {
				t.Fatal(err)
			}
			if creates := dry.Preview.Counts[preview.Create]; dry.Preview.Refused == test.fits || (creates > 0) != test.fits {
				t.Errorf("a dry run says refused: %v, %d to create", dry.Preview.Refused, creates)
			}
			if text := strings.Join(dry.Preview.Problems, "\n"); strings.Contains(text, field+": StorageClass slow") == test.fits {
				t.Errorf("a dry run says %q", text)
			}
			_, err = run(false)
			invalid, refused := errors.AsType[*engine.InvalidError](err)
			if refused == test.fits || refused && (invalid.Problems[0].Field != field || len(to.Contents()) != before) {
				t.Errorf("%v, created %v", err, to.Contents())
			}
		})
	}
}

// TestDataOfAClassThatIsMissing: a claim whose data is in the backup, and whose class is not there, fails without anybody being asked
// for its volume, and nothing else does.
func TestDataOfAClassThatIsMissing(t *testing.T) {
	w, makes := world.New(t), &making{}
	w.Shop()
	w.Volumes, w.Restores = snapshots{}, makes
	for name, class := range map[string]string{"data": "gone", "fine": "fast"} {
		w.Cluster.Put(t, world.Claims, "shop", name, `{"spec":{"volumeName":"pv-`+name+`","storageClassName":"`+class+`",
			"accessModes":["ReadWriteOnce"]},"status":{"phase":"Bound"}}`)
	}
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(append(world.AllKinds(), persistentVolumes, storageClasses)...)
	to.Put(t, storageClasses, "", "fast", `{}`)
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
	for _, dry := range []bool{true, false} {
		result, err := use.Run(t.Context(), restore.Request{Backup: world.ID("one"), DryRun: dry, Volumes: makes}, w.Files)
		if err != nil || result.Volumes[0].Claim.Name != "data" || result.Volumes[0].State != volumework.Lost {
			t.Fatalf("dry run %v: %v, %+v", dry, err, result.Volumes)
		}
		if dry && !strings.Contains(strings.Join(result.Preview.Problems, "\n"), "StorageClass gone is neither in the cluster nor in the restore: create it, or map it to one that is there with spec.storageClassMapping[gone]: needed by PersistentVolumeClaims shop/data") {
			t.Errorf("a dry run says %q", result.Preview.Problems)
		}
		if !dry && namesOf(result) != "persistentvolumeclaims/data:"+restore.ReasonVolumeFailed {
			t.Errorf("failed: %s", namesOf(result))
		}
	}
	if makes.asked["data"] != 0 || makes.asked["fine"] != 1 {
		t.Errorf("asked for: %v", makes.asked)
	}
}

// TestWhatNamesAClassThatIsMissing: it is told once, with what is to be corrected, by the row of the claim too.
func TestWhatNamesAClassThatIsMissing(t *testing.T) {
	set := transformset.Transform{
		Name: "other", Match: transformset.Match{Resources: []selection.ResourceFilter{{Kind: "PersistentVolumeClaim"}}},
		MergePatch: json.RawMessage(`{"spec":{"storageClassName":"nope"}}`),
	}
	for name, test := range map[string]struct {
		sets   []transformset.Set
		blames string
	}{
		"the backup":       {nil, "spec.storageClassMapping[shared]"},
		"the mapping":      {[]transformset.Set{{StorageClassMapping: map[string]string{"shared": "nope"}}}, "spec.storageClassMapping[shared]: "},
		"a transform":      {[]transformset.Set{{Transforms: []transformset.Transform{set}}}, "spec.transforms[0] (other): "},
		"a set, over ours": {[]transformset.Set{{StorageClassMapping: map[string]string{"shared": "there"}}, {Name: "corp", Transforms: []transformset.Transform{set}}}, "TransformSet corp: spec.transforms[0] (other): "},
	} {
		t.Run(name, func(t *testing.T) {
			w, makes := world.New(t), &making{}
			w.Shop()
			w.Volumes, w.Restores = snapshots{}, makes
			for _, name := range []string{"data", "other"} {
				w.Cluster.Put(t, world.Claims, "shop", name, `{"spec":{"volumeName":"pv-`+name+`","storageClassName":"shared",
					"accessModes":["ReadWriteOnce"]},"status":{"phase":"Bound"}}`)
			}
			if _, err := w.Backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(append(world.AllKinds(), storageClasses)...)
			to.Put(t, storageClasses, "", "there", `{}`)
			use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
			result, err := use.Run(t.Context(), restore.Request{
				Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", DryRun: true, Volumes: makes, Transforms: test.sets,
			}, w.Files)
			if err != nil {
				t.Fatal(err)
			}
			if problems := result.Preview.Problems; len(problems) != 1 || !strings.Contains(problems[0], test.blames) || strings.Contains(problems[0], "[nope]") {
				t.Errorf("problems: %q", problems)
			}
			for _, row := range result.Volumes {
				if row.State != volumework.Lost || !strings.Contains(row.Message, test.blames) || strings.Contains(row.Message, "[nope]") {
					t.Errorf("%+v", row)
				}
			}
		})
	}
}

// TestClassOfAnotherDriver: it makes no volume from a snapshot, which a dry run foretells, with what gave the claim its class.
func TestClassOfAnotherDriver(t *testing.T) {
	for name, test := range map[string]struct {
		mapping     map[string]string
		provisioner string
		blames      string
	}{
		"of the same":           {map[string]string{"shared": "other"}, "disks.example.com", ""},
		"of before CSI":         {map[string]string{"shared": "other"}, "kubernetes.io/aws-ebs", ""},
		"of another, by a wish": {map[string]string{"shared": "other"}, "files.example.com", "spec.storageClassMapping[shared]: StorageClass other is of files.example.com"},
		"of another, by itself": {nil, "files.example.com", "map it to a class of that driver with spec.storageClassMapping[shared]"},
	} {
		t.Run(name, func(t *testing.T) {
			w, makes := world.New(t), &making{}
			w.Shop()
			w.Volumes, w.Restores = snapshots{}, makes
			w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"volumeName":"pv-data","storageClassName":"shared",
				"accessModes":["ReadWriteOnce"]},"status":{"phase":"Bound"}}`)
			if _, err := w.Backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(append(world.AllKinds(), storageClasses)...)
			for _, class := range []string{"other", "shared"} {
				to.Put(t, storageClasses, "", class, `{"provisioner":"`+test.provisioner+`"}`)
			}
			use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
			for _, dry := range []bool{true, false} {
				result, err := use.Run(t.Context(), restore.Request{
					Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", DryRun: dry, Volumes: makes,
					Transforms: []transformset.Set{{StorageClassMapping: test.mapping}},
				}, w.Files)
				if err != nil || len(result.Volumes) != 1 {
					t.Fatal(err, result.Volumes)
				}
				row := result.Volumes[0]
				if row.State == volumework.Lost != (test.blames != "") || !strings.Contains(row.Message, test.blames) {
					t.Errorf("dry run %v: %+v", dry, row)
				}
				if !dry {
					continue
				}
				conflicts := result.Preview.Counts[preview.Conflict]
				if text := strings.Join(result.Preview.Problems, "\n"); !strings.Contains(text, test.blames) || (text == "") != (test.blames == "") ||
					(conflicts > 0) != (test.blames != "") || result.Preview.Refused {
					t.Errorf("a dry run says %q, %d conflicts", text, conflicts)
				}
			}
			if (makes.asked["data"] > 0) != (test.blames == "") {
				t.Errorf("asked for: %v", makes.asked)
			}
		})
	}
}

// snapshots backs up every claim by a snapshot, without a cluster.
type snapshots struct{ taken }

func (snapshots) Look(ctx context.Context, claims []core.Key) (volumeplan.Facts, error) {
	facts, err := taken{}.Look(ctx, claims)
	facts.Providers = []volumeplan.Provider{{Name: "disks", NeedsSnapshot: true}}
	facts.Classes = []volumeplan.Class{{Name: "disks", Driver: "disks.example.com"}}
	return facts, err
}
