package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// ErrDifferent says that what was compared differs.
var ErrDifferent = errors.New("different")

// troubleError is any error of a command that compares: as with diff, its exit code is not that of a difference.
type troubleError struct{ error }

// Unwrap returns the error itself.
func (e troubleError) Unwrap() error { return e.error }

// diffLine is a line of the answer: an object, or the counts in the last one.
type diffLine struct {
	Op         string `json:"op"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Fields     []struct {
		Path string `json:"path"`
		Op   string `json:"op"`
		Old  string `json:"old"`
		New  string `json:"new"`
	} `json:"fields"`

	Added     int64 `json:"added"`
	Removed   int64 `json:"removed"`
	Changed   int64 `json:"changed"`
	Unchanged int64 `json:"unchanged"`
}

func newBackupDiff(shared *session) *cobra.Command {
	spec, limits := kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectDiff}, waiting{}
	command := &cobra.Command{
		Use:   "diff OLD (NEW | --live)",
		Short: "Show how a backup differs from another one, or from the cluster",
		Long: `Show how a backup differs from another one, or from the cluster as it is now.

Exit codes, as those of diff: 0 no difference, 1 a difference, 2 an error. With
-o json, each line is a JSON object, the last one has the counts.`,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 || (len(args) == 2) == spec.Live {
				return usageError{errors.New("give two backups, or one and --live")}
			}
			spec.BackupName = args[0]
			if len(args) == 2 {
				spec.OtherBackupName = args[1]
			}
			err := shared.diffBackups(command.Context(), spec, limits)
			if err != nil && !errors.Is(err, ErrDifferent) {
				return troubleError{err}
			}
			return err
		},
	}
	flags := command.Flags()
	flags.BoolVar(&spec.Live, "live", false, "compare with the cluster as it is now")
	flags.BoolVar(&spec.Fields, "fields", false, "show the fields that differ")
	limits.registerAnswer(command)
	return command
}

// diffBackups asks page by page, and prints each page when it is there.
func (s *session) diffBackups(ctx context.Context, spec kahuv1.InspectionSpec, limits waiting) error {
	ctx, cancel := limits.bound(ctx)
	defer cancel()
	if s.output == "yaml" {
		return usageError{errors.New("--output yaml: use json")}
	}
	to, err := s.client()
	if err != nil {
		return err
	}
	for {
		answer, err := s.ask(ctx, to, spec)
		if err != nil {
			return err
		}
		last, err := s.printPage(answer.Status.Lines)
		if err != nil {
			return err
		}
		if spec.Page = answer.Status.NextPage; spec.Page != "" {
			continue
		}
		if last.Added+last.Removed+last.Changed > 0 {
			return ErrDifferent
		}
		return nil
	}
}

// printPage prints the lines of a page and returns the last one.
func (s *session) printPage(lines []string) (diffLine, error) {
	var last diffLine
	for _, text := range lines {
		last = diffLine{}
		if err := json.Unmarshal([]byte(text), &last); err != nil {
			return last, fmt.Errorf("reading the answer: %w", err)
		}
		if err := s.printDiff(text, last); err != nil {
			return last, err
		}
	}
	return last, nil
}

// ask asks one question and returns it with its answer.
func (s *session) ask(ctx context.Context, to client.WithWatch, spec kahuv1.InspectionSpec) (*kahuv1.Inspection, error) {
	question := &kahuv1.Inspection{ObjectMeta: metav1.ObjectMeta{GenerateName: "diff-"}, Spec: spec}
	if err := to.Create(ctx, question); err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	// The manager removes it in some minutes where this fails.
	defer to.Delete(context.WithoutCancel(ctx), question) //nolint:errcheck // As said.
	answer := question
	err := s.waitFor(ctx, to, &kahuv1.InspectionList{}, question.Name, func(object client.Object) (bool, error) {
		current, ok := object.(*kahuv1.Inspection)
		if !ok {
			return false, nil
		}
		answer = current
		if current.Status.State == kahuv1.StateFailed {
			return false, errors.New(meta.FindStatusCondition(current.Status.Conditions, kahuv1.ConditionStalled).Message)
		}
		return current.Status.State == kahuv1.StateCompleted, nil
	})
	return answer, err
}

// printDiff prints a line of the answer.
func (s *session) printDiff(text string, line diffLine) error {
	if s.output == "json" {
		_, err := fmt.Fprintln(s.Out, text)
		return err
	}
	if line.Op == "" {
		_, err := fmt.Fprintf(s.Out, "%d added, %d removed, %d changed, %d unchanged\n", line.Added, line.Removed, line.Changed, line.Unchanged)
		return err
	}
	marks := map[string]string{"Added": "+", "Removed": "-", "Changed": "~"}
	if _, err := fmt.Fprintf(s.Out, "%s %s\n", marks[line.Op], objectName(line.APIVersion, line.Kind, line.Namespace, line.Name)); err != nil {
		return err
	}
	for _, field := range line.Fields {
		if _, err := fmt.Fprintf(s.Out, "    %s: %s -> %s\n", field.Path, orNone(field.Old), orNone(field.New)); err != nil {
			return err
		}
	}
	return nil
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}
