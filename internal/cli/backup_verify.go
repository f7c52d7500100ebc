package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupVerify(shared *session) *cobra.Command {
	limits, sample := &waiting{}, ""
	command := &cobra.Command{
		Use:   "verify NAME",
		Short: "Read a backup back and tell what of it is damaged",
		Long: `Read a backup back and tell what of it is damaged.

The manager reads every file of the backup and compares every object with its
digest; with --sample, about that part of the objects: at least one frame of about
1 MiB, which of a small backup is everything. The answer is the condition Verified
of the Backup, and its status.verification has every damaged file.`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			if err := checkSample(sample); err != nil {
				return err
			}
			return shared.verifyBackup(command.Context(), args[0], sample, *limits)
		},
	}
	command.Flags().StringVar(&sample, "sample", "", "read a part of the objects only, such as 10%")
	limits.register(command, "wait for the answer and print it")
	return command
}

// checkSample refuses what the manager would refuse.
func checkSample(sample string) error {
	if sample == "" {
		return nil
	}
	number, found := strings.CutSuffix(sample, "%")
	if percent, err := strconv.ParseFloat(number, 64); !found || err != nil || !(percent > 0 && percent <= 100) {
		return usageError{fmt.Errorf("--sample %q: write a number above 0 and up to 100 with a percent sign, such as 10%%", sample)}
	}
	return nil
}

func (s *session) verifyBackup(ctx context.Context, name, sample string, limits waiting) error {
	to, err := s.client()
	if err != nil {
		return err
	}
	token := s.Clock.Now().UTC().Format(time.RFC3339Nano)
	annotations := map[string]any{kahuv1.AnnotationVerify: token, kahuv1.AnnotationVerifySample: nil}
	if sample != "" {
		annotations[kahuv1.AnnotationVerifySample] = sample
	}
	content, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := to.Patch(ctx, backup, client.RawPatch(types.MergePatchType, content)); err != nil {
		return fmt.Errorf("asking for the verification of Backup %s: %w", name, err)
	}
	if !limits.wait {
		_, err = fmt.Fprintf(s.Out, "backup %s is being verified\n", name)
		return err
	}
	answered, err := s.awaitVerified(ctx, to, backup, token, limits)
	if err != nil {
		return err
	}
	return s.printVerified(answered)
}

// awaitVerified waits for the answer to the token, and says what happens until then.
func (s *session) awaitVerified(
	ctx context.Context, to client.WithWatch, backup *kahuv1.Backup, token string, limits waiting,
) (*kahuv1.Backup, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	answered, shown := backup, &progress{session: s}
	defer shown.end()
	err := s.waitFor(ctx, to, &kahuv1.BackupList{}, backup.Name, func(object client.Object) (bool, error) {
		current, ok := object.(*kahuv1.Backup)
		if !ok {
			return false, nil
		}
		if asked := current.Annotations[kahuv1.AnnotationVerify]; asked != token {
			return false, fmt.Errorf("backup %s: somebody else asked after this command did: %w", backup.Name, ErrFailed)
		}
		found := current.Status.Verification
		if found == nil || found.Token != token {
			return false, nil
		}
		if found.Time == nil {
			shown.show("backup "+backup.Name+": "+progressOf(current), found.Objects, current.Status.Counts.Objects)
		}
		answered = current
		return found.Time != nil, nil
	})
	return answered, err
}

// progressOf says how far a verification is, or why it has not begun. A verdict is the answer to the question before.
func progressOf(backup *kahuv1.Backup) string {
	condition := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified)
	if condition != nil && condition.Status == metav1.ConditionUnknown && condition.Reason != kahuv1.ReasonVerifying {
		return condition.Message
	}
	return fmt.Sprintf("%d of %s", backup.Status.Verification.Objects, plural(backup.Status.Counts.Objects, "object"))
}

// printVerified prints the answer; that the backup is damaged, or could not be read, is a failure.
func (s *session) printVerified(backup *kahuv1.Backup) error {
	condition := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified)
	if condition == nil {
		return errors.New("the answer has no condition Verified")
	}
	done, err := s.printWhole(backup)
	if err != nil {
		return err
	}
	if !done {
		if err := s.printFindings(backup, condition); err != nil {
			return err
		}
	}
	switch condition.Status {
	case metav1.ConditionTrue:
		return nil
	case metav1.ConditionFalse:
		return fmt.Errorf("backup %s is damaged: %s: %w", backup.Name, condition.Message, ErrFailed)
	case metav1.ConditionUnknown:
	}
	return fmt.Errorf("backup %s was not verified: %s: %w", backup.Name, condition.Message, ErrFailed)
}

func (s *session) printFindings(backup *kahuv1.Backup, condition *metav1.Condition) error {
	found := backup.Status.Verification
	if condition.Status == metav1.ConditionTrue {
		_, err := fmt.Fprintf(s.Out, "backup %s: %s (%s in %s)\n", backup.Name, condition.Message, size(found.Bytes), plural(found.Files, "file"))
		return err
	}
	for _, line := range damage(found) {
		if _, err := fmt.Fprintln(s.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// damage returns a line for each piece of damage, and one for the objects in it.
func damage(found *kahuv1.BackupVerification) []string {
	var lines []string
	for i := range found.Damaged {
		part := &found.Damaged[i]
		place := ""
		if part.Offset != nil {
			place = fmt.Sprintf(" at byte %d", *part.Offset)
			if part.Length > 0 {
				place += fmt.Sprintf(", %d bytes long", part.Length)
			}
		}
		lines = append(lines, fmt.Sprintf("%s%s: %s: %s", part.File, place, part.Reason, part.Message))
		if part.ObjectsTotal > 0 {
			lines = append(lines, fmt.Sprintf("  %s: %s%s", plural(part.ObjectsTotal, "object"),
				strings.Join(part.Objects, ", "), more(part.ObjectsTotal-int64(len(part.Objects)))))
		}
	}
	if left := found.DamagedTotal - int64(len(found.Damaged)); left > 0 {
		lines = append(lines, fmt.Sprintf("and %s", plural(left, "other part")))
	}
	return lines
}

func more(left int64) string {
	if left <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", left)
}
