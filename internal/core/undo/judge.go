package undo

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

// The reasons for which an object that a restore created stays.
const (
	// ReasonChanged: somebody has changed it.
	ReasonChanged = "Changed"
	// ReasonHoldsData: data could be lost with it.
	ReasonHoldsData = "HoldsData"
	// ReasonHasFinalizers: something outside of the cluster could be undone with it.
	ReasonHasFinalizers = "HasFinalizers"
	// ReasonOwnsKept: it owns an object that stays, and that would go with it.
	ReasonOwnsKept = "OwnsKept"
	// ReasonNotEmpty: it is a namespace or a definition, and something is in it that stays.
	ReasonNotEmpty = "NotEmpty"
	// ReasonRefused: the API server did not delete it.
	ReasonRefused = "DeletionRefused"
)

// The kinds that matter, as plural.group.
const (
	namespaces  = "namespaces"
	definitions = "customresourcedefinitions.apiextensions.k8s.io"
	claims      = "persistentvolumeclaims"
	volumes     = "persistentvolumes"
)

// Judgement is what is known of an object by itself.
type Judgement struct {
	// Made tells that the restore created it.
	Made bool
	// Reason and Message say why it stays although the restore made it; empty where nothing in itself speaks against
	// deleting it.
	Reason, Message string
}

// Judge decides about an object by itself. uid is that of the Restore.
func Judge(living core.Living, uid string) Judgement {
	if restoreplan.MadeBy(living, uid) != restoreplan.Created {
		return Judgement{}
	}
	for _, rule := range []func(core.Living, string) (reason, message string){changed, trimmed, holdsData, hasFinalizers} {
		if reason, message := rule(living, uid); reason != "" {
			return Judgement{Made: true, Reason: reason, Message: message}
		}
	}
	return Judgement{Made: true}
}

// changed finds who else has written the object.
func changed(living core.Living, uid string) (reason, message string) {
	var others []string
	for _, manager := range living.Managers {
		own := manager.Name == restoreplan.Manager(uid) || manager.Name == restoreplan.Updater(uid)
		if own || harmless(manager) || slices.Contains(others, manager.Name) {
			continue
		}
		others = append(others, manager.Name)
	}
	if len(others) == 0 {
		return "", ""
	}
	return ReasonChanged, "it was changed by " + strings.Join(others, ", ")
}

// trimmed finds that somebody took fields away, of whom the account then says nothing: what the object is to be has changed
// since it was created, and nobody is named who could have done that. Kinds that do not count their changes do not tell.
func trimmed(living core.Living, uid string) (reason, message string) {
	if living.Generation <= made(living.Kind) || slices.ContainsFunc(living.Managers, func(manager core.Manager) bool {
		return manager.Name != restoreplan.Manager(uid) && manager.Subresource != "status"
	}) {
		return "", ""
	}
	return ReasonChanged, fmt.Sprintf("fields were taken away from it since, by somebody of whom there is no trace: "+
		"its metadata.generation is %d", living.Generation)
}

// made is the generation that an object of a kind can have when the restore has made it. A Job that had finished is
// released after that; what binds a Pod to its node leaves no trace.
func made(kind core.Kind) int64 {
	switch kind.GroupResource().String() {
	case "jobs.batch":
		return 2 //nolint:mnd // It is created, and released.
	case "pods":
		return math.MaxInt64
	}
	return 1
}

// harmless tells whether what a manager writes is not a change of what people want. Autoscalers scale in the name of
// kube-controller-manager; who scales in another is a person.
func harmless(manager core.Manager) bool {
	return manager.System() || manager.Subresource == "status"
}

// holdsData finds what data could be lost with. A claim that was bound may have been written to since.
func holdsData(living core.Living, _ string) (reason, message string) {
	switch kind := living.Kind.GroupResource().String(); {
	case kind == volumes:
		return ReasonHoldsData, "the data of the volume could be deleted with it; delete it yourself where it may go"
	case kind == claims && living.Bound:
		return ReasonHoldsData, "the data of its volume could be deleted with it; delete it yourself where it may go"
	}
	return "", ""
}

// hasFinalizers finds what only somebody outside of Kubernetes can let go.
func hasFinalizers(living core.Living, _ string) (reason, message string) {
	foreign := slices.DeleteFunc(slices.Clone(living.Finalizers), ownFinalizer)
	if len(foreign) == 0 {
		return "", ""
	}
	return ReasonHasFinalizers, fmt.Sprintf("its finalizers (%s) stand for something that would be undone with it; "+
		"delete it yourself where that may go", strings.Join(foreign, ", "))
}

// ownFinalizer tells whether a finalizer is one of Kubernetes itself.
func ownFinalizer(name string) bool {
	domain, _, hasDomain := strings.Cut(name, "/")
	switch domain {
	case "foregroundDeletion", "orphan", "kubernetes", "customresourcecleanup.apiextensions.k8s.io":
		return !hasDomain
	case "kubernetes.io", "batch.kubernetes.io", "service.kubernetes.io":
		return true
	}
	return false
}
