package devcluster_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

// drivers is a cluster on loopback with CSI drivers.
type drivers struct {
	clusters clusters
	state    plane.State
}

func upWithDrivers(t *testing.T) drivers {
	t.Helper()
	c := newClusters(t)
	c.must(t, "up", "--csi")
	d := drivers{clusters: c, state: c.status(t, "default")}
	t.Logf("ready after %.1f s", d.state.ReadySeconds)
	return d
}

// apply writes objects, each as one line of JSON.
func (d drivers) apply(t *testing.T, objects ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "objects.json")
	if err := os.WriteFile(path, []byte(strings.Join(objects, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, d.state.Kubeconfig, "apply", "-f", path)
}

func (d drivers) kubectl(t *testing.T, arguments ...string) {
	t.Helper()
	kubectl(t, d.state.Kubeconfig, arguments...)
}

func (d drivers) until(t *testing.T, what, path string) {
	t.Helper()
	d.kubectl(t, "wait", what, "--for=jsonpath="+path, "--timeout=60s")
}

// holds is what devcluster csi list says.
type holds struct {
	Volumes   []heldData `json:"volumes"`
	Snapshots []heldData `json:"snapshots"`
}

type heldData struct {
	ID    string `json:"id"`
	Claim string `json:"claim"`
	Path  string `json:"path"`
}

func (d drivers) holds(t *testing.T) holds {
	t.Helper()
	out, _ := d.clusters.must(t, "csi", "list", "-o", "json")
	var found holds
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return found
}

// path is where the data of a claim's volume are.
func (d drivers) path(t *testing.T, claim string) string {
	t.Helper()
	for _, volume := range d.holds(t).Volumes {
		if volume.Claim == claim {
			return volume.Path
		}
	}
	t.Fatalf("no volume is of claim %s", claim)
	return ""
}

func claim(name, class, source string) string {
	return `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"` + name + `","labels":{"of":"` + class + `"}},"spec":{
		"accessModes":["ReadWriteOnce"],"storageClassName":"` + class + `","resources":{"requests":{"storage":"1Mi"}}` + source + `}}`
}

func fromSnapshot(name string) string {
	return `,"dataSource":{"apiGroup":"snapshot.storage.k8s.io","kind":"VolumeSnapshot","name":"` + name + `"}`
}

func snapshot(name, claim string) string {
	return `{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshot","metadata":{"name":"` + name + `"},"spec":{
		"source":{"persistentVolumeClaimName":"` + claim + `"}}}`
}

const (
	bound = "{.status.phase}=Bound"
	ready = "{.status.readyToUse}=true"
)

func writeInto(t *testing.T, folder, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "record"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantWithin(t *testing.T, folder, text string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(folder, "record")); string(got) != text {
		t.Errorf("in %s is %q, want %q: %v", folder, got, text, err)
	}
}

// TestSnapshotsWithoutNodes goes the way of a backup and a restore.
func TestSnapshotsWithoutNodes(t *testing.T) {
	d := upWithDrivers(t)
	d.apply(t, claim("data", "shared", ""), claim("more", "shared", ""), claim("other", "local", ""))
	for _, name := range []string{"data", "more", "other"} {
		d.until(t, "pvc/"+name, bound)
		writeInto(t, d.path(t, "default/"+name), "before in "+name)
	}
	d.apply(t, snapshot("data", "data"), snapshot("other", "other"),
		`{"apiVersion":"groupsnapshot.storage.k8s.io/v1","kind":"VolumeGroupSnapshot","metadata":{"name":"both"},"spec":{
			"source":{"selector":{"matchLabels":{"of":"shared"}}},"volumeGroupSnapshotClassName":"shared"}}`)
	d.until(t, "volumesnapshot/data", ready)
	d.until(t, "volumesnapshot/other", ready)
	d.until(t, "volumegroupsnapshot/both", ready)
	if held := d.holds(t); len(held.Snapshots) != 4 {
		t.Errorf("the drivers hold %+v, want two snapshots and a group of two", held.Snapshots)
	}
	for _, name := range []string{"data", "more", "other"} {
		writeInto(t, d.path(t, "default/"+name), "after in "+name)
	}
	d.apply(t, claim("data-back", "shared", fromSnapshot("data")), claim("other-back", "local", fromSnapshot("other")),
		claim("clone", "shared", `,"dataSource":{"kind":"PersistentVolumeClaim","name":"more"}`))
	for name, want := range map[string]string{"data-back": "before in data", "other-back": "before in other", "clone": "after in more"} {
		d.until(t, "pvc/"+name, bound)
		wantWithin(t, d.path(t, "default/"+name), want)
	}
	d.kubectl(t, "delete", "volumesnapshot,volumegroupsnapshot,pvc", "--all", "--timeout=60s")
	d.kubectl(t, "wait", "pv", "--all", "--for=delete", "--timeout=60s")
	d.kubectl(t, "wait", "volumesnapshotcontent", "--all", "--for=delete", "--timeout=60s")
	if left := d.holds(t); len(left.Volumes)+len(left.Snapshots) > 0 {
		t.Errorf("the drivers still hold %+v", left)
	}
}
