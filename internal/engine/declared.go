package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// referencesField is the list of a spec in which references are declared.
const referencesField = "spec.references"

// declarations collects the references that a run follows besides those of Kubernetes itself.
type declarations struct {
	*ledger

	kinds    []core.Kind
	declared []reference.Declaration
}

// define takes the references that a definition declares in its annotation. What is wrong with them is a warning: the
// definition is somebody else's, and everything else in the run is as good without them.
func (d *declarations) define(definition core.Object) {
	var content struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(definition.JSON, &content); err != nil {
		d.warn(definition.Key(), fmt.Sprintf("the annotations of CustomResourceDefinition %s cannot be read: %v", definition.Name, err))
		return
	}
	annotation, given := content.Metadata.Annotations[selection.AnnotationReferences]
	known := slices.ContainsFunc(d.kinds, func(kind core.Kind) bool { return kind.GroupResource().String() == definition.Name })
	if !given || !known {
		return // There are no objects of a kind that nobody serves.
	}
	wishes, err := selection.DeclaredBy(definition.Name, annotation)
	if err != nil {
		d.refuse(definition, err.Error())
		return
	}
	declared, problems := selection.Declare("", wishes, d.kinds)
	for _, problem := range problems {
		d.refuse(definition, problem.Field+": "+problem.Message)
	}
	d.declared = append(d.declared, declared...)
}

func (d *declarations) refuse(definition core.Object, matter string) {
	d.warn(definition.Key(), fmt.Sprintf("CustomResourceDefinition %s declares a reference in the annotation %s that is not followed: %s",
		definition.Name, selection.AnnotationReferences, matter))
}

// declaredInCluster returns the references that the filters declare, and those of the definitions in the cluster. Of
// these only the metadata is read, page by page.
func (r *backupRun) declaredInCluster(ctx context.Context, wished []reference.Declaration) ([]reference.Declaration, error) {
	found := &declarations{ledger: r.ledger, kinds: r.kinds, declared: wished}
	at := slices.IndexFunc(r.kinds, isDefinition)
	if at < 0 || r.selector.Everything() {
		return wished, nil
	}
	var err error
	for range listTries {
		found.declared = slices.Clone(wished)
		err = r.Cluster.List(ctx, core.ListRequest{Kind: r.kinds[at], MetadataOnly: true}, func(page core.Page) error {
			for _, definition := range page.Objects {
				found.define(definition)
			}
			return nil
		})
		if !errors.Is(err, core.ErrExpired) {
			break
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		r.miss(Row{
			Kind: r.kinds[at], Key: kindKey(r.kinds[at], ""), Reason: ReasonKindUnlistable,
			Message: "looking for the references that definitions declare: " + err.Error(),
		})
	}
	return found.declared, nil
}

// declaredInBackup returns the references that the filters declare, and those of the definitions in the backup.
func (r *restoreRun) declaredInBackup(
	ctx context.Context, kinds []core.Kind, wished []reference.Declaration,
) ([]reference.Declaration, error) {
	if r.selector.Everything() {
		return wished, nil
	}
	found := &declarations{ledger: r.ledger, kinds: kinds, declared: wished}
	var definitions []archive.Record
	read := func() error {
		full := definitions
		definitions = nil
		return r.readObjects(ctx, full, func(record archive.Record, content []byte) error {
			found.define(objectOf(record, content))
			return nil
		})
	}
	err := r.eachRecord(ctx, func(record archive.Record) error {
		if !isDefinition(record.Kind) {
			return nil
		}
		if definitions = append(definitions, record); len(definitions) < chunk {
			return nil
		}
		return read()
	})
	if err != nil {
		return nil, err
	}
	if len(definitions) > 0 {
		err = read()
	}
	return found.declared, err
}
