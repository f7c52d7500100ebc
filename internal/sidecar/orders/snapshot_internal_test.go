package orders

import (
	"maps"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestSnapshotAsTheDriverSeesIt: what is not known of a snapshot, the driver is not told.
func TestSnapshotAsTheDriverSeesIt(t *testing.T) {
	size := int64(5)
	cases := map[string]struct {
		of   kahuv1.VolumeSnapshotSource
		want map[string]string
	}{
		"Little": {kahuv1.VolumeSnapshotSource{Driver: "disks"}, map[string]string{"driver": "disks"}},
		"All": {
			kahuv1.VolumeSnapshotSource{
				Driver: "disks", CutTimestamp: metav1.NewMicroTime(time.Unix(1, 5000)), RestoreSize: &size,
				DeletionSecret: &kahuv1.SnapshotSecret{Namespace: "storage", Name: "array"},
			},
			map[string]string{
				"driver": "disks", "cutTime": "1970-01-01T00:00:01.000005Z", "restoreSize": "5",
				"deletionSecretNamespace": "storage", "deletionSecretName": "array",
			},
		},
	}
	for name, c := range cases {
		c.of.Handle = "handle"
		if got := snapshot(&c.of); got.Handle != "handle" || !maps.Equal(got.Attributes, c.want) {
			t.Errorf("%s: got %+v, want %v", name, got, c.want)
		}
	}
}
