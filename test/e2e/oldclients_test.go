package e2e_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestOldClients: what clients that were generated from old Go types send is accepted and runs. They write out every
// struct, empty as it is.
func TestOldClients(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}})
	w.createOld(`
apiVersion: kahu.io/v1beta1
kind: Backup
metadata: {name: old, creationTimestamp: null}
spec:
  metadataLocation: main
  reclaimPolicy: {}
  hook: {resources: null}
  includeNamespaces: [` + namespace + `]
  excludeNamespaces: null
  includeResources: [{kind: ConfigMap, name: "", isRegex: false}]
  excludeResources: null
  label: null
  volumeBackupLocations: null
  enableMetadataBackup: true
  enableVolumeBackup: false
status: {}
`)
	backup := w.awaitBackup("old")
	if backup.Status.State != kahuv1.StateCompleted || backup.Status.Counts.Warnings != 0 {
		t.Fatalf("the backup is %s: %s %v", backup.Status.State, backup.Status.FailureReason, backup.Status.Warnings)
	}
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.createOld(`
apiVersion: kahu.io/v1beta1
kind: Restore
metadata: {name: old, creationTimestamp: null}
spec:
  backupName: old
  includeNamespaces: null
  labelSelector: null
  namespaceMapping: null
  resourcePrefix: ""
  preserveNodePort: false
  hook: {resources: null}
status: {}
`)
	restore := w.awaitRestore("old")
	if restore.Status.State != kahuv1.StateCompleted || !w.get(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}) {
		t.Errorf("the restore is %s: %s", restore.Status.State, restore.Status.FailureReason)
	}
}

// createOld creates an object as it stands.
func (a *api) createOld(text string) {
	a.t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		a.t.Fatal(err)
	}
	a.create(object)
}
