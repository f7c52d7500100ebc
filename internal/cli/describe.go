package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// described is the run that is described, and whether all rows are wanted.
type described struct {
	name  string
	whole bool
}

// newRunDescribe returns the command describe of a group of runs.
func newRunDescribe(group string, describe func(ctx context.Context, wish described) error) *cobra.Command {
	wish, limits := described{}, &waiting{}
	command := &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell everything that is known of a " + group,
		Long: `Tell everything that is known of a ` + group + `: its counts, those of each kind, what is
missing and why, its warnings, and how long its steps took. A status has room for
100 rows of anything; with --all the rest is asked for, from the report at the
location.`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			wish.name = args[0]
			ctx, cancel := limits.bound(command.Context())
			defer cancel()
			return describe(ctx, wish)
		},
	}
	command.Flags().BoolVar(&wish.whole, "all", false, "show every warning and everything that is missing, out of the report at the location")
	limits.registerAnswer(command)
	return command
}

// rowsOfReport returns the lines of a run's report that are warnings or errors.
func (s *session) rowsOfReport(ctx context.Context, from client.WithWatch, question kahuv1.InspectionSpec) (wrong, warnings []string, err error) {
	question.Subject = kahuv1.InspectionSubjectReport
	err = s.inspect(ctx, from, question, func(line string) error {
		var entry reportLine
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			return fmt.Errorf("reading a line of the report: %w", err)
		}
		switch entry.Level {
		case "error":
			wrong = append(wrong, fmt.Sprintf("%s: %s: %s", entry.object(), entry.Reason, entry.Message))
		case "warning":
			warnings = append(warnings, entry.Message)
		}
		return nil
	})
	return wrong, warnings, err
}

// rows is a list in a description of which the status may have only the first part.
type rows struct {
	title string
	total int64
	shown []string
}

// list writes rows under their title and number, and says where the rest is.
func (d *description) list(of rows) {
	lines := of.shown
	if more := of.total - int64(len(lines)); more > 0 {
		lines = append(slices.Clip(lines), fmt.Sprintf("... and %d more: --all shows them", more))
	}
	d.block(titled(of.title, of.total), lines)
}

// timings writes how long a run waited for its turn, and how long its steps took.
func (d *description) timings(created metav1.Time, started *metav1.Time, steps []kahuv1.StepTiming) {
	var lines []string
	if started != nil {
		lines = append(lines, timing("Waiting", started.Sub(created.Time)))
	}
	for _, step := range steps {
		lines = append(lines, timing(step.Step, time.Duration(step.Milliseconds)*time.Millisecond))
	}
	d.block("Timings", lines)
}

func timing(step string, took time.Duration) string {
	return fmt.Sprintf("%-*s%s", labelWidth-2, step, max(0, took))
}
