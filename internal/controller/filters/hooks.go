package filters

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

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

// OfRestoreHook returns the sets of commands of a Restore, or an error that names the field.
func OfRestoreHook(spec *kahuv1.RestoreHook) ([]hook.Set, error) {
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
		for j, step := range from.Post {
			if err := addPost(&set, fmt.Sprintf("%s.post[%d]", set.Field, j), step, from.ContinueHookIfContainerNotFound); err != nil {
				return nil, err
			}
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// addPost adds what is asked of a restored pod.
func addPost(set *hook.Set, field string, step kahuv1.RestoreHookStep, skipMissing bool) error {
	if exec := step.Exec; exec != nil {
		set.Post = append(set.Post, hook.Command{
			Origin: field + ".exec", Container: exec.Container, Words: exec.Command,
			Continue: exec.OnError == kahuv1.HookErrorModeContinue, SkipMissing: skipMissing,
			Timeout: cmp.Or(exec.Timeout.Duration, hook.DefaultTimeout), Wait: cmp.Or(exec.WaitTimeout.Duration, hook.DefaultWait),
		})
	}
	if step.Init == nil || len(step.Init.InitContainers) == 0 {
		return nil
	}
	init := hook.Init{Origin: field + ".init", Timeout: cmp.Or(step.Init.Timeout.Duration, hook.DefaultInit)}
	for i := range step.Init.InitContainers {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&step.Init.InitContainers[i])
		if err != nil {
			return fmt.Errorf("%s.init.initContainers[%d]: %w", field, i, err)
		}
		init.Containers = append(init.Containers, content)
	}
	set.Init = append(set.Init, init)
	return nil
}
