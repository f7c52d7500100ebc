package e2e_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestProcessTree backs up and restores with the real processes.
func TestProcessTree(t *testing.T) {
	w, _ := newFileWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}})
	w.completedBackup("tree", only(namespace))
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	w.completedRestore("tree", "tree", nil)
	found := &corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}
	if !w.get(found) || found.Data["a"] != "b" {
		t.Errorf("the config map is not as it was: %v", found.Data)
	}
}
