package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newRestoreUndo(shared *session) *cobra.Command {
	limits, dryRun := &waiting{}, false
	command := &cobra.Command{
		Use:   "undo NAME",
		Short: "Delete what a restore created and what has not changed since",
		Long: `Delete what a restore created and what has not changed since, and nothing else.

What somebody has changed stays, and so does what data or anything outside of the
cluster could be lost with; the answer names it with the reason. Objects that were
there and were updated are not reverted. The answer is the condition Undone of the
Restore, and its status.undo.`,
		Example: `  # what would go, and what would stay
  kubectl kahu restore undo back --dry-run
  kubectl kahu restore undo back --wait`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.undoRestore(command.Context(), args[0], dryRun, *limits)
		},
	}
	command.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be deleted, and delete nothing; waits")
	limits.register(command, "wait until it is done and print what became of it")
	return command
}

func (s *session) undoRestore(ctx context.Context, name string, dryRun bool, limits waiting) error { //nolint:revive // Both are the user's flags.
	to, err := s.client()
	if err != nil {
		return err
	}
	token := s.Clock.Now().UTC().Format(time.RFC3339Nano)
	annotations := map[string]any{kahuv1.AnnotationUndo: token, kahuv1.AnnotationUndoDryRun: nil}
	if dryRun {
		annotations[kahuv1.AnnotationUndoDryRun] = "true"
	}
	content, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := to.Patch(ctx, restore, client.RawPatch(types.MergePatchType, content)); err != nil {
		return fmt.Errorf("asking for the undo of Restore %s: %w", name, err)
	}
	if !limits.wait && !dryRun {
		_, err = fmt.Fprintf(s.Out, "restore %s is being undone; `kubectl kahu restore describe %s` shows how it goes\n", name, name)
		return err
	}
	answered, err := s.awaitUndone(ctx, to, restore, token, limits)
	if err != nil {
		return err
	}
	return s.concludeUndo(answered)
}

// awaitUndone waits for the answer to the token, and says what happens until then.
func (s *session) awaitUndone(
	ctx context.Context, to client.WithWatch, restore *kahuv1.Restore, token string, limits waiting,
) (*kahuv1.Restore, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	answered, shown := restore, &progress{session: s}
	defer shown.end()
	err := s.waitFor(ctx, to, &kahuv1.RestoreList{}, restore.Name, func(object client.Object) (bool, error) {
		current, ok := object.(*kahuv1.Restore)
		if !ok {
			return false, nil
		}
		if current.Annotations[kahuv1.AnnotationUndo] != token {
			return false, errors.New("somebody else has asked for it since: see status.undo")
		}
		answered = current
		found := current.Status.Undo
		if found == nil || found.Token != token {
			return false, nil
		}
		condition := meta.FindStatusCondition(current.Status.Conditions, kahuv1.ConditionUndone)
		if condition != nil && found.Time == nil {
			shown.show(fmt.Sprintf("undo of restore %s: %s", restore.Name, condition.Message), 0, 0)
		}
		return found.Time != nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for the undo of restore %s: %w", restore.Name, err)
	}
	return answered, nil
}

// concludeUndo prints what became of it. That something stays is a failure, unless it was only looked.
func (s *session) concludeUndo(restore *kahuv1.Restore) error {
	condition := meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionUndone)
	if condition == nil {
		return errors.New("the answer has no condition Undone")
	}
	done, err := s.printWhole(restore)
	if err != nil {
		return err
	}
	if !done {
		if _, err := io.WriteString(s.Out, undoText(restore.Status.Undo, painter(s.Out))); err != nil {
			return err
		}
	}
	if condition.Status == metav1.ConditionTrue || condition.Reason == kahuv1.ReasonUndoPreviewed {
		if done {
			return nil
		}
		_, err := fmt.Fprintf(s.Out, "restore %s: %s\n", restore.Name, condition.Message)
		return err
	}
	return fmt.Errorf("restore %s is not undone: %s: %w", restore.Name, condition.Message, ErrFailed)
}

// undoText shows the objects in the order of the answer: those that stay, and those that go.
func undoText(found *kahuv1.RestoreUndo, paint func(colour, text string) string) string {
	var text strings.Builder
	for i := range found.Rows {
		row := &found.Rows[i]
		line, colour := "- "+objectName(row.APIVersion, row.Kind, row.Namespace, row.Name), red
		if row.Action == kahuv1.UndoActionKeep {
			line, colour = "! "+objectName(row.APIVersion, row.Kind, row.Namespace, row.Name)+"  (stays: "+row.Message+")", yellow
		} else if row.Message != "" {
			line += "  (" + row.Message + ")"
		}
		fmt.Fprintln(&text, paint(colour, line))
	}
	if more := found.Deleted + found.Kept - int64(len(found.Rows)); more > 0 {
		fmt.Fprintf(&text, "... and %d more\n", more)
	}
	return text.String()
}

// earlierUndo says what came of the undo before a dry run of one.
func earlierUndo(found *kahuv1.EarlierUndo) string {
	text := fmt.Sprintf("%d deleted, %d kept", found.Deleted, found.Kept)
	if found.Time.IsZero() {
		return text + ", not finished; began " + cmp.Or(timeOf(found.StartTime), "at an unknown time")
	}
	return text + ", ended " + timeOf(found.Time)
}

// undoTitle says how many objects went, and how many stay.
func undoTitle(found *kahuv1.RestoreUndo) string {
	if found.DryRun {
		return fmt.Sprintf("Undo (%d would be deleted, %d would stay)", found.Deleted, found.Kept)
	}
	return fmt.Sprintf("Undo (%d deleted, %d kept)", found.Deleted, found.Kept)
}
