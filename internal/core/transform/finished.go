package transform

import "github.com/soda-cdm/kahu/internal/core"

// Finished tells whether an object, as it was read, is a Job or a Pod that had finished: created anew, it would run again.
func Finished(kind core.Kind, object map[string]any) bool {
	switch kind.GroupResource().String() {
	case "jobs.batch":
		return jobFinished(object)
	case "pods":
		phase := text(object, "status", "phase")
		return phase == "Succeeded" || phase == "Failed"
	}
	return false
}

func jobFinished(job map[string]any) bool {
	for _, condition := range list(child(job, "status"), "conditions") {
		if kind := text(condition, "type"); kind != "Complete" && kind != "Failed" {
			continue
		}
		if text(condition, "status") == "True" {
			return true
		}
	}
	return false
}

// Holds tells whether objects of the kind are held while they are created, where they had finished.
func Holds(kind core.Kind) bool { return kind.GroupResource().String() == "jobs.batch" }

// Hold suspends a Job that is about to be created, so that it runs nothing before its status says that it had finished.
func Hold(job map[string]any) {
	if spec := child(job, "spec"); spec != nil {
		spec["suspend"] = true
	}
}

// Release returns the patch that makes a Job that was held what it is now; nothing for one that cannot be held.
func Release(job map[string]any) map[string]any {
	spec := child(job, "spec")
	if spec == nil {
		return nil
	}
	suspended, _ := spec["suspend"].(bool)
	return map[string]any{"spec": map[string]any{"suspend": suspended}}
}
