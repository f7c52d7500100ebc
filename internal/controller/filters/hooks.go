package filters

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// OfBackupHook returns the sets of commands of a Backup, or an error that names the field.
func OfBackupHook(spec *kahuv1.BackupHook) ([]hook.Set, error) {
	var sets []hook.Set
	for i := range spec.Resources {
		from := &spec.Resources[i]
		set, err := setOf(i, kahuv1.RestoreResourceHook{
			Name: from.Name, IncludeNamespaces: from.IncludeNamespaces, ExcludeNamespaces: from.ExcludeNamespaces,
			IncludeResources: from.IncludeResources, ExcludeResources: from.ExcludeResources, LabelSelector: from.LabelSelector,
			ContinueHookIfContainerNotFound: from.ContinueHookIfContainerNotFound, Pre: from.Pre,
		})
		if err != nil {
			return nil, err
		}
		set.Post = commands(set.Field+".post", from.Post, from.ContinueHookIfContainerNotFound)
		sets = append(sets, set)
	}
	return sets, nil
}

// setOf returns what the sets of both kinds have in common: all but the commands after.
func setOf(number int, from kahuv1.RestoreResourceHook) (hook.Set, error) {
	set := hook.Set{
		Field: fmt.Sprintf("spec.hook.resources[%d]", number), Name: from.Name,
		Filters: selection.Filters{
			IncludeNamespaces: from.IncludeNamespaces, ExcludeNamespaces: from.ExcludeNamespaces,
			IncludeResources: resources(from.IncludeResources), ExcludeResources: resources(from.ExcludeResources),
		},
	}
	if from.LabelSelector != nil {
		labels, err := metav1.LabelSelectorAsSelector(from.LabelSelector)
		if err != nil {
			return set, fmt.Errorf("%s.labelSelector: %w", set.Field, err)
		}
		set.Labels = labels
	}
	set.Pre = commands(set.Field+".pre", from.Pre, from.ContinueHookIfContainerNotFound)
	return set, nil
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
		set, err := setOf(i, *from)
		if err != nil {
			return nil, err
		}
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
	if step.Init == nil {
		return nil
	}
	containers, err := initContainers(step.Init.InitContainers.Raw)
	if err != nil {
		return fmt.Errorf("%s.init.initContainers: %w", field, err)
	}
	if len(containers) > 0 {
		timeout := cmp.Or(step.Init.Timeout.Duration, hook.DefaultInit)
		set.Init = append(set.Init, hook.Init{Origin: field + ".init", Containers: containers, Timeout: timeout})
	}
	return nil
}

// maxInitContainers bounds those of one step.
const maxInitContainers = 32

// initContainers reads a list of containers, of which the definition of Restore knows nothing.
func initContainers(raw []byte) ([]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	var typed []corev1.Container
	if err := strict.Decode(&typed); err != nil {
		return nil, fmt.Errorf("it is not a list of containers: %w", err)
	}
	if len(typed) > maxInitContainers {
		return nil, fmt.Errorf("%d containers are more than %d", len(typed), maxInitContainers)
	}
	var containers []any
	if err := utiljson.Unmarshal(raw, &containers); err != nil {
		return nil, fmt.Errorf("it is not a list of containers: %w", err)
	}
	return containers, nil
}
