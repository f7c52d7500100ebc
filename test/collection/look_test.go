package collection_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/properties"
)

// observer looks at a place from outside: whatever it finds out, it reads itself.
type observer struct {
	*site

	t       *testing.T
	cluster uint64 // the seed of its objects
}

// look reads every manifest, and returns those that name what is not there. One that goes meanwhile is none.
func (o observer) look() []string {
	o.t.Helper()
	manifests := o.manifests()
	there := map[string]int64{}
	for _, file := range o.list("") {
		there[file.Name] = file.Size
	}
	var violations []string
	for _, manifest := range manifests {
		for _, file := range manifest.Files() {
			if size, is := there[file.Name]; is && size == file.Size {
				continue
			}
			if _, err := engine.ReadManifest(o.t.Context(), o.files.Store, manifest.ID); err == nil {
				violations = append(violations, fmt.Sprintf("%s: %s names %s", o.name, manifest.ID.Name, file.Name))
			}
		}
	}
	return violations
}

func (o observer) manifests() []archive.Manifest {
	o.t.Helper()
	var manifests []archive.Manifest
	for _, file := range o.list(archive.ClustersFolder) {
		id, is := archive.ParseManifestName(file.Name)
		if !is {
			continue
		}
		manifest, err := engine.ReadManifest(o.t.Context(), o.files.Store, id)
		if errors.Is(err, core.ErrNotFound) {
			continue
		}
		if err != nil {
			o.t.Fatal(err)
		}
		manifests = append(manifests, manifest)
	}
	return manifests
}

func (o observer) list(prefix string) []core.FileInfo {
	o.t.Helper()
	var found []core.FileInfo
	err := o.files.Store.List(o.t.Context(), prefix, func(file core.FileInfo) error {
		found = append(found, file)
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return found
}

// debris returns what nothing leads to.
func (o observer) debris() []string {
	o.t.Helper()
	var names []string
	for _, file := range o.list("") {
		names = append(names, file.Name)
	}
	return properties.Debris(o.t.Context(), o.files.Store, names)
}

// restore restores every backup, and returns how many there are: each is the cluster at its age.
func (o observer) restore() int {
	o.t.Helper()
	manifests := o.manifests()
	for _, manifest := range manifests {
		var of about
		if err := json.Unmarshal(manifest.Backup, &of); err != nil {
			o.t.Fatal(err)
		}
		cluster, err := clusterAt(o.t.Context(), o.cluster, of.Age)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, wrong := range properties.Whole(o.t.Context(), o.files.Store, manifest.ID, cluster.Contents()) {
			o.t.Errorf("%s at %s: %s", manifest.ID.Name, o.name, wrong)
		}
	}
	return len(manifests)
}

// lose loses the records of all runs that did not finish.
func (o observer) lose() {
	o.t.Helper()
	all, err := o.records.all()
	if err != nil {
		o.t.Fatal(err)
	}
	for _, each := range all {
		if each.State == completed {
			continue
		}
		if err := o.records.lose(each.ID.Name); err != nil {
			o.t.Fatal(err)
		}
	}
}
