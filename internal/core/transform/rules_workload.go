package transform

import "reflect"

// podRule takes a pod off its node, and takes out what admission computes and refuses where it would compute something
// else. The volume with the service account's token stays: admission finds it mounted and adds no other one.
func podRule(e *edit) {
	e.remove("the scheduler chooses a node of this cluster", "spec", "nodeName")
	priorityRule(e)
	e.remove("admission takes it from the priority class", "spec", "preemptionPolicy")
	e.remove("admission takes it from the runtime class", "spec", "overhead")
	e.remove("the API server accepts them in running pods only", "spec", "ephemeralContainers")
}

func podGroupRule(e *edit) { priorityRule(e) }

func priorityRule(e *edit) {
	e.remove("admission takes it from the priority class", "spec", "priority")
}

const (
	labelJobName             = "batch.kubernetes.io/job-name"
	labelJobNameLegacy       = "job-name"
	labelControllerUID       = "batch.kubernetes.io/controller-uid"
	labelControllerUIDLegacy = "controller-uid"
)

// jobRule takes out the selector that the API server made of the UID of the old Job; it makes one for the new Job, and
// refuses labels that do not fit to it.
//
// A Job that was made without labels has those of its pod template, with what the API server added to them. So that
// the new one gets them in the same way, they go altogether, and with the UIDs the names in the template, which are
// written again as well.
func jobRule(e *edit) {
	if manual, _ := child(e.object, "spec")["manualSelector"].(bool); manual {
		return
	}
	own := child(e.object, "metadata", "labels")
	template := child(e.object, "spec", "template", "metadata", "labels")
	if own[labelControllerUIDLegacy] != nil && reflect.DeepEqual(own, template) {
		e.remove("the new Job gets the labels of its template, as the old one did", "metadata", "labels")
	}
	e.removeFrom(child(e.object, "metadata", "labels"), "metadata.labels", "it is the identity of the old Job",
		labelControllerUID, labelControllerUIDLegacy)
	e.removeFrom(child(e.object, "spec", "selector", "matchLabels"), "spec.selector.matchLabels",
		"the API server makes it of the UID of the new Job", labelControllerUID, labelControllerUIDLegacy)
	e.removeFrom(template, "spec.template.metadata.labels", "the API server writes it for the new Job",
		labelControllerUID, labelControllerUIDLegacy, labelJobName, labelJobNameLegacy)
}
