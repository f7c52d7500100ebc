package backup

import (
	"slices"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// stages are those of a backup, in the order in which they come: hooks hold applications still when the objects are copied, and have
// them go on before the data of volumes is moved.
func stages() []kahuv1.Stage {
	return []kahuv1.Stage{
		"", kahuv1.StageInitial, kahuv1.StageResources, kahuv1.StagePreHook, kahuv1.StagePostHook, kahuv1.StageVolumes, kahuv1.StageFinished,
	}
}

// reach says in the status that this part of the run has begun. Whoever goes on with a run does again what comes before; the stage stays
// the furthest one.
func reach(status *kahuv1.BackupStatus, stage kahuv1.Stage) {
	if slices.Index(stages(), status.Stage) < slices.Index(stages(), stage) {
		status.Stage = stage
	}
}

// doing says what goes on in a run whose volumes are not moved yet.
func doing(status *kahuv1.BackupStatus) string {
	hooks := status.Hooks
	switch {
	case hooks == nil || hooks.CompletionTimestamp != nil || hooks.Attempt != status.Attempt:
		return "Objects are being copied."
	case hooks.CutCompletionTimestamp == nil:
		return "Applications are held still by hooks while the volumes are cut."
	}
	return "Hooks have applications go on, as the volumes are cut."
}
