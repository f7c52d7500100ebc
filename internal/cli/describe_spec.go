package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// chosen are the filters of a run.
type chosen struct {
	includeNamespaces, excludeNamespaces []string
	includeResources, excludeResources   []kahuv1.ResourceFilter
	selector                             *metav1.LabelSelector
	references                           []kahuv1.Reference
}

// filters writes what a run chooses, in the words of the flags. Of a run that chooses everything nothing is written.
func (d *description) filters(of chosen) {
	d.line("Include namespaces", strings.Join(of.includeNamespaces, ", "))
	d.line("Exclude namespaces", strings.Join(of.excludeNamespaces, ", "))
	d.line("Include resources", strings.Join(resourceWords(of.includeResources), ", "))
	d.line("Exclude resources", strings.Join(resourceWords(of.excludeResources), ", "))
	if of.selector != nil {
		d.line("Selector", metav1.FormatLabelSelector(of.selector))
	}
	var references []string
	for _, reference := range of.references {
		references = append(references, strings.TrimSpace(reference.From+" "+reference.Path+" "+reference.Kind))
	}
	d.block("References", references)
}

// resourceWords are filters as the flags write them.
func resourceWords(filters []kahuv1.ResourceFilter) []string {
	var words []string
	for _, filter := range filters {
		word, name := filter.Kind, filter.Name
		switch {
		case filter.IsRegex && name == "":
			word = "~" + word
		case filter.IsRegex:
			name = "~" + name
		}
		if name != "" {
			word += "/" + name
		}
		words = append(words, word)
	}
	return words
}

// mapped writes a mapping, a line for each name.
func (d *description) mapped(title string, mapping map[string]string) {
	var lines []string
	for _, from := range slices.Sorted(maps.Keys(mapping)) {
		lines = append(lines, from+" -> "+mapping[from])
	}
	d.block(title, lines)
}

// backupSpec writes what was asked for.
func (d *description) backupSpec(spec *kahuv1.BackupSpec) {
	d.filters(chosen{
		spec.IncludeNamespaces, spec.ExcludeNamespaces, spec.IncludeResources, spec.ExcludeResources, spec.Label, spec.References,
	})
	if spec.EnableVolumeBackup != nil && !*spec.EnableVolumeBackup {
		d.line("Volume data", "not backed up")
	}
	var rules []string
	for i := range spec.VolumeRules {
		rules = append(rules, volumeRuleText(&spec.VolumeRules[i]))
	}
	d.block("Volume rules", rules)
}

// volumeRuleText says in a line what a rule does with which claims.
func volumeRuleText(rule *kahuv1.VolumeRule) string {
	does := []string{string(rule.Action)}
	add := func(words *[]string, title, text string) {
		if text != "" {
			*words = append(*words, title+" "+text)
		}
	}
	add(&does, "by way", string(rule.Way))
	add(&does, "by provider", rule.ProviderName)
	add(&does, "with snapshot class", rule.SnapshotClass)
	add(&does, "in a group:", string(rule.GroupSnapshot))
	add(&does, "with group snapshot class", rule.GroupSnapshotClass)
	var of []string
	add(&of, "namespaces", strings.Join(rule.Namespaces, ", "))
	add(&of, "claims", strings.Join(rule.Claims, ", "))
	add(&of, "storage classes", strings.Join(rule.StorageClasses, ", "))
	add(&of, "drivers", strings.Join(rule.Drivers, ", "))
	add(&of, "volume mode", string(rule.VolumeMode))
	if rule.LabelSelector != nil {
		add(&of, "labels", metav1.FormatLabelSelector(rule.LabelSelector))
	}
	for _, key := range slices.Sorted(maps.Keys(rule.Annotations)) {
		add(&of, "annotation", key+"="+rule.Annotations[key])
	}
	add(&of, "at least", string(rule.MinSize))
	add(&of, "at most", string(rule.MaxSize))
	if len(of) == 0 {
		of = []string{"all"}
	}
	return strings.Join(does, " ") + ": " + strings.Join(of, "; ")
}

// restoreSpec writes what was asked for.
func (d *description) restoreSpec(spec *kahuv1.RestoreSpec) {
	d.filters(chosen{
		spec.IncludeNamespaces, spec.ExcludeNamespaces, spec.IncludeResources, spec.ExcludeResources, spec.LabelSelector, spec.References,
	})
	if spec.IncludeClusterResource != nil {
		d.line("Cluster scope", *spec.IncludeClusterResource)
	}
	d.line("Existing objects", spec.ExistingResourcePolicy)
	d.line("Prefix", spec.ResourcePrefix)
	d.mapped("Namespaces mapped", spec.NamespaceMapping)
	d.line("Transform sets", strings.Join(spec.TransformSets, ", "))
	d.mapped("Images mapped", spec.ImageMapping)
	d.mapped("Storage classes mapped", spec.StorageClassMapping)
	var transforms []string
	for i := range spec.Transforms {
		transforms = append(transforms, strings.TrimSpace(fmt.Sprintf("%d. %s", i+1, spec.Transforms[i].Name)))
	}
	d.block("Transforms", transforms)
	var allowed []string
	for _, each := range []struct {
		is   bool
		word string
	}{
		{spec.PreserveNodePort, "node ports kept"},
		{spec.PreserveClusterIPAddr, "cluster addresses kept"},
		{spec.AllowIncomplete, "incomplete backups allowed"},
		{spec.AllowUnknownSigner, "unknown signers allowed"},
		{spec.FinishedJobs == kahuv1.FinishedJobsRunAgain, "finished jobs run again"},
		{spec.RestoreStatus != nil, "status restored"},
	} {
		if each.is {
			allowed = append(allowed, each.word)
		}
	}
	d.line("Besides", strings.Join(allowed, ", "))
}
