package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
)

func claim(name, class, mode string, source object) object {
	spec := object{
		"accessModes": []string{"ReadWriteOnce"}, "storageClassName": class, "volumeMode": mode,
		"resources": object{"requests": object{"storage": "1Mi"}},
	}
	if source != nil {
		spec["dataSource"] = source
	}
	return object{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": object{"name": name}, "spec": spec}
}

func snapshot(name, claim, class string) object {
	return object{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": object{"name": name},
		"spec": object{"volumeSnapshotClassName": class, "source": object{"persistentVolumeClaimName": claim}},
	}
}

func fromSnapshot(name string) object {
	return object{"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name}
}

// withClaim gives a pod the volume of a claim, at /data or as /dev/data.
func withClaim(name, mode string) func(spec, container object) {
	return func(spec, container object) {
		spec["volumes"] = []object{{"name": "data", "persistentVolumeClaim": object{"claimName": name}}}
		if mode == "Block" {
			container["volumeDevices"] = []object{{"name": "data", "devicePath": "/dev/data"}}
			return
		}
		container["volumeMounts"] = []object{{"name": "data", "mountPath": "/data"}}
	}
}

// TestVolumesOfPods has pods write to volumes of every sort, cuts snapshots
// while they do, and reads them in pods on the other node.
func TestVolumesOfPods(t *testing.T) {
	f := newFleet(t)
	before := takeCensus(t, f.folder)
	c := f.up(t, "default", "--csi", "--nodes", "2")
	if took := c.state(t).ReadySeconds; took > 30 {
		t.Errorf("it was up after %.1f s", took)
	}
	c.apply(t, claim("files", "shared", "Filesystem", nil), claim("late", "local-wait", "Filesystem", nil), claim("disk", "shared", "Block", nil),
		pod("writer", []string{"append", "--count=0", "--every=1ms", "/data/log", "line"}, withClaim("files", "Filesystem")),
		server("pinned", withClaim("late", "Filesystem")),
		server("block", withClaim("disk", "Block"), onNode("node-2")))
	c.untilReady(t, "writer", "pinned", "block")
	c.apply(t, snapshot("files", "files", "shared"), snapshot("disk", "disk", "shared"))
	c.must(t, "wait", "volumesnapshot", "--all", "--for=jsonpath={.status.readyToUse}=true", "--timeout=50s")
	wantWholeLines(t, c.layout.Storage())

	c.apply(t, claim("files-back", "shared", "Filesystem", fromSnapshot("files")), claim("disk-back", "shared", "Block", fromSnapshot("disk")),
		pod("sum", []string{"checksum", "/data/log"}, withClaim("files-back", "Filesystem"), onNode("node-1"), never),
		server("block-back", withClaim("disk-back", "Block"), onNode("node-1")))
	if out := c.untilDone(t, "sum"); !strings.Contains(out, "/data/log") {
		t.Errorf("the checksum is %q", out)
	}
	c.untilReady(t, "block-back")
	late := c.must(t, "get", "pv", "-o", `jsonpath={.items[?(@.spec.claimRef.name=="late")].spec.nodeAffinity}`)
	if node := c.must(t, "get", "pod", "pinned", "-o", "jsonpath={.spec.nodeName}"); !strings.Contains(late, driver.NodeKey) || !strings.Contains(late, node) {
		t.Errorf("a volume of %s is of %s", node, late)
	}
	f.must(t, "down")
	wantSame(t, before, f.folder)
	wantEmpty(t, f.folder)
}

// wantWholeLines wants the file in the only snapshot of files to end with a whole
// line: no write was cut in two.
func wantWholeLines(t *testing.T, storage string) {
	t.Helper()
	logs := glob(t, filepath.Join(storage, "shared", "snapshots", "*", "data", "log"))
	if len(logs) != 1 {
		t.Fatalf("the snapshots of files are %v", logs)
	}
	content, err := os.ReadFile(logs[0])
	if err != nil || len(content) == 0 || content[len(content)-1] != '\n' {
		t.Errorf("the snapshot's file ends with %q: %v", content[max(0, len(content)-50):], err)
	}
}
