package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newLocationDescribe(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell everything that is known of a place that holds backups",
		Args:  exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.describeLocation(command.Context(), args[0])
		},
	}
}

func (s *session) describeLocation(ctx context.Context, name string) error {
	from, err := s.client()
	if err != nil {
		return err
	}
	location := &kahuv1.BackupLocation{}
	if err := from.Get(ctx, client.ObjectKey{Name: name}, location); err != nil {
		return fmt.Errorf("reading BackupLocation %s: %w", name, err)
	}
	if done, err := s.printWhole(location); done {
		return err
	}
	_, err = fmt.Fprint(s.Out, locationText(location))
	return err
}

// locationText is a person's view of a location.
func locationText(location *kahuv1.BackupLocation) string {
	d, status := &description{}, &location.Status
	d.line("Name", location.Name)
	d.line("Provider", location.Spec.ProviderName)
	var config []string
	for _, key := range slices.Sorted(maps.Keys(location.Spec.Config)) {
		config = append(config, key+" = "+location.Spec.Config[key])
	}
	d.block("Config", config)
	d.line("Credentials", location.Spec.CredentialsSecretRef.Name)
	d.line("Access", string(location.Spec.AccessMode))
	d.line("Backups", backupsOf(location))
	d.line("At once", limitsText(location.Spec.Limits))
	d.line("Compression", string(cmp.Or(location.Spec.Compression.Level, kahuv1.CompressionFastest)))
	d.line("Encrypted for", encryptionText(location))
	d.line("Location id", status.LocationID)
	d.block("Clusters", clustersText(location))
	d.line("Last looked at", timeOf(status.LastProbeTime))
	d.line("Collected", collectionText(status.Collection))
	d.conditions(status.Conditions)
	return d.text.String()
}

// limitsText says how many runs go on at once with a location.
func limitsText(limits kahuv1.LocationLimits) string {
	text := func(number int32, unit string) string {
		if number == 0 {
			return unit + "s as the manager says"
		}
		return plural(int64(number), unit)
	}
	return text(limits.Backups, "backup") + ", " + text(limits.Restores, "restore")
}

// encryptionText says for whom a location is encrypted, and with which key.
func encryptionText(location *kahuv1.BackupLocation) string {
	encryption, status := location.Spec.Encryption, location.Status.Encryption
	if encryption == nil {
		return ""
	}
	text := plural(int64(len(encryption.Recipients)), "recipient")
	if status != nil {
		text += fmt.Sprintf(", epoch %s, signed by %s", status.Epoch, status.Signer)
	}
	return text
}

// collectionText says what the last look for files came to that nobody needs.
func collectionText(last *kahuv1.LocationCollection) string {
	if last == nil || last.Time == nil {
		return ""
	}
	text := fmt.Sprintf("%s, removed %s and %s", timeOf(last.Time), plural(last.RemovedSegments, "segment"), plural(last.RemovedFiles, "other file"))
	if last.WaitingSegments > 0 {
		text += fmt.Sprintf("; %s may still be needed", plural(last.WaitingSegments, "segment"))
	}
	return text
}
