// Package filters turns the filters of the API's kinds into the words of the core.
package filters

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// OfBackup returns the filters of a Backup, or an error that names the field.
func OfBackup(spec *kahuv1.BackupSpec) (selection.Filters, error) {
	filters := selection.Filters{
		IncludeNamespaces: spec.IncludeNamespaces, ExcludeNamespaces: spec.ExcludeNamespaces,
		IncludeResources: resources(spec.IncludeResources), ExcludeResources: resources(spec.ExcludeResources),
		References: references(spec.References),
	}
	return withLabels(filters, "spec.label", spec.Label)
}

// OfRestore returns the filters of a Restore, or an error that names the field.
func OfRestore(spec *kahuv1.RestoreSpec) (selection.Filters, error) {
	filters := selection.Filters{
		IncludeNamespaces: spec.IncludeNamespaces, ExcludeNamespaces: spec.ExcludeNamespaces,
		IncludeResources: resources(spec.IncludeResources), ExcludeResources: resources(spec.ExcludeResources),
		ClusterResources: spec.IncludeClusterResource, References: references(spec.References),
	}
	return withLabels(filters, "spec.labelSelector", spec.LabelSelector)
}

// OfInspection returns the filters of a question about the objects of a backup.
func OfInspection(spec *kahuv1.InspectionSpec) selection.Filters {
	return selection.Filters{
		IncludeNamespaces: spec.IncludeNamespaces, IncludeResources: resources(spec.IncludeResources),
	}
}

// OfStatus returns the filters of the objects whose status a Restore restores; nil means none.
func OfStatus(spec *kahuv1.RestoreSpec) *selection.Filters {
	if spec.RestoreStatus == nil {
		return nil
	}
	return &selection.Filters{
		IncludeResources: resources(spec.RestoreStatus.IncludeResources),
		ExcludeResources: resources(spec.RestoreStatus.ExcludeResources),
	}
}

func withLabels(filters selection.Filters, field string, wish *metav1.LabelSelector) (selection.Filters, error) {
	if wish == nil {
		return filters, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(wish)
	if err != nil {
		return selection.Filters{}, fmt.Errorf("%s: %w", field, err)
	}
	if !selector.Empty() {
		filters.Labels = selector
	}
	return filters, nil
}

func resources(from []kahuv1.ResourceFilter) []selection.ResourceFilter {
	filters := make([]selection.ResourceFilter, 0, len(from))
	for _, filter := range from {
		filters = append(filters, selection.ResourceFilter{Name: filter.Name, Kind: filter.Kind, IsRegex: filter.IsRegex})
	}
	return filters
}

func references(from []kahuv1.Reference) []selection.Reference {
	declared := make([]selection.Reference, 0, len(from))
	for _, one := range from {
		declared = append(declared, selection.Reference{
			From: one.From, Path: one.Path, Kind: one.Kind, NamespacePath: one.NamespacePath, Optional: one.Optional,
		})
	}
	return declared
}
