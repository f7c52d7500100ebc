package cli

import (
	"fmt"
	"time"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// hooks writes what came of the commands in pods.
func (d *description) hooks(hooks *kahuv1.BackupHooks) {
	if hooks == nil {
		return
	}
	d.block("Hooks", append([]string{hooksText(hooks)}, failedHooks(hooks)...))
}

// hooksText says in a line what came of the commands in pods.
func hooksText(hooks *kahuv1.BackupHooks) string {
	in := plural(hooks.Pods, "pod")
	if hooks.CompletionTimestamp == nil {
		return fmt.Sprintf("begun in %s; those after the cut are owed", in)
	}
	text := fmt.Sprintf("%s in %s, %d failed, quiesced for %s", plural(hooks.Commands, "command"), in, hooks.FailedCommands,
		time.Duration(hooks.QuiescedMilliseconds)*time.Millisecond)
	switch {
	case hooks.CutCompletionTimestamp == nil:
		text += "; the volumes were not cut meanwhile"
	case !hooks.VolumesCut:
		text += "; " + plural(hooks.Uncut, "volume") + " not cut meanwhile"
	}
	return text
}

// completed is the outcome of a hook with which all is well.
const completed = "Completed"

// failedHooks has a line for each container in which something is not well.
func failedHooks(hooks *kahuv1.BackupHooks) []string {
	if hooks.CompletionTimestamp == nil {
		return nil
	}
	return failedRows(hooks.Containers)
}

func failedRows(containers []kahuv1.HookContainer) []string {
	var lines []string
	for _, row := range containers {
		for _, part := range []struct{ when, outcome string }{{"pre", row.Pre}, {"post", row.Post}} {
			if part.outcome != "" && part.outcome != completed {
				lines = append(lines, fmt.Sprintf("%s of %s/%s, container %s: %s: %s", part.when, row.Namespace, row.Pod, row.Container, part.outcome, row.Message))
			}
		}
	}
	return lines
}

// restoreHooks writes what came of the commands in pods around a restore.
func (d *description) restoreHooks(hooks *kahuv1.RestoreHooks) {
	if hooks == nil || hooks.StartTimestamp == nil && hooks.CompletionTimestamp == nil {
		return
	}
	in := plural(hooks.Pods, "pod")
	text := fmt.Sprintf("%s in %s, %d failed", plural(hooks.Commands, "command"), in, hooks.FailedCommands)
	switch {
	case hooks.CompletionTimestamp != nil:
	case hooks.PreTimestamp == nil:
		d.block("Hooks", []string{"begun in " + in})
		return
	default:
		text = "those before have run: " + text
	}
	d.block("Hooks", append([]string{text}, failedRows(hooks.Containers)...))
}
