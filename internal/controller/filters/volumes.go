package filters

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// OfVolumes returns how a Backup wants the data of volumes backed up, or an error that names the field.
func OfVolumes(spec *kahuv1.BackupSpec) (volumeplan.Settings, error) {
	settings := volumeplan.Settings{Locations: spec.VolumeBackupLocations}
	for i := range spec.VolumeRules {
		from := &spec.VolumeRules[i]
		rule := volumeplan.Rule{
			Namespaces: from.Namespaces, Claims: from.Claims, StorageClasses: from.StorageClasses, Drivers: from.Drivers, Mode: string(from.VolumeMode),
			Annotations: from.Annotations, Action: volumeplan.Action(from.Action), Way: volumeplan.Way(from.Way),
			Provider: from.ProviderName, SnapshotClass: from.SnapshotClass,
			Together: volumeplan.Together(from.GroupSnapshot), GroupClass: from.GroupSnapshotClass,
		}
		field := fmt.Sprintf("spec.volumeRules[%d]", i)
		if err := sizes(&rule, from, field); err != nil {
			return volumeplan.Settings{}, err
		}
		if from.LabelSelector != nil {
			labels, err := metav1.LabelSelectorAsSelector(from.LabelSelector)
			if err != nil {
				return volumeplan.Settings{}, fmt.Errorf("%s.labelSelector: %w", field, err)
			}
			rule.Labels = labels
		}
		settings.Rules = append(settings.Rules, rule)
	}
	return settings, nil
}

// sizes sets the bounds of a rule.
func sizes(rule *volumeplan.Rule, from *kahuv1.VolumeRule, field string) error {
	for _, bound := range []struct {
		name string
		said kahuv1.VolumeSize
		set  *int64
	}{{"minSize", from.MinSize, &rule.MinSize}, {"maxSize", from.MaxSize, &rule.MaxSize}} {
		if bound.said == "" {
			continue
		}
		size, err := resource.ParseQuantity(string(bound.said))
		if err != nil {
			return fmt.Errorf("%s.%s: %w", field, bound.name, err)
		}
		*bound.set = size.Value()
	}
	return nil
}
