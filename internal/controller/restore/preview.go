package restore

import (
	"fmt"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	enginepreview "github.com/soda-cdm/kahu/internal/engine/restore/preview"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// The limits of a row of the status: changes, and bytes of one. All rows together fit into an object.
const (
	maxChanges    = 10
	maxChangeText = 512
)

// previewOf turns what a dry run found into the API's words.
func previewOf(found *enginepreview.Result) *kahuv1.RestorePreview {
	if found == nil {
		return nil
	}
	preview := &kahuv1.RestorePreview{
		Create: found.Counts[enginepreview.Create], Update: found.Counts[enginepreview.Update],
		Recreate: found.Counts[enginepreview.Recreate], Unchanged: found.Counts[enginepreview.Unchanged],
		Skip: found.Counts[enginepreview.Skip], Conflict: found.Counts[enginepreview.Conflict],
		Unchecked: found.Unchecked,
		Problems:  failure.Texts(found.Problems), PlanPath: found.File,
	}
	for _, row := range found.Rows[:min(len(found.Rows), failure.MaxRows)] {
		preview.Rows = append(preview.Rows, kahuv1.PlanRow{
			APIVersion: row.Kind.APIVersion(), Kind: row.Kind.Name, Namespace: row.Key.Namespace, Name: row.Key.Name,
			Action: kahuv1.PlanAction(row.Action), Reason: reconcile.Bounded(row.Reason, failure.MaxRowText),
			Checked: row.Checked, Changes: changesOf(row),
		})
	}
	return preview
}

func changesOf(row enginepreview.Row) []string {
	var lines []string
	for _, field := range row.Fields[:min(len(row.Fields), maxChanges)] {
		lines = append(lines, reconcile.Bounded(field.Line, maxChangeText))
	}
	if more := row.FieldsTotal - maxChanges; more > 0 {
		line := fmt.Sprintf("... and %d more", more)
		if len(row.Fields) > maxChanges {
			line += fmt.Sprintf(": the plan at the location has the first %d", len(row.Fields))
		}
		lines = append(lines, line)
	}
	return lines
}
