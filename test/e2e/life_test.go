package e2e_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestThereAndBack(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}})
	w.completedBackup("one", func(spec *kahuv1.BackupSpec) { spec.IncludeNamespaces = []string{namespace} })
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	restore := w.completedRestore("one", "one", nil)
	t.Logf("%+v %v", restore.Status.Counts, restore.Status.Warnings)
	found := &corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}
	if !w.get(found) || found.Data["a"] != "b" {
		t.Errorf("the config map is not as it was: %v", found.Data)
	}
}
