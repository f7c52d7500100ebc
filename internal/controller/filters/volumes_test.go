package filters_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// TestOfVolumes: each field of a rule reaches the planner, and a selector that is none is told by the name of its field.
func TestOfVolumes(t *testing.T) {
	rule := kahuv1.VolumeRule{
		Namespaces: []string{"shop"}, Claims: []string{"data-*"}, StorageClasses: []string{"fast"}, Drivers: []string{"disks"}, VolumeMode: "Block",
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, Annotations: map[string]string{"a": "b"},
		MinSize: "1Ki", MaxSize: "2k",
		Action: kahuv1.VolumeActionBackup, Way: kahuv1.VolumeWaySnapshot, ProviderName: "csi", SnapshotClass: "snap",
	}
	spec := &kahuv1.BackupSpec{
		VolumeBackupLocations: []string{"vault"},
		VolumeRules:           []kahuv1.VolumeRule{rule, {Action: kahuv1.VolumeActionSkip}},
	}
	got, err := filters.OfVolumes(spec)
	if err != nil {
		t.Fatal(err)
	}
	want := volumeplan.Settings{Locations: []string{"vault"}, Rules: []volumeplan.Rule{
		{
			Namespaces: []string{"shop"}, Claims: []string{"data-*"}, StorageClasses: []string{"fast"}, Drivers: []string{"disks"}, Mode: "Block",
			Annotations: map[string]string{"a": "b"}, MinSize: 1024, MaxSize: 2000,
			Action: volumeplan.BackUp, Way: volumeplan.Snapshot, Provider: "csi", SnapshotClass: "snap",
		},
		{Action: volumeplan.Skip},
	}}
	if selected := got.Rules[0].Labels; selected == nil || !selected.Matches(labels.Set{"app": "db"}) || selected.Matches(labels.Set{}) {
		t.Errorf("the labels are %v", selected)
	}
	got.Rules[0].Labels = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	spec.VolumeRules[1].LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}
	if _, err := filters.OfVolumes(spec); err == nil || !strings.Contains(err.Error(), "spec.volumeRules[1].labelSelector") {
		t.Errorf("err = %v", err)
	}
}
