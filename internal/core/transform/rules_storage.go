package transform

const (
	annotationBindCompleted     = "pv.kubernetes.io/bind-completed"
	annotationBoundByController = "pv.kubernetes.io/bound-by-controller"
	annotationSelectedNode      = "volume.kubernetes.io/selected-node"
)

// volumeRule leaves a volume reserved for its claim by name: with the UID of a claim that is gone, the volume would be
// released, and by the policy Delete its data deleted.
func volumeRule(e *edit) {
	const path = "spec.claimRef"
	claim := child(e.object, "spec", "claimRef")
	e.removeFrom(claim, path, "it is the identity of the old claim; the volume stays reserved for the new one by name",
		"uid", "resourceVersion")
}

// snapshotContentRule does the same for the content of a snapshot, which belongs to the new snapshot by name.
func snapshotContentRule(e *edit) {
	const path = "spec.volumeSnapshotRef"
	e.removeFrom(child(e.object, "spec", "volumeSnapshotRef"), path, "it is the identity of the old snapshot",
		"uid", "resourceVersion")
}

// claimRule lets a claim be bound once more: one that says that it is bound, to a volume that does not name its UID, is
// taken for lost. That the binding was made by a controller stays written on it, as the controller would not write
// it again.
//
// In a mapped namespace, or under another name, the claim is a copy, and its volume most likely still that of the original:
// it gets another one, which is the volume of the backup where that is restored, as it is reserved for the claim.
func claimRule(e *edit) {
	e.remove("the new claim is not bound yet", "metadata", "annotations", annotationBindCompleted)
	if e.mapped || e.renamed {
		const reason = "in another namespace, or under another name, the claim is a copy, which has no part in the volume of the original"
		e.remove(reason, "spec", "volumeName")
		e.remove(reason, "metadata", "annotations", annotationBoundByController)
	}
	if text(e.object, "spec", "volumeName") == "" {
		e.remove("the scheduler chooses a node of this cluster for the new volume",
			"metadata", "annotations", annotationSelectedNode)
	}
}

// NewVolume has a claim be given a new volume: it does not name the one that it had.
func NewVolume(claim map[string]any, reason string) []Change {
	e := &edit{object: claim}
	e.remove(reason, "spec", "volumeName")
	for _, annotation := range []string{annotationBindCompleted, annotationBoundByController, annotationSelectedNode} {
		e.remove(reason, "metadata", "annotations", annotation)
	}
	return e.changes
}
