package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// planMark is how an action looks in a plan.
type planMark struct {
	sign, word, colour string
}

// The colours of a terminal.
const (
	green, yellow, red, grey, plain = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[90m", "\x1b[0m"
)

func planMarks() map[kahuv1.PlanAction]planMark {
	return map[kahuv1.PlanAction]planMark{
		kahuv1.PlanActionCreate:    {"+", "", green},
		kahuv1.PlanActionUpdate:    {"~", "", yellow},
		kahuv1.PlanActionRecreate:  {"-/+", "", yellow},
		kahuv1.PlanActionUnchanged: {" ", "unchanged", grey},
		kahuv1.PlanActionSkip:      {" ", "skipped", grey},
		kahuv1.PlanActionConflict:  {"!", "conflict", red},
	}
}

// printPlan shows what a dry run found as a diff that people read: the conflicts, what would change in which objects, what
// would be created, what is missing around them, and a last line with the sums, in which alone objects are that stay.
func (s *session) printPlan(restore *kahuv1.Restore) error {
	plan := restore.Status.Preview
	if plan == nil {
		return fmt.Errorf("restore %s: there is no plan in its status: %w", restore.Name, ErrFailed)
	}
	paint := painter(s.Out)
	var text strings.Builder
	more := plan.Create + plan.Update + plan.Recreate + plan.Conflict
	for i := range plan.Rows {
		if stays(plan.Rows[i].Action) {
			continue
		}
		writePlanRow(&text, &plan.Rows[i], paint)
		more--
	}
	if more > 0 {
		fmt.Fprintf(&text, "... and %d more: `kubectl kahu restore plan %s` shows every object\n", more, restore.Name)
	}
	for _, problem := range plan.Problems {
		fmt.Fprintln(&text, paint(red, "! "+problem))
	}
	text.WriteString(planSums(plan))
	_, err := io.WriteString(s.Out, text.String())
	return err
}

// uncheckedNote says how much of the plan is not known for sure.
func uncheckedNote(number int64) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprintf(" The API server could not check %d of those to create.", number)
}

// stays tells whether an action leaves the object as it is.
func stays(action kahuv1.PlanAction) bool {
	return action == kahuv1.PlanActionUnchanged || action == kahuv1.PlanActionSkip
}

func writePlanRow(text *strings.Builder, row *kahuv1.PlanRow, paint func(colour, text string) string) {
	mark := planMarks()[row.Action]
	line := fmt.Sprintf("%-3s %s", mark.sign, objectName(row.APIVersion, row.Kind, row.Namespace, row.Name))
	if notes := planNotes(mark.word, row.Reason); notes != "" {
		line += "  (" + notes + ")"
	}
	fmt.Fprintln(text, paint(mark.colour, line))
	for _, change := range row.Changes {
		fmt.Fprintln(text, paint(changeColour(change), "      "+change))
	}
}

// changeColour is the colour of a field that comes, goes, or gets another value.
func changeColour(change string) string {
	switch {
	case strings.HasPrefix(change, "+"):
		return green
	case strings.HasPrefix(change, "-"):
		return red
	}
	return yellow
}

// planSums is the last line of a plan.
func planSums(plan *kahuv1.RestorePreview) string {
	return fmt.Sprintf("Plan: %d to create, %d to update, %d to recreate, %d unchanged, %d skipped, %s, %s. "+
		"Nothing was written.%s\n", plan.Create, plan.Update, plan.Recreate, plan.Unchanged, plan.Skip, plural(plan.Conflict, "conflict"),
		plural(int64(len(plan.Problems)), "problem"), uncheckedNote(plan.Unchecked))
}

// objectName names an object: its kind, with the group where it has one, and its name.
func objectName(apiVersion, kind, namespace, name string) string {
	if group, _, grouped := strings.Cut(apiVersion, "/"); grouped {
		kind += "." + group
	}
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

func planNotes(word, reason string) string {
	if word == "" || reason == "" {
		return word + reason
	}
	return word + ": " + reason
}

// painter returns a function that colours a text where the writer is a terminal.
func painter(to io.Writer) func(colour, text string) string {
	file, isFile := to.(*os.File)
	if isFile {
		if about, err := file.Stat(); err == nil && about.Mode()&os.ModeCharDevice != 0 {
			return func(colour, text string) string { return colour + text + plain }
		}
	}
	return func(_, text string) string { return text }
}
