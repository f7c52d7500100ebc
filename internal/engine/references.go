package engine

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// ReferencesField is the list of a spec in which references are declared.
const ReferencesField = "spec.references"

// Declarations collects the references that a run follows besides those of Kubernetes itself.
type Declarations struct {
	// Ledger is told what is wrong with a declaration.
	*Ledger

	// Kinds are those that are known, All the declarations that were found.
	Kinds []core.Kind
	All   []reference.Declaration
}

// Define takes the references that a definition declares in its annotation. What is wrong with them is a warning: the
// definition is somebody else's, and everything else in the run is as good without them.
func (d *Declarations) Define(definition core.Object) {
	var content struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(definition.JSON, &content); err != nil {
		d.Warn(definition.Key(), fmt.Sprintf("the annotations of CustomResourceDefinition %s cannot be read: %v", definition.Name, err))
		return
	}
	annotation, given := content.Metadata.Annotations[selection.AnnotationReferences]
	known := slices.ContainsFunc(d.Kinds, func(kind core.Kind) bool { return kind.GroupResource().String() == definition.Name })
	if !given || !known {
		return // There are no objects of a kind that nobody serves.
	}
	wishes, err := selection.DeclaredBy(definition.Name, annotation)
	if err != nil {
		d.refuse(definition, err.Error())
		return
	}
	declared, problems := selection.Declare("", wishes, d.Kinds)
	for _, problem := range problems {
		d.refuse(definition, problem.Field+": "+problem.Message)
	}
	d.All = append(d.All, declared...)
}

func (d *Declarations) refuse(definition core.Object, matter string) {
	d.Warn(definition.Key(), fmt.Sprintf("CustomResourceDefinition %s declares a reference in the annotation %s that is not followed: %s",
		definition.Name, selection.AnnotationReferences, matter))
}
