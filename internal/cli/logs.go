package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupLogs(shared *session) *cobra.Command {
	return newLogs("backup", func(ctx context.Context, name, level string) error {
		return shared.backupLogs(ctx, name, level)
	})
}

func newRestoreLogs(shared *session) *cobra.Command {
	return newLogs("restore", func(ctx context.Context, name, level string) error {
		return shared.restoreLogs(ctx, name, level)
	})
}

// newLogs returns the command logs of a group.
func newLogs(group string, show func(ctx context.Context, name, level string) error) *cobra.Command {
	level, limits := "", &waiting{}
	command := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print what happened in a " + group + ", line by line",
		Long: `Print what happened in a ` + group + `, line by line: the report that lies at its location.

While a ` + group + ` goes on, and where there is no report, what its status knows is
printed. With -o json each line is printed as it is in the report.`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			if level != "" && !slices.Contains(levels(), level) {
				return usageError{fmt.Errorf("--level %q: use info, warning or error", level)}
			}
			ctx, cancel := limits.bound(command.Context())
			defer cancel()
			return show(ctx, args[0], level)
		},
	}
	command.Flags().StringVar(&level, "level", "", "print the lines of this level only: info, warning or error")
	limits.registerAnswer(command)
	_ = command.RegisterFlagCompletionFunc("level", cobra.FixedCompletions(levels(), cobra.ShellCompDirectiveNoFileComp))
	return command
}

// levels are those of the lines of a report.
func levels() []string { return []string{"info", "warning", "error"} }

// backupLogs prints the report of a backup, or what is known while there is none.
func (s *session) backupLogs(ctx context.Context, name, level string) error {
	backup := &kahuv1.Backup{}
	to, err := s.read(ctx, "Backup", name, backup)
	if err != nil {
		return err
	}
	if status := &backup.Status; status.Stage != kahuv1.StageFinished || status.LastBackup == nil {
		return s.printKnown(known{
			what: "backup " + name, stage: status.Stage, state: status.State, done: status.Progress.ItemsDone, total: status.Progress.ItemsTotal,
			failure: status.FailureReason, rows: append(problems(status.Missing), status.Warnings...), conditions: status.Conditions,
		})
	}
	return s.printReport(ctx, to, kahuv1.InspectionSpec{BackupName: name}, level)
}

// restoreLogs prints the report of a restore, or what is known where there is none.
func (s *session) restoreLogs(ctx context.Context, name, level string) error {
	restore := &kahuv1.Restore{}
	to, err := s.read(ctx, "Restore", name, restore)
	if err != nil {
		return err
	}
	if status := &restore.Status; status.Stage != kahuv1.StageFinished || status.ReportPath == "" {
		return s.printKnown(known{
			what: "restore " + name, stage: status.Stage, state: status.State, done: status.Progress.ItemsRestored, total: status.Progress.TotalItems,
			failure: status.FailureReason, rows: append(problems(status.Failed), status.Warnings...), conditions: status.Conditions,
		})
	}
	return s.printReport(ctx, to, kahuv1.InspectionSpec{RestoreName: name}, level)
}

// printReport asks the manager for the report of a run, and prints it.
func (s *session) printReport(ctx context.Context, to client.WithWatch, question kahuv1.InspectionSpec, level string) error {
	question.Subject = kahuv1.InspectionSubjectReport
	return s.inspect(ctx, to, question, func(line string) error {
		return s.printReportLine(line, level)
	})
}

// known is what the status says of a run that has no report.
type known struct {
	what        string
	stage       kahuv1.Stage
	state       kahuv1.State
	done, total int64
	failure     string
	rows        []string
	conditions  []metav1.Condition
}

func (s *session) printKnown(of known) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s, %d of %s", of.what, stateOf(of.state), of.done, plural(of.total, "object"))
	if of.stage == kahuv1.StageFinished {
		text.WriteString("; there is no report\n")
	} else {
		text.WriteString("; its report is written at the end\n")
	}
	if of.failure != "" {
		fmt.Fprintf(&text, "failed: %s\n", of.failure)
	}
	for _, line := range of.rows {
		fmt.Fprintln(&text, line)
	}
	for _, condition := range of.conditions {
		fmt.Fprintf(&text, "%s %s %s: %s\n", timeOf(&condition.LastTransitionTime), condition.Type, condition.Reason, condition.Message)
	}
	_, err := fmt.Fprint(s.Out, text.String())
	return err
}

// reportLine is a line of a report.
type reportLine struct {
	Time      time.Time `json:"time"`
	Level     string    `json:"level"`
	Group     string    `json:"group"`
	Resource  string    `json:"resource"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Action    string    `json:"action"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
}

// printReportLine prints a line of a report, as it is or for people.
func (s *session) printReportLine(line, level string) error {
	var entry reportLine
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		return fmt.Errorf("reading a line of the report: %w", err)
	}
	if level != "" && entry.Level != level {
		return nil
	}
	if s.output == "json" {
		_, err := fmt.Fprintln(s.Out, line)
		return err
	}
	words := []string{entry.Time.UTC().Format(time.RFC3339), fmt.Sprintf("%-7s", entry.Level)}
	for _, word := range []string{entry.Action, entry.Reason, entry.object(), entry.Message} {
		if word != "" {
			words = append(words, word)
		}
	}
	_, err := fmt.Fprintln(s.Out, strings.Join(words, " "))
	return err
}

// object names the object or kind that a line is about.
func (l *reportLine) object() string {
	name, kind := l.Name, l.Resource
	if l.Namespace != "" {
		name = l.Namespace + "/" + name
	}
	if l.Group != "" && kind != "" {
		kind += "." + l.Group
	}
	return strings.TrimSpace(kind + " " + name)
}

// inspect asks the manager a question, and visits the lines of the whole answer, page by page.
func (s *session) inspect(ctx context.Context, to client.WithWatch, question kahuv1.InspectionSpec, visit func(line string) error) error {
	for {
		answer, err := s.ask(ctx, to, question)
		if err != nil {
			return fmt.Errorf("asking the manager: %w", err)
		}
		for _, line := range answer.Status.Lines {
			if err := visit(line); err != nil {
				return err
			}
		}
		if question.Page = answer.Status.NextPage; question.Page == "" {
			return nil
		}
	}
}
