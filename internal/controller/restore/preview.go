package restore

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
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

// previewed is what a dry run that is over says: whether the restore could be, and where to read on.
func previewed(found *enginepreview.Result) (metav1.ConditionStatus, string) {
	const over = "This was a dry run, and nothing was written: "
	switch {
	case found != nil && found.Refused:
		return metav1.ConditionFalse, over + "a restore would be refused and create nothing, and status.preview.problems has the reasons."
	case found != nil && len(found.Problems) > 0:
		return metav1.ConditionTrue, over + fmt.Sprintf("status.preview has what a restore would do, and %s in its way.",
			core.Count(int64(len(found.Problems)), "problem"))
	}
	return metav1.ConditionTrue, over + "status.preview has what a restore would do."
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
