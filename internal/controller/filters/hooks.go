package filters

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// OfBackupHook returns the sets of commands of a Backup, or an error that names the field.
func OfBackupHook(spec *kahuv1.BackupHook) ([]hook.Set, error) {
	var sets []hook.Set
	for i := range spec.Resources {
		from := &spec.Resources[i]
		set := hook.Set{
			Field: fmt.Sprintf("spec.hook.resources[%d]", i), Name: from.Name,
			Filters: selection.Filters{
				IncludeNamespaces: from.IncludeNamespaces, ExcludeNamespaces: from.ExcludeNamespaces,
				IncludeResources: resources(from.IncludeResources), ExcludeResources: resources(from.ExcludeResources),
			},
		}
		if from.LabelSelector != nil {
			labels, err := metav1.LabelSelectorAsSelector(from.LabelSelector)
			if err != nil {
				return nil, fmt.Errorf("%s.labelSelector: %w", set.Field, err)
			}
			set.Labels = labels
		}
		set.Pre = commands(set.Field+".pre", from.Pre, from.ContinueHookIfContainerNotFound)
		set.Post = commands(set.Field+".post", from.Post, from.ContinueHookIfContainerNotFound)
		sets = append(sets, set)
	}
	return sets, nil
}

// commands are the steps of one moment.
func commands(field string, steps []kahuv1.BackupHookStep, skipMissing bool) []hook.Command {
	var found []hook.Command
	for i, step := range steps {
		if step.Exec == nil {
			continue
		}
		found = append(found, hook.Command{
			Origin: fmt.Sprintf("%s[%d].exec", field, i), Container: step.Exec.Container, Words: step.Exec.Command,
			Continue: step.Exec.OnError == kahuv1.HookErrorModeContinue, SkipMissing: skipMissing,
			Timeout: cmp.Or(step.Exec.Timeout.Duration, hook.DefaultTimeout),
		})
	}
	return found
}
