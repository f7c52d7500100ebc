package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

func newLocationRecipient(shared *session) *cobra.Command {
	group := &cobra.Command{
		Use: "recipient", Aliases: []string{"recipients"}, RunE: showHelp,
		Short: "Say who can read what is written to a location",
		Long: `Say who can read what is written to a location.

A recipient is the public half of a key of age: age-keygen -pq makes one. Once a
location has recipients, every backup that is written there is encrypted.`,
	}
	for _, command := range []*cobra.Command{
		newRecipientList(shared), newRecipientAdd(shared), newRecipientVerify(shared), newRecipientRemove(shared),
	} {
		explained(command)
		shared.complete("location", command)
		group.AddCommand(command)
	}
	return group
}

func newRecipientList(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:   "list NAME",
		Short: "Show who can read what is written to a location",
		Args:  exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.listRecipients(command.Context(), args[0])
		},
	}
}

func newRecipientAdd(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:     "add NAME RECIPIENT",
		Short:   "Let somebody read what is written to a location, and encrypt it if it is not encrypted yet",
		Example: `  kubectl kahu location recipient add default "$(age-keygen -y identity.txt)"`,
		Args:    exactly("NAME", "RECIPIENT"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.addRecipient(command.Context(), args[0], args[1])
		},
	}
}

func newRecipientRemove(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME ID|RECIPIENT",
		Short: "Let somebody not read what is written to a location from now on",
		Long: `Let somebody not read what is written to a location from now on.

Another key is used from then on. What could be read before still can be.`,
		Args: exactly("NAME", "ID|RECIPIENT"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.removeRecipient(command.Context(), args[0], args[1])
		},
	}
}

func newRecipientVerify(shared *session) *cobra.Command {
	file := ""
	command := &cobra.Command{
		Use:   "verify NAME --identity FILE",
		Short: "Find out whether an identity opens what is written to a location",
		Long: `Find out whether an identity opens what is written to a location.

The identity is tried on this machine, with the wrapped key that the location has
for it. It is sent nowhere.`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.verifyRecipient(command.Context(), args[0], file)
		},
	}
	command.Flags().StringVar(&file, "identity", "", "file that age-keygen wrote (required)")
	return command
}

func (s *session) location(ctx context.Context, name string) (client.WithWatch, *kahuv1.BackupLocation, error) {
	from, err := s.client()
	if err != nil {
		return nil, nil, err
	}
	location := &kahuv1.BackupLocation{}
	if err := from.Get(ctx, client.ObjectKey{Name: name}, location); err != nil {
		return nil, nil, fmt.Errorf("reading BackupLocation %s: %w", name, err)
	}
	return from, location, nil
}

func (s *session) listRecipients(ctx context.Context, name string) error {
	_, location, err := s.location(ctx, name)
	if err != nil {
		return err
	}
	if done, err := s.printWhole(location); done {
		return err
	}
	if location.Spec.Encryption == nil {
		_, err := fmt.Fprintf(s.Out, "location %s is not encrypted: whoever can read its store can read its backups\n", name)
		return err
	}
	rows := table{head: []string{"ID", "TYPE", "KEYS", "IDENTITY HERE", "RECIPIENT"}}
	for _, text := range location.Spec.Encryption.Recipients {
		rows.rows = append(rows.rows, recipientRow(location, text))
	}
	return s.printTable(rows)
}

// recipientRow tells of a recipient what the spec and the status know.
func recipientRow(location *kahuv1.BackupLocation, text string) []string {
	const shown = 24
	recipient, err := seal.ParseRecipient(text)
	if err != nil {
		return []string{"?", "invalid", "?", "?", text[:min(len(text), shown)]}
	}
	row := []string{recipient.ID(), "X25519", "pending", "no", text}
	if recipient.PostQuantum() {
		row[1] = "post-quantum"
	}
	if len(text) > shown+len("age1") {
		row[4] = text[:shown] + "..."
	}
	status := location.Status.Encryption
	if status == nil {
		return row
	}
	for _, known := range status.Recipients {
		if known.ID != recipient.ID() {
			continue
		}
		row[2] = keysText(known.Epochs, status.Epochs)
		if known.IdentityInCluster {
			row[3] = "yes"
		}
	}
	return row
}

// keysText says how many keys of a location a recipient has.
func keysText(has, of *int32) string {
	if has == nil || of == nil {
		return "?"
	}
	return strconv.Itoa(int(*has)) + " of " + strconv.Itoa(int(*of))
}

func (s *session) addRecipient(ctx context.Context, name, text string) error {
	recipient, err := seal.ParseRecipient(strings.TrimSpace(text))
	if err != nil {
		return usageError{err}
	}
	to, location, err := s.location(ctx, name)
	if err != nil {
		return err
	}
	before := location.DeepCopy()
	first := location.Spec.Encryption == nil
	if first {
		location.Spec.Encryption = &kahuv1.LocationEncryption{}
	}
	encryption := location.Spec.Encryption
	if slices.Contains(encryption.Recipients, recipient.String()) {
		_, err := fmt.Fprintf(s.Out, "recipient %s is one of location %s already\n", recipient.ID(), name)
		return err
	}
	encryption.Recipients = append(encryption.Recipients, recipient.String())
	if err := patchSpec(ctx, to, location, before); err != nil {
		return err
	}
	message := fmt.Sprintf("recipient %s added to location %s\n", recipient.ID(), name)
	if first {
		message += "backups that are written there from now on are encrypted; keep the identity outside of the cluster, and try it with " +
			"`kubectl kahu location recipient verify`\n"
	}
	_, err = fmt.Fprint(s.Out, message)
	return err
}

func (s *session) removeRecipient(ctx context.Context, name, which string) error {
	to, location, err := s.location(ctx, name)
	if err != nil {
		return err
	}
	before := location.DeepCopy()
	encryption := location.Spec.Encryption
	if encryption == nil {
		return fmt.Errorf("location %s is not encrypted: it has no recipients: %w", name, ErrFailed)
	}
	var left []string
	removed := ""
	for _, text := range encryption.Recipients {
		id := ""
		if recipient, err := seal.ParseRecipient(text); err == nil {
			id = recipient.ID()
		}
		if text != which && id != which {
			left = append(left, text)
			continue
		}
		removed = id
	}
	switch {
	case len(left) == len(encryption.Recipients):
		return fmt.Errorf("location %s has no recipient %q: `kubectl kahu location recipient list %s` shows them: %w", name, which, name, ErrFailed)
	case len(left) == 0:
		return fmt.Errorf("recipient %s is the only one of location %s: add another one first: %w", removed, name, ErrFailed)
	}
	encryption.Recipients = left
	if err := patchSpec(ctx, to, location, before); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "recipient %s removed from location %s: it cannot read what is written from now on, and what it could read it still can\n",
		removed, name)
	return err
}

// patchSpec writes a location that nobody else has changed meanwhile.
func patchSpec(ctx context.Context, to client.Client, location, before *kahuv1.BackupLocation) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := to.Patch(ctx, location, patch); err != nil {
		return fmt.Errorf("changing BackupLocation %s: %w", location.Name, err)
	}
	return nil
}

func (s *session) verifyRecipient(ctx context.Context, name, file string) error {
	if file == "" {
		return usageError{errors.New("--identity is missing: name the file that age-keygen wrote")}
	}
	identities, err := readIdentities(file)
	if err != nil {
		return err
	}
	_, location, err := s.location(ctx, name)
	if err != nil {
		return err
	}
	status := location.Status.Encryption
	if status == nil {
		return fmt.Errorf("location %s has no key: it is not encrypted, or was not looked at yet: %w", name, ErrFailed)
	}
	for _, identity := range identities {
		at := slices.IndexFunc(status.Recipients, func(known kahuv1.LocationRecipient) bool { return known.ID == identity.Recipient().ID() })
		if at < 0 {
			continue
		}
		known := status.Recipients[at]
		if _, err := seal.Unwrap(known.WrappedKey, identity, status.Epoch); err != nil {
			return fmt.Errorf("the identity of recipient %s does not open location %s: %s: %w", known.ID, name, err.Error(), ErrFailed)
		}
		_, err := fmt.Fprintf(s.Out, "the identity of recipient %s opens what is written to location %s (epoch %s); it has %s keys of the location\n",
			known.ID, name, status.Epoch, keysText(known.Epochs, status.Epochs))
		return err
	}
	return fmt.Errorf("no identity in %s is that of a recipient of location %s; they are those of %s: %w",
		file, name, idsOf(identities), ErrFailed)
}

func idsOf(identities []seal.Identity) string {
	ids := make([]string, 0, len(identities))
	for _, identity := range identities {
		ids = append(ids, identity.Recipient().ID())
	}
	return strings.Join(ids, ", ")
}

// readIdentities reads a file of identities.
func readIdentities(name string) ([]seal.Identity, error) {
	file, err := os.Open(name) //nolint:gosec // Whoever runs the program names the file.
	if err != nil {
		return nil, fmt.Errorf("reading --identity: %w", err)
	}
	defer file.Close() //nolint:errcheck // It was only read.
	content, err := io.ReadAll(io.LimitReader(file, seal.MaxIdentitiesSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading --identity: %w", err)
	}
	identities, err := seal.ParseIdentities(content)
	if err != nil {
		return nil, usageError{fmt.Errorf("--identity %s: %w", name, err)}
	}
	return identities, nil
}
