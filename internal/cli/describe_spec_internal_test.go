package cli

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestVolumeRuleText: a rule is told in a line, with all that it says.
func TestVolumeRuleText(t *testing.T) {
	cases := map[string]kahuv1.VolumeRule{
		"Skip: all": {Action: kahuv1.VolumeActionSkip},
		"Skip: namespaces a, b*; at most 1Gi": {
			Action: kahuv1.VolumeActionSkip, Namespaces: []string{"a", "b*"}, MaxSize: "1Gi",
		},
		"Backup by way Snapshot by provider csi with snapshot class fast: claims c; storage classes s; drivers d; volume mode Block; labels app=db; " +
			"annotation k=v; at least 1Ki": {
			Action: kahuv1.VolumeActionBackup, Way: kahuv1.VolumeWaySnapshot, ProviderName: "csi", SnapshotClass: "fast",
			Claims: []string{"c"}, StorageClasses: []string{"s"}, Drivers: []string{"d"}, VolumeMode: "Block", MinSize: "1Ki",
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, Annotations: map[string]string{"k": "v"},
		},
	}
	for want, rule := range cases {
		if got := volumeRuleText(&rule); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
