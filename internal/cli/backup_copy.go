package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// copyFlags are the flags of backup copy.
type copyFlags struct {
	waiting

	to, name string
	cancel   bool
}

func newBackupCopy(shared *session) *cobra.Command {
	wish := &copyFlags{}
	command := &cobra.Command{
		Use:   "copy NAME --to LOCATION",
		Short: "Copy a backup to another location",
		Long: `Copy a backup to another location.

The copy is a backup of its own there: it is shown as NAME-LOCATION, or under the
name that --name gives it, can be verified, restored and deleted by that name, and
stays when NAME is deleted. What lies at the location already is not sent again.

The wish is an entry in spec.copies of the Backup. Asking once more copies again
what has failed, or was deleted; --cancel takes the wish back, which ends a copying
that goes on and removes no copy that was made.`,
		Example: `  kubectl kahu backup copy nightly --to offsite --wait
  kubectl kahu restore create --backup nightly-offsite`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			if wish.to == "" {
				return usageError{errors.New("--to is missing: name a BackupLocation, see `kubectl kahu location get`")}
			}
			if wish.cancel {
				return shared.cancelCopy(command.Context(), args[0], wish)
			}
			return shared.copyBackup(command.Context(), args[0], wish)
		},
	}
	flags := command.Flags()
	flags.StringVar(&wish.to, "to", "", "BackupLocation to copy to (required)")
	flags.StringVar(&wish.name, "name", "", "name of the Backup object that shows the copy; NAME-LOCATION by default")
	flags.BoolVar(&wish.cancel, "cancel", false, "take the wish for a copy at that location back")
	wish.register(command, "wait until the copy is made or given up")
	return command
}

// changeTries bounds how often a change is made again, because somebody else changed the object meanwhile.
const changeTries = 10

// changeCopies changes spec.copies of a Backup as it is now.
func (s *session) changeCopies(
	ctx context.Context, to client.Client, name string, change func(backup *kahuv1.Backup) error,
) (*kahuv1.Backup, error) {
	var err error
	for range changeTries {
		backup := &kahuv1.Backup{}
		if err := to.Get(ctx, client.ObjectKey{Name: name}, backup); err != nil {
			return nil, fmt.Errorf("reading Backup %s: %w", name, err)
		}
		before := backup.DeepCopy()
		if err := change(backup); err != nil {
			return nil, err
		}
		err = to.Patch(ctx, backup, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if err == nil {
			return backup, nil
		}
		if !apierrors.IsConflict(err) {
			break
		}
	}
	return nil, fmt.Errorf("changing spec.copies of Backup %s: %w", name, err)
}

func ofLocation(location string) func(wish kahuv1.BackupCopy) bool {
	return func(wish kahuv1.BackupCopy) bool { return wish.Location == location }
}

func (s *session) copyBackup(ctx context.Context, name string, wish *copyFlags) error {
	to, err := s.client()
	if err != nil {
		return err
	}
	if err := locationsThere(ctx, to, wish.to); err != nil {
		return err
	}
	token := s.Clock.Now().UTC().Format(time.RFC3339Nano)
	backup, err := s.changeCopies(ctx, to, name, func(backup *kahuv1.Backup) error {
		at := slices.IndexFunc(backup.Spec.Copies, ofLocation(wish.to))
		if at < 0 {
			backup.Spec.Copies = append(backup.Spec.Copies, kahuv1.BackupCopy{Location: wish.to})
			at = len(backup.Spec.Copies) - 1
		}
		backup.Spec.Copies[at].Token = token
		if wish.name != "" {
			backup.Spec.Copies[at].Name = wish.name
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !wish.wait {
		if done, err := s.printWhole(backup); done {
			return err
		}
		_, err = fmt.Fprintf(s.Out, "backup %s is being copied to %s; `kubectl kahu backup describe %s` shows how it goes\n", name, wish.to, name)
		return err
	}
	backup, err = s.awaitCopies(ctx, to, backup, wish.waiting, wish.to)
	if err != nil {
		return err
	}
	return s.concludeCopies(backup, wish.to)
}

func (s *session) cancelCopy(ctx context.Context, name string, wish *copyFlags) error {
	to, err := s.client()
	if err != nil {
		return err
	}
	_, err = s.changeCopies(ctx, to, name, func(backup *kahuv1.Backup) error {
		if !slices.ContainsFunc(backup.Spec.Copies, ofLocation(wish.to)) {
			return usageError{fmt.Errorf("backup %s has no copy at %s in its spec", name, wish.to)}
		}
		backup.Spec.Copies = slices.DeleteFunc(backup.Spec.Copies, ofLocation(wish.to))
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "backup %s is not copied to %s any more; a copy that was made stays\n", name, wish.to)
	return err
}

// awaitCopies waits until the copies at these locations are made or given up, and shows how they go.
func (s *session) awaitCopies(
	ctx context.Context, to client.WithWatch, backup *kahuv1.Backup, limits waiting, locations ...string,
) (*kahuv1.Backup, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	last, shown := backup, &progress{session: s}
	err := s.waitFor(ctx, to, &kahuv1.BackupList{}, backup.Name, func(object client.Object) (bool, error) {
		current, ok := object.(*kahuv1.Backup)
		if !ok {
			return false, nil
		}
		last = current
		for _, location := range locations {
			row := copyOf(current, location)
			if row == nil {
				return false, fmt.Errorf("backup %s: somebody took the wish for a copy at %s back: %w", backup.Name, location, ErrFailed)
			}
			if !isSettled(row) {
				shown.show(fmt.Sprintf("backup %s to %s: %s", backup.Name, location, copyText(row)), row.Bytes+row.BytesPresent, row.BytesTotal)
				return false, nil
			}
		}
		return true, nil
	})
	shown.end()
	if errors.Is(err, ErrInterrupted) || errors.Is(err, ErrTimeout) {
		return nil, fmt.Errorf("waiting for the copies of backup %s: %w; the copying goes on: `kubectl kahu backup describe %s` shows how",
			backup.Name, err, backup.Name)
	}
	return last, err
}

// copyOf returns how far the copy at a location is, as it is wished for now; nil where nobody wishes it.
func copyOf(backup *kahuv1.Backup, location string) *kahuv1.BackupCopyStatus {
	at := slices.IndexFunc(backup.Spec.Copies, ofLocation(location))
	if at < 0 {
		return nil
	}
	for i := range backup.Status.Copies {
		if row := &backup.Status.Copies[i]; row.Location == location && row.Token == backup.Spec.Copies[at].Token {
			return row
		}
	}
	return &kahuv1.BackupCopyStatus{Location: location}
}

func isSettled(row *kahuv1.BackupCopyStatus) bool {
	return row.State == kahuv1.StateCompleted || row.State == kahuv1.StateFailed
}

// copyText says how far a copy is.
func copyText(row *kahuv1.BackupCopyStatus) string {
	switch row.State {
	case kahuv1.StateCompleted:
		return fmt.Sprintf("made at %s, %s: %s sent, %s there before%s", timeOf(row.Time), plural(row.FilesTotal+1, "file"),
			size(row.Bytes), size(row.BytesPresent), after(row.Message))
	case kahuv1.StateFailed:
		return fmt.Sprintf("given up: %s: %s", row.Reason, row.Message)
	case kahuv1.StateDeleting:
		return "what was sent is being removed, as nobody wants it any more"
	case kahuv1.StateProcessing:
		done := fmt.Sprintf("%d of %s, %s of %s", row.Files, plural(row.FilesTotal, "file"),
			size(row.Bytes+row.BytesPresent), size(row.BytesTotal))
		if row.Tries > 1 {
			return fmt.Sprintf("try %d: %s", row.Tries, done)
		}
		return done
	case kahuv1.StateNew, kahuv1.StateValidating:
	}
	if row.Message == "" {
		return "waits" + queued(row.QueuePosition)
	}
	return "waits: " + strings.TrimPrefix(row.Reason+": ", ": ") + row.Message
}

// after returns a further sentence.
func after(text string) string {
	if text == "" {
		return ""
	}
	return ". " + text
}

// concludeCopies shows what became of the copies at these locations; that one is missing is a failure.
func (s *session) concludeCopies(backup *kahuv1.Backup, locations ...string) error {
	done, err := s.printWhole(backup)
	if err != nil {
		return err
	}
	var failed []error
	for _, location := range locations {
		row := copyOf(backup, location)
		if row == nil || row.State != kahuv1.StateCompleted {
			failed = append(failed, fmt.Errorf("backup %s was not copied to %s: %s: %s: %w",
				backup.Name, location, row.Reason, row.Message, ErrFailed))
			continue
		}
		if !done {
			if _, err := fmt.Fprintf(s.Out, "backup %s copied to %s: %s\n", backup.Name, location, copyText(row)); err != nil {
				return err
			}
		}
	}
	return errors.Join(failed...)
}

// copies returns a line for each copy of a backup.
func copies(backup *kahuv1.Backup) []string {
	lines := make([]string, 0, len(backup.Status.Copies))
	for i := range backup.Status.Copies {
		row := &backup.Status.Copies[i]
		lines = append(lines, fmt.Sprintf("%-14s %s", row.Location, copyText(row)))
	}
	for _, wish := range backup.Spec.Copies {
		if row := copyOf(backup, wish.Location); row.State == "" {
			lines = append(lines, fmt.Sprintf("%-14s %s", wish.Location, copyText(row)))
		}
	}
	return lines
}
