package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
)

// table is rows under a head, as kubectl shows them.
type table struct {
	head []string
	rows [][]string
}

// printTable writes the table, or its head alone where there are no rows.
func (s *session) printTable(rows table) error {
	writer := tabwriter.NewWriter(s.Out, 0, 8, 3, ' ', 0)
	_, _ = fmt.Fprintln(writer, strings.Join(rows.head, "\t")) // Flush tells of errors.
	for _, row := range rows.rows {
		_, _ = fmt.Fprintln(writer, strings.Join(row, "\t"))
	}
	return writer.Flush()
}

// printWhole writes an object or a list as -o says; it does nothing and returns false without.
func (s *session) printWhole(object any) (bool, error) {
	if s.output == "" {
		return false, nil
	}
	if err := presentable(object); err != nil {
		return true, fmt.Errorf("encoding: %w", err)
	}
	if s.output == "name" {
		return true, s.printNames(object)
	}
	content, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return true, fmt.Errorf("encoding: %w", err)
	}
	if s.output == "yaml" {
		content, err = yaml.JSONToYAML(content)
		if err != nil {
			return true, fmt.Errorf("encoding: %w", err)
		}
	}
	_, err = fmt.Fprintln(s.Out, strings.TrimSuffix(string(content), "\n"))
	return true, err
}

// printNames writes kind.group/name, a line for each object, as kubectl does.
func (s *session) printNames(object any) error {
	each := func(one runtime.Object) error {
		metadata, err := meta.Accessor(one)
		if err != nil {
			return err
		}
		kind := one.GetObjectKind().GroupVersionKind().GroupKind()
		_, err = fmt.Fprintf(s.Out, "%s/%s\n", strings.ToLower(kind.String()), metadata.GetName())
		return err
	}
	switch printed := object.(type) {
	case client.ObjectList:
		return meta.EachListItem(printed, each)
	case runtime.Object:
		return each(printed)
	}
	return nil
}

// plural returns a number with its unit, in the plural unless it is one.
func plural(number int64, unit string) string { return core.Count(number, unit) }

// presentable gives objects their kind, which the client drops, and takes away who wrote which field, which is longer
// than all the rest and of no use to people.
func presentable(object any) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	each := func(one runtime.Object) error {
		kind, err := apiutil.GVKForObject(one, scheme)
		if err != nil {
			return err
		}
		one.GetObjectKind().SetGroupVersionKind(kind)
		metadata, err := meta.Accessor(one)
		if err != nil {
			return err
		}
		metadata.SetManagedFields(nil)
		return nil
	}
	switch printed := object.(type) {
	case client.ObjectList:
		return meta.EachListItem(printed, each)
	case client.Object:
		return each(printed)
	}
	return nil
}

// say writes a line of progress. That nobody can read it is no reason to stop.
func (s *session) say(line string) {
	s.leaveBar()
	_, _ = fmt.Fprintln(s.Err, line)
}

// leaveBar ends the line of a bar, which then stays as it is.
func (s *session) leaveBar() {
	if s.onBar {
		_, _ = fmt.Fprintln(s.Err)
		s.onBar = false
	}
}

// age returns how old an object is, as kubectl shows it.
func (s *session) age(object client.Object) string {
	return duration.HumanDuration(s.Clock.Since(object.GetCreationTimestamp().Time))
}

// description writes a person's view of an object, a line per fact and a block per list.
type description struct {
	text strings.Builder
}

const labelWidth = 20

func (d *description) line(label string, value any) {
	if text := fmt.Sprint(value); text != "" {
		fmt.Fprintf(&d.text, "%-*s%s\n", labelWidth, label+":", text)
	}
}

func (d *description) block(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(&d.text, "%s:\n", title)
	for _, line := range lines {
		fmt.Fprintf(&d.text, "  %s\n", line)
	}
}

func (d *description) conditions(conditions []metav1.Condition) {
	lines := make([]string, 0, len(conditions))
	for _, condition := range conditions {
		lines = append(lines, fmt.Sprintf("%-14s %-6s %s: %s", condition.Type, condition.Status, condition.Reason, condition.Message))
	}
	d.block("Conditions", lines)
}

// timeOf returns a time for people, or nothing.
func timeOf(at *metav1.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// exactBelow is how long a run has to take that whole seconds tell enough of it.
const exactBelow = 10 * time.Second

// took returns how long a run took, or nothing while it goes on. The times of a status are whole seconds, so that of a short
// run its steps tell more.
func took(from, to *metav1.Time, steps []kahuv1.StepTiming) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	whole, exact := to.Sub(from.Time), time.Duration(0)
	for _, step := range steps {
		exact += time.Duration(step.Milliseconds) * time.Millisecond
	}
	if whole < exactBelow && exact > 0 && exact < whole+time.Second {
		unit := 10 * time.Millisecond
		if exact >= time.Second {
			unit = 100 * time.Millisecond
		}
		return exact.Round(unit).String()
	}
	return whole.Round(time.Second).String()
}

// size returns a number of bytes for people.
func size(bytes int64) string {
	const step = 1024
	value, unit := float64(bytes), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for value >= step && unit < len(units)-1 {
		value /= step
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
