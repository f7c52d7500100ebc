package e2e_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestCompressionOfALocation: a change of the level counts from the next backup on, and both can be restored.
func TestCompressionOfALocation(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	random, text := rand.New(rand.NewPCG(1, 1)), &strings.Builder{}
	for range 60_000 {
		_, _ = text.WriteString(strconv.Itoa(random.IntN(5_000)) + " ")
	}
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "text"), Data: map[string]string{"text": text.String()}})
	sizes := map[kahuv1.CompressionLevel]int64{}
	for _, level := range []kahuv1.CompressionLevel{"", kahuv1.CompressionSmallest} {
		location := &kahuv1.BackupLocation{ObjectMeta: named("main")}
		w.get(location)
		location.Spec.Compression.Level = level
		if err := w.client.Update(t.Context(), location); err != nil {
			t.Fatal(err)
		}
		name := "level" + strings.ToLower(string(level))
		sizes[level] = w.completedBackup(name, only(namespace)).Status.Sizes.SegmentBytes
		w.create(&kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{
			BackupName: name, NamespaceMapping: map[string]string{namespace: namespace + "-" + name},
		}})
		if restored := w.awaitRestore(name); restored.Status.State != kahuv1.StateCompleted {
			t.Errorf("%s: %s", name, restored.Status.FailureReason)
		}
		copied := &corev1.ConfigMap{ObjectMeta: in(namespace+"-"+name, "text")}
		if !w.get(copied) || copied.Data["text"] != text.String() {
			t.Errorf("%s: the text is not what it was", name)
		}
	}
	if sizes[kahuv1.CompressionSmallest] >= sizes[""] {
		t.Errorf("the segments have %v bytes", sizes)
	}
}
