package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupLogs(shared *session) *cobra.Command {
	level := ""
	command := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print what happened in a backup, line by line",
		Long: `Print what happened in a backup, line by line: the report that lies at its location.

While a backup goes on, what is known of it is printed. With -o json each line is
printed as it is in the report.`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.backupLogs(command.Context(), args[0], level)
		},
	}
	command.Flags().StringVar(&level, "level", "", "print the lines of this level only: info, warning or error")
	return command
}

// backupLogs prints the report, or what is known while there is none.
func (s *session) backupLogs(ctx context.Context, name, level string) error {
	if level != "" && level != "info" && level != "warning" && level != "error" {
		return usageError{fmt.Errorf("--level %q: use info, warning or error", level)}
	}
	to, err := s.client()
	if err != nil {
		return err
	}
	backup := &kahuv1.Backup{}
	if err := to.Get(ctx, client.ObjectKey{Name: name}, backup); err != nil {
		return fmt.Errorf("reading Backup %s: %w", name, err)
	}
	if status := &backup.Status; status.Stage != kahuv1.StageFinished || status.LastBackup == nil {
		return s.knownSoFar(name, status)
	}
	question := kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, BackupName: name}
	return s.inspect(ctx, to, question, func(line string) error {
		return s.printReportLine(line, level)
	})
}

// knownSoFar prints what the status says of a run that has no report.
func (s *session) knownSoFar(name string, status *kahuv1.BackupStatus) error {
	var text strings.Builder
	fmt.Fprintf(&text, "backup %s: %s, %d of %s; its report is written at the end\n",
		name, stateOf(status.State), status.Progress.ItemsDone, plural(status.Progress.ItemsTotal, "object"))
	if status.FailureReason != "" {
		text.Reset()
		fmt.Fprintf(&text, "backup %s failed and has no report: %s\n", name, status.FailureReason)
	}
	for _, line := range append(problems(status.Missing), status.Warnings...) {
		fmt.Fprintln(&text, line)
	}
	for _, condition := range status.Conditions {
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

// answerTime bounds the wait for a whole answer.
const answerTime = 10 * time.Minute

// inspect asks the manager a question, and visits the lines of the whole answer, page by page.
func (s *session) inspect(ctx context.Context, to client.WithWatch, question kahuv1.InspectionSpec, visit func(line string) error) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
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
