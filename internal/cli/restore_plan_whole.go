package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newRestorePlan(shared *session) *cobra.Command {
	limits := &waiting{}
	command := &cobra.Command{
		Use:   "plan NAME",
		Short: "Print the whole plan of a dry run, every object of it",
		Long: `Print the whole plan of a dry run, every object of it: the one that lies at its
location, in the order of the restore, with what stays as it is. With -o json each
line is printed as it is in the plan.`,
		Example: `  kubectl kahu restore create look --backup nightly --existing Update --dry-run
  kubectl kahu restore plan look`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			ctx, cancel := limits.bound(command.Context())
			defer cancel()
			return shared.wholePlan(ctx, args[0])
		},
	}
	limits.registerAnswer(command)
	return command
}

// wholePlan prints the plan of a dry run page by page.
func (s *session) wholePlan(ctx context.Context, name string) error {
	if s.output != "" && s.output != "json" {
		return usageError{fmt.Errorf("--output %q: use json", s.output)}
	}
	restore := &kahuv1.Restore{}
	to, err := s.read(ctx, "Restore", name, restore)
	if err != nil {
		return err
	}
	return s.printWholePlan(ctx, to, restore)
}

// printWholePlan asks the manager for a plan and prints it, with its sums; what is in the status where there is no other.
func (s *session) printWholePlan(ctx context.Context, to client.WithWatch, restore *kahuv1.Restore) error {
	plan, name := restore.Status.Preview, restore.Name
	switch {
	case !restore.Spec.DryRun:
		return fmt.Errorf("restore %s is no dry run: `kubectl kahu restore logs %s` shows what it did", name, name)
	case plan == nil:
		return fmt.Errorf("restore %s is %s: there is no plan yet", name, stateOf(restore.Status.State))
	case plan.PlanPath == "" && s.output == "json":
		return errors.New("the plan could not be written to the location; the status has its first rows")
	case plan.PlanPath == "":
		return s.printPlan(restore)
	}
	paint := painter(s.Out)
	question := kahuv1.InspectionSpec{RestoreName: name, Subject: kahuv1.InspectionSubjectPlan}
	if err := s.inspect(ctx, to, question, func(line string) error { return s.printPlanLine(line, paint) }); err != nil {
		return err
	}
	if s.output == "json" {
		return nil
	}
	_, err := io.WriteString(s.Out, planSums(plan))
	return err
}

// printPlanLine prints a line of a plan: an object, a field of the one above it, or a problem around them.
func (s *session) printPlanLine(line string, paint func(colour, text string) string) error {
	var entry reportLine
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		return fmt.Errorf("reading a line of the plan: %w", err)
	}
	text := line
	if s.output != "json" {
		text = planLineText(entry, paint)
	}
	_, err := fmt.Fprintln(s.Out, text)
	return err
}

func planLineText(entry reportLine, paint func(colour, text string) string) string {
	mark, isObject := planMarks()[kahuv1.PlanAction(entry.Action)]
	switch {
	case isObject:
		text := fmt.Sprintf("%-3s %s", mark.sign, entry.object())
		if notes := planNotes(mark.word, entry.Message); notes != "" {
			text += "  (" + notes + ")"
		}
		return paint(mark.colour, text)
	case entry.Action == "Change":
		return paint(changeColour(entry.Message), "      "+entry.Message)
	}
	return paint(red, "! "+strings.TrimSpace(entry.object()+" "+entry.Message))
}
