package archive_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

func TestNamesOfVolumesAreInTheDetails(t *testing.T) {
	manifest := withVolumes()
	rows, names := archive.WithoutVolumeNames(manifest.Volumes)
	if rows[0].VolumeNames != (archive.VolumeNames{}) || rows[0].Handle != "snap-1" || manifest.Volumes[0].Name != "data-0" {
		t.Fatalf("%+v of %+v", rows, manifest.Volumes)
	}
	sealed := manifest
	sealed.Volumes = rows
	details := archive.Details{ID: manifest.ID, Backup: manifest.Backup, Missing: manifest.Missing, Volumes: names}
	if err := details.Complete(&sealed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(manifest.Volumes, sealed.Volumes); diff != "" || rows[0].Name != "" {
		t.Errorf("%s, %+v", diff, rows)
	}
	details.Volumes = nil
	if err := details.Complete(&sealed); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("details that name no volume: %v", err)
	}
}

func TestNamesOfAKind(t *testing.T) {
	builder := must(archive.NewIndexBuilder(0))(t)
	claims := core.Kind{Version: "v1", Name: "PersistentVolumeClaim", Resource: "persistentvolumeclaims", Namespaced: true}
	for _, of := range []struct {
		kind            core.Kind
		namespace, name string
	}{{claims, "shop", "b"}, {configMaps, "shop", "x"}, {claims, "bar", "z"}, {claims, "shop", "a"}, {claims, "shop", "b"}} {
		record := archive.Record{
			Kind: of.kind, Namespace: of.namespace, Name: of.name, UID: "u", ResourceVersion: "1", Reason: core.Selected,
			Digest: archive.DigestOf(nil), Offset: 512, Length: 10, Frame: archive.FrameRef{Length: 100, Segment: archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: 1}.Name()},
		}
		if err := builder.Add(record); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	for range 2 { // It can be asked again.
		found = nil
		err := builder.Names(schema.GroupResource{Resource: "persistentvolumeclaims"}, func(namespace, name string) error {
			found = append(found, namespace+"/"+name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"bar/z", "shop/a", "shop/b"}, found); diff != "" {
		t.Error(diff)
	}
}
