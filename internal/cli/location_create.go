package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// locationFlags are the flags of location create.
type locationFlags struct {
	waiting

	provider string
	config   map[string]string
	secret   string

	recipients []string
	identity   string

	compression string
	readOnly    bool
}

func newLocationCreate(shared *session) *cobra.Command {
	wish := &locationFlags{}
	command := &cobra.Command{
		Use:     "create NAME --provider PROVIDER",
		Short:   "Make a place known that holds backups, or will",
		Example: `  kubectl kahu location create default --provider filesystem --config path=team-a --wait`,
		Args:    exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.createLocation(command.Context(), args[0], wish)
		},
	}
	wish.register(command, "wait until the location is ready and its backups are listed")
	flags := command.Flags()
	flags.StringVar(&wish.provider, "provider", "", "name of the Provider that reaches the place (required); kubectl get providers.kahu.io shows them")
	flags.StringToStringVar(&wish.config, "config", nil, "key=value: what the provider needs to know")
	flags.StringVar(&wish.secret, "credentials", "", "Secret in Kahu's namespace with what the provider must keep to itself")
	flags.StringSliceVar(&wish.recipients, "recipient", nil, "public key of age of somebody who can read; with one, backups are encrypted")
	flags.StringVar(&wish.identity, "identity-secret", "",
		"Secret in Kahu's namespace with the identity of a recipient, without which this cluster writes and cannot read")
	flags.StringVar(&wish.compression, "compression", "",
		"Fastest, Balanced or Smallest: how hard to try to make backups small (default Fastest)")
	flags.BoolVar(&wish.readOnly, "read-only", false, "restore from the place only: write nothing there, and delete nothing")
	_ = command.RegisterFlagCompletionFunc("compression", cobra.FixedCompletions(levelNames(), cobra.ShellCompDirectiveNoFileComp))
	return command
}

// levelNames are what --compression takes.
func levelNames() []string {
	return []string{string(kahuv1.CompressionFastest), string(kahuv1.CompressionBalanced), string(kahuv1.CompressionSmallest)}
}

// encryption says who can read, nil for everybody who can read the store.
func (f *locationFlags) encryption() (*kahuv1.LocationEncryption, error) {
	if len(f.recipients) == 0 {
		if f.identity != "" {
			return nil, usageError{errors.New("--identity-secret needs a --recipient")}
		}
		return nil, nil //nolint:nilnil // Not to encrypt is no error.
	}
	if _, err := seal.ParseRecipients(f.recipients); err != nil {
		return nil, usageError{fmt.Errorf("--recipient: %w", err)}
	}
	return &kahuv1.LocationEncryption{Recipients: f.recipients, IdentitySecretRef: kahuv1.SecretReference{Name: f.identity}}, nil
}

// level is how hard to compress; any case will do.
func (f *locationFlags) level() (kahuv1.CompressionLevel, error) {
	for _, name := range append(levelNames(), "") {
		if strings.EqualFold(f.compression, name) {
			return kahuv1.CompressionLevel(name), nil
		}
	}
	return "", usageError{fmt.Errorf("--compression %q: there are %s", f.compression, strings.Join(levelNames(), ", "))}
}

// createLocation creates the object, and waits for it to be ready where that is asked for.
func (s *session) createLocation(ctx context.Context, name string, wish *locationFlags) error {
	if wish.provider == "" {
		return usageError{fmt.Errorf("--provider is missing: name a Provider, see `kubectl get providers.kahu.io`")}
	}
	encryption, err := wish.encryption()
	if err != nil {
		return err
	}
	compression, err := wish.level()
	if err != nil {
		return err
	}
	to, err := s.client()
	if err != nil {
		return err
	}
	location := &kahuv1.BackupLocation{
		TypeMeta:   metav1.TypeMeta{APIVersion: kahuv1.GroupVersion.String(), Kind: "BackupLocation"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: kahuv1.BackupLocationSpec{
			ProviderName: wish.provider, Config: wish.config, CredentialsSecretRef: kahuv1.SecretReference{Name: wish.secret},
			Encryption: encryption, Compression: kahuv1.LocationCompression{Level: compression},
		},
	}
	if wish.readOnly {
		location.Spec.AccessMode = kahuv1.AccessReadOnly
	}
	if err := to.Create(ctx, location); err != nil {
		return fmt.Errorf("creating BackupLocation %s: %w", name, err)
	}
	if !wish.wait {
		if done, err := s.printWhole(location); done {
			return err
		}
		_, err = fmt.Fprintf(s.Out, "location %s created; `kubectl kahu location get %s` shows whether it is ready\n", name, name)
		return err
	}
	return s.waitForLocation(ctx, to, name, wish.waiting)
}

// waitForLocation waits until a location is ready, or stalled.
func (s *session) waitForLocation(ctx context.Context, to client.WithWatch, name string, limits waiting) error {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	var last *kahuv1.BackupLocation
	shown := ""
	err := s.waitFor(ctx, to, &kahuv1.BackupLocationList{}, name, func(object client.Object) (bool, error) {
		location, ok := object.(*kahuv1.BackupLocation)
		if !ok {
			return false, nil
		}
		last = location
		ready := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionReady)
		if ready == nil {
			return false, nil
		}
		if line := fmt.Sprintf("location %s: %s: %s", name, ready.Reason, ready.Message); line != shown {
			s.say(line)
			shown = line
		}
		if meta.IsStatusConditionTrue(location.Status.Conditions, kahuv1.ConditionStalled) {
			return false, fmt.Errorf("location %s: %s: %w", name, ready.Message, ErrFailed)
		}
		return ready.Status == metav1.ConditionTrue, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for location %s: %w", name, err)
	}
	if done, err := s.printWhole(last); done {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "location %s is ready: %s\n", name, backupsText(last))
	return err
}
