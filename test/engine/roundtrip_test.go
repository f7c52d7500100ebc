package engine_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine/location"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestWholeClusterThereAndBack(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	client := kubernetes.NewForConfigOrDie(testcluster.Config(t))
	wanted := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "settings", Namespace: namespace, Labels: map[string]string{"a": "b"}},
		Data:       map[string]string{"key": "value"},
	}
	if _, err := client.CoreV1().ConfigMaps(namespace).Create(t.Context(), wanted, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	result, err := w.backup("whole", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !result.Manifest.Complete || result.Manifest.Counts.Objects == 0 {
		t.Fatalf("backup: complete %t with %d objects: %v", result.Manifest.Complete, result.Manifest.Counts.Objects, result.Missing)
	}
	t.Logf("counts %+v, sizes %+v, %d segments, warnings %v", result.Manifest.Counts, result.Manifest.Sizes,
		len(result.Manifest.Segments), result.Warnings)

	mapped := namespace + "-copy"
	restored, err := w.restore("whole", selection.Filters{IncludeNamespaces: []string{namespace}},
		transform.Options{NamespaceMapping: map[string]string{namespace: mapped}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.CoreV1().Namespaces().Delete(t.Context(), mapped, metav1.DeleteOptions{})
	})
	if restored.FailedTotal > 0 {
		t.Fatalf("failed: %+v", restored.Failed)
	}
	t.Logf("restored %+v, warnings %v", restored.Counts, restored.Warnings)
	found, err := client.CoreV1().ConfigMaps(mapped).Get(t.Context(), "settings", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if found.Data["key"] != "value" || found.Labels["a"] != "b" {
		t.Errorf("got %v and %v", found.Data, found.Labels)
	}

	again, err := w.restore("whole", selection.Filters{}, transform.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("restored again %+v, warnings %v, failed %+v", again.Counts, again.Warnings, again.Failed)
	if again.Counts.Created > 0 || again.FailedTotal > 0 {
		t.Errorf("restoring over what is there created %d and failed for %d", again.Counts.Created, again.FailedTotal)
	}
	_ = location.ErrNotOwner
}
