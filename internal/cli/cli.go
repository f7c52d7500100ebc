// Package cli is the command line client, kubectl-kahu, which kubectl also runs as `kubectl kahu`.
//
// Every command speaks to the API server alone and to Kahu's own kinds: what it does, a manifest does too. A file
// holds one command. Results go to standard output, in a table, or whole with -o json|yaml; progress goes to standard
// error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// The exit codes. They are stable.
const (
	// ExitCompleted: what was asked for is done.
	ExitCompleted = 0
	// ExitError: the API server refused, or could not be reached.
	ExitError = 1
	// ExitUsage: the command line is wrong.
	ExitUsage = 2
	// ExitFailed: a run that was waited for ended as Failed, or a location that was waited for is Stalled.
	ExitFailed = 3
	// ExitTimeout: the time for waiting ran out; what was begun goes on.
	ExitTimeout = 4
	// ExitInterrupted: somebody ended the command while it waited; what was begun goes on.
	ExitInterrupted = 130
)

// ErrFailed says that what was waited for ended badly.
var ErrFailed = errors.New("failed")

// ErrTimeout says that the time for waiting ran out.
var ErrTimeout = errors.New("the time for waiting ran out")

// ErrInterrupted says that somebody ended the command while it waited.
var ErrInterrupted = errors.New("interrupted")

// usageError is a wrong command line.
type usageError struct{ error }

// Unwrap returns the error itself.
func (e usageError) Unwrap() error { return e.error }

// ExitCode returns the exit code for what a command returned.
func ExitCode(err error) int {
	var usage usageError
	var trouble troubleError
	switch {
	case errors.Is(err, ErrDifferent):
		return ExitError // The code of diff for a difference.
	case errors.As(err, &trouble):
		return ExitUsage // The code of diff for trouble.
	case err == nil:
		return ExitCompleted
	case errors.As(err, &usage):
		return ExitUsage
	case errors.Is(err, ErrFailed):
		return ExitFailed
	case errors.Is(err, ErrTimeout):
		return ExitTimeout
	case errors.Is(err, ErrInterrupted):
		return ExitInterrupted
	}
	return ExitError
}

// Options are what the commands need of the world.
type Options struct {
	// Out receives results, Err progress.
	Out, Err io.Writer
	// Terminal tells that Err is one, so that progress can move on it.
	Terminal bool
	// Clock tells ages.
	Clock clock.PassiveClock
	// Version is that of this program.
	Version string
	// Quiet is how long a command waits without news before it looks whether a manager works; 5 s by default.
	Quiet time.Duration
}

// session is what the commands share.
type session struct {
	Options

	kubeconfig string
	context    string
	output     string
	namespace  string

	// lookedEnough: whether there is a manager was said, or may not be known by this user.
	lookedEnough bool
	// onBar: what was written to Err last is a bar, whose line has no end yet.
	onBar bool
}

// New returns the root command.
func New(options Options) *cobra.Command {
	shared := &session{Options: options}
	root := &cobra.Command{
		Use: "kubectl-kahu",
		// Without these two, cobra answers an unknown command itself, with an error that is no usageError.
		Args: cobra.ArbitraryArgs, RunE: showHelp,
		Short: "Back up and restore what runs in a Kubernetes cluster",
		Long: `Back up and restore what runs in a Kubernetes cluster.

Exit codes: 0 done, 1 refused or not reached, 2 wrong command line, 3 what was
waited for failed, 4 the time for waiting ran out, 130 interrupted while waiting.`,
		Version:       options.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(options.Out)
	root.SetErr(options.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&shared.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster; empty means as kubectl does")
	flags.StringVar(&shared.context, "context", "", "context of the kubeconfig")
	flags.StringVar(&shared.namespace, "namespace", kahuv1.DefaultNamespace, "Kahu's own namespace, where the manager holds its lease")
	flags.StringVarP(&shared.output, "output", "o", "", "print whole objects, json or yaml, or their names: name")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		newGroup("backup", "Make, show, compare, verify, copy, cancel and delete backups", shared,
			newBackupCreate, newBackupGet, newBackupDescribe, newBackupLogs, newBackupVerify, newBackupDiff, newBackupCopy,
			newBackupCancel, newBackupDelete),
		newGroup("restore", "Make, show, cancel, undo and delete restores", shared,
			newRestoreCreate, newRestoreGet, newRestoreDescribe, newRestoreLogs, newRestorePlan, newRestoreCancel, newRestoreUndo,
			newRestoreDelete),
		newGroup("location", "Make, show and forget the places that hold backups", shared,
			newLocationCreate, newLocationGet, newLocationDescribe, newLocationRecipient, newLocationOwn, newLocationInherit, newLocationDelete),
	)
	return root
}

// newGroup returns a command that has only further commands.
func newGroup(name, short string, shared *session, makers ...func(shared *session) *cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use: name, Short: short, Aliases: []string{name + "s"},
		RunE: showHelp,
	}
	for _, maker := range makers {
		command := maker(shared)
		explained(command)
		shared.complete(name, command)
		group.AddCommand(command)
	}
	return group
}

// showHelp is what a command does that has only further commands: an argument is a command that there is not.
func showHelp(command *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q for %q: see --help", args[0], command.CommandPath())}
	}
	return command.Help()
}

// exactly returns a check of the number of arguments.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usageError{fmt.Errorf("got %d arguments, want %v", len(args), names)}
	}
}

// someNames is a check that there is at least one argument.
func someNames(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("name what is to be deleted")}
	}
	return nil
}

// client returns a client for Kahu's own kinds, and for the lease of its manager.
func (s *session) client() (client.WithWatch, error) {
	switch s.output {
	case "", "json", "yaml", "name":
	default:
		return nil, usageError{fmt.Errorf("--output %q: use json, yaml or name", s.output)}
	}
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	made, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	return made, nil
}

// read reads one of Kahu's objects, and returns the client that it was read with.
func (s *session) read(ctx context.Context, kind, name string, into client.Object) (client.WithWatch, error) {
	from, err := s.client()
	if err != nil {
		return nil, err
	}
	if err := from.Get(ctx, client.ObjectKey{Name: name}, into); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", kind, name, err)
	}
	return from, nil
}

// config says how to reach the cluster.
func (s *session) config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: s.context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.UserAgent = "kubectl-kahu/" + s.Version
	return config, nil
}

// newScheme returns the scheme of Kahu's own kinds, and of the lease of its manager.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(kahuv1.AddToScheme(scheme), coordinationv1.AddToScheme(scheme))
}

// waiting are the flags of commands that can wait.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) register(command *cobra.Command, short string) {
	command.Flags().BoolVar(&w.wait, "wait", false, short)
	command.Flags().DurationVar(&w.timeout, "timeout", time.Hour, "how long to wait; what was begun goes on")
}

// answerTime bounds the wait for an answer of the manager with all its pages, unless the command line says otherwise.
const answerTime = 10 * time.Minute

// registerAnswer registers the flag of commands that ask the manager something, and always wait for the answer.
func (w *waiting) registerAnswer(command *cobra.Command) {
	command.Flags().DurationVar(&w.timeout, "timeout", answerTime, "how long to wait for the whole answer of the manager")
}

// bound returns a context that ends when the time for waiting has run out.
func (w *waiting) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, w.timeout)
}
