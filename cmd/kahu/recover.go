package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/recovery"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/manager"
	"github.com/soda-cdm/kahu/internal/rescue"
	"github.com/soda-cdm/kahu/internal/sidecar"
	"github.com/soda-cdm/kahu/internal/store"
)

// recoverOptions are the flags of the recover command.
type recoverOptions struct {
	location, credentials, identity string
	kubeconfig, namespace, log      string
	signers                         []string
	wish                            recovery.Wish
	dryRun, inhabited               bool
}

func newRecoverCommand() *cobra.Command {
	options := &recoverOptions{}
	command := &cobra.Command{
		Use:   "recover --location PLACE [--identity FILE]",
		Short: "Bring a lost cluster back into a new one, from nothing but a location and a key",
		Long: `Bring a lost cluster back into a new one. All that is needed is this program, the
place where the backups lie, what opens it, and a kubeconfig of the new cluster.

It looks into the place without writing to it, chooses the newest complete backup
of the whole cluster (one that was made with filters only where --backup names
it), installs Kahu's definitions, runs Kahu on this machine for as long
as it takes, restores everything, and says what to do next. When it is
interrupted, run it again: it goes on.`,
		Example: `  kahu recover --location s3://backups/production?endpoint=https://s3.example.org --identity identity.txt --dry-run
  kahu recover --location s3://backups/production?endpoint=https://s3.example.org --identity identity.txt
  kahu recover --location /mnt/backups --backup nightly-20261120`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runRecover(command.Context(), options, command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.location, "location", "",
		"where the backups lie (required): /FOLDER, s3://BUCKET/PREFIX?endpoint=...&region=..., or nfs://SERVER/EXPORT?path=...; "+
			"after the question mark stands whatever the configuration of such a location can have")
	flags.StringVar(&options.credentials, "credentials", "",
		"file with the store's credentials as lines of the form key=value: accessKeyID=... and secretAccessKey=...; "+
			"without it, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment")
	flags.StringVar(&options.identity, "identity", "", "file with the secret key, as age-keygen wrote it, of encrypted backups")
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "file that says how to reach the new cluster; empty means KUBECONFIG, or ~/.kube/config")
	flags.StringVar(&options.wish.Cluster, "cluster", "", "id of the cluster that was lost, or how it begins, where backups of several lie there")
	flags.StringVar(&options.wish.Backup, "backup", "", "name of the backup; empty means the newest complete one of everything, made without filters")
	flags.BoolVar(&options.wish.AllowIncomplete, "allow-incomplete", false, "take a backup from which something is missing")
	flags.StringSliceVar(&options.signers, "signer", nil,
		"who must have signed the backup, ed25519:...; without it, all signed backups of the cluster must have one signer")
	flags.BoolVar(&options.wish.AllowUnknownSigner, "allow-unknown-signer", false,
		"take a backup whoever signed it; whoever can write to the store can have made it")
	flags.BoolVar(&options.dryRun, "dry-run", false, "look into the place, try the key, say which backup it would be, and write nothing anywhere")
	flags.BoolVar(&options.inhabited, "into-inhabited", false, "restore into a cluster that is not empty; what is there stays as it is")
	flags.StringVar(&options.namespace, "namespace", manager.DefaultNamespace, "Kahu's own namespace, as it was in the lost cluster")
	flags.StringVar(&options.log, "log", "", "file for what the processes say; empty means one in the folder for temporary files")
	return command
}

// recovering is one run of the command.
type recovering struct {
	options *recoverOptions
	place   rescue.Place
	key     rescue.Key
	files   *store.Store
	out     io.Writer
}

func (r *recovering) tellf(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format+"\n", args...) // Nobody is left to be told.
}

func runRecover(ctx context.Context, options *recoverOptions, out io.Writer) error {
	ctrl.SetLogger(logr.Discard())
	run, err := newRecovering(options, out)
	if err != nil {
		return err
	}
	driver, end, err := newDriver(providerOptions{name: run.place.Provider, root: run.place.Root})
	if err != nil {
		return err
	}
	defer end()        //nolint:errcheck // The process ends with it.
	const attempts = 4 // It is seen sooner that an address is wrong.
	run.files = store.New(driver, store.Options{Attributes: run.place.Attributes(), Attempts: attempts})
	choice, err := run.choose(ctx)
	if err != nil {
		return err
	}
	if options.dryRun {
		run.tellf("Nothing was written. Run it again without --dry-run to restore this backup.")
		return nil
	}
	return run.bringBack(ctx, choice)
}

// newRecovering reads what the command line names.
func newRecovering(options *recoverOptions, out io.Writer) (*recovering, error) {
	place, err := rescue.ParsePlace(options.location)
	if err != nil {
		return nil, err
	}
	place.FromEnvironment(os.Getenv)
	if options.credentials != "" {
		content, err := os.ReadFile(options.credentials)
		if err == nil {
			err = place.TakeCredentials(content)
		}
		if err != nil {
			return nil, fmt.Errorf("reading --credentials %s: %w", options.credentials, err)
		}
	}
	run := &recovering{options: options, place: place, out: out}
	for _, signer := range options.signers {
		if err := seal.Signer(signer).Check(); err != nil {
			return nil, fmt.Errorf("--signer: %w", err)
		}
		options.wish.Signers = append(options.wish.Signers, seal.Signer(signer))
	}
	if options.identity == "" {
		return run, nil
	}
	if run.key.Content, err = os.ReadFile(options.identity); err != nil {
		return nil, fmt.Errorf("reading --identity: %w", err)
	}
	if run.key.Held, err = seal.ParseIdentities(run.key.Content); err != nil {
		return nil, fmt.Errorf("--identity %s: %w", options.identity, err)
	}
	return run, nil
}

// choose looks into the place, and tells what it finds.
func (r *recovering) choose(ctx context.Context) (recovery.Choice, error) {
	r.tellf("Looking into %s", r.place.String())
	wish := r.options.wish
	found, err := rescue.Look(ctx, r.files, r.key.Held, func(id archive.BackupID) bool { return strings.HasPrefix(id.ClusterID, wish.Cluster) })
	if err != nil {
		return recovery.Choice{}, fmt.Errorf("looking into %s: %w", r.place.String(), err)
	}
	if len(found) == 0 && wish.Cluster != "" { // Which there are is known without reading them all.
		found, err = rescue.Look(ctx, r.files, r.key.Held, func(archive.BackupID) bool { return true })
	}
	if err != nil {
		return recovery.Choice{}, err
	}
	choice, err := recovery.Choose(found, wish)
	if err != nil {
		return recovery.Choice{}, err
	}
	for _, each := range rescue.Describe(choice, clock.RealClock{}.Now()) {
		r.tellf("%s", each)
	}
	return choice, rescue.TryKey(ctx, r.files, choice, r.key.Held)
}

// bringBack restores the backup into the new cluster.
func (r *recovering) bringBack(ctx context.Context, choice recovery.Choice) error {
	log, err := r.openLog()
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // What it says is for people.
	tree, cleanUp, err := r.tree()
	if err != nil {
		return err
	}
	defer cleanUp()
	config, err := clientcmd.BuildConfigFromFlags("", tree.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	target, err := r.enter(ctx, config, tree, choice)
	if err != nil {
		return err
	}
	if over, err := r.isOver(ctx, target, choice); err != nil || over {
		return err
	}
	r.tellf("Kahu's definitions are installed; what its processes say is in %s", log.Name())
	if err := r.bringSigningKey(ctx, config, choice); err != nil {
		return err
	}
	logger := funcr.New(func(prefix, line string) { _, _ = fmt.Fprintln(log, prefix, line) }, funcr.Options{})
	return r.beside(logr.NewContext(ctx, logger), tree, log, func(ctx context.Context) error { return r.restore(ctx, target, choice) })
}

// isOver tells whether an earlier run has done all that there is to do, and says so.
func (r *recovering) isOver(ctx context.Context, target *rescue.Cluster, choice recovery.Choice) (bool, error) {
	before, _, err := target.Find(ctx, choice)
	if err != nil || !rescue.IsOver(before) {
		return false, err
	}
	tidy, err := target.IsTidy(ctx)
	if err == nil && tidy {
		r.tellf("Restore %s has brought it back already; delete that object to restore once more what has been lost since", before.Name)
	}
	return tidy, err
}

// enter returns the new cluster with Kahu's definitions in it.
func (r *recovering) enter(ctx context.Context, config *rest.Config, tree standaloneOptions, choice recovery.Choice) (*rescue.Cluster, error) {
	config.WarningHandler = rest.NoWarnings{}
	r.tellf("Into the cluster at %s", config.Host)
	target, err := r.target(config)
	if err != nil {
		return nil, err
	}
	if err := r.mayEnter(ctx, target, choice); err != nil {
		return nil, err
	}
	return target, prepareCluster(ctx, tree)
}

// mayEnter refuses a cluster in which others live: it may be another one than was meant.
func (r *recovering) mayEnter(ctx context.Context, target *rescue.Cluster, choice recovery.Choice) error {
	if r.options.inhabited {
		return nil
	}
	names, err := target.Inhabitants(ctx, choice)
	if err != nil || len(names) == 0 {
		return err
	}
	return fmt.Errorf("the cluster is not empty: it has %s. See whether --kubeconfig is the one of the new cluster. "+
		"With --into-inhabited everything is restored into it all the same, and what is there stays as it is", strings.Join(names, ", "))
}

func (r *recovering) openLog() (*os.File, error) {
	if r.options.log == "" {
		return os.CreateTemp("", "kahu-recover-*.log")
	}
	return os.OpenFile(r.options.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// tree returns what is run beside the cluster, and what removes its files.
func (r *recovering) tree() (standaloneOptions, func(), error) {
	options := standaloneOptions{
		provider:   providerOptions{name: r.place.Provider, root: r.place.Root},
		kubeconfig: r.options.kubeconfig, namespace: r.options.namespace, installCRDs: true,
		// The locations of the lost cluster come back before anybody knows whether what they name is reached from here: none of
		// them may be taken for a new one.
		observation:   manager.Options{MetricsAddress: "0", PprofAddress: "0", ReadOnlyLocations: true},
		healthAddress: "0", leaseDuration: sidecar.DefaultLeaseDuration, locationEvery: lookEvery, patience: placePatience,
	}
	if options.kubeconfig == "" {
		options.kubeconfig = defaultKubeconfig(os.Getenv)
	}
	if err := absolute(&options.kubeconfig); err != nil {
		return options, nil, err
	}
	cleanUp, err := prepareState(&options)
	return options, cleanUp, err
}

// defaultKubeconfig is the file that kubectl would take.
func defaultKubeconfig(lookup func(name string) string) string {
	if named := filepath.SplitList(lookup("KUBECONFIG")); len(named) > 0 {
		return named[0]
	}
	return filepath.Join(lookup("HOME"), ".kube", "config")
}

const (
	// lookEvery is the time between two looks at the place while it is not ready.
	lookEvery = 10 * time.Second
	// placePatience is how long it may take to become ready.
	placePatience = 5 * time.Minute
)

// beside does something while the process tree runs, and ends it afterwards. A tree that ends before ends the work.
func (r *recovering) beside(ctx context.Context, tree standaloneOptions, log io.Writer, work func(ctx context.Context) error) error {
	ctx, end := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		end(runTree(ctx, tree, log))
	}()
	err := work(ctx)
	end(nil)
	<-ended
	return err
}

// restore has the manager restore, and tells what became of it.
func (r *recovering) restore(ctx context.Context, target *rescue.Cluster, choice recovery.Choice) error {
	r.tellf("Kahu starts on this machine")
	if err := target.MakeKnown(ctx, &r.place, r.key, choice); err != nil {
		return err
	}
	r.tellf("Restoring %s", choice.ID.Name)
	restore, err := target.Restore(ctx, choice, r.options.wish)
	if err != nil {
		return err
	}
	home := ""
	if rescue.IsOver(restore) { // Otherwise there is more to restore from that place.
		home, err = target.TidyUp(ctx)
	}
	for _, line := range append(rescue.Outcome(restore), rescue.Next(restore, home)...) {
		r.tellf("%s", line)
	}
	if err == nil && !rescue.IsOver(restore) {
		err = fmt.Errorf("not everything came back: %s", restore.Status.FailureReason)
	}
	return err
}

// target is the new cluster.
func (r *recovering) target(config *rest.Config) (*rescue.Cluster, error) {
	scheme, err := kahuScheme()
	if err != nil {
		return nil, err
	}
	made, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	lister, err := cluster.New(config, cluster.Options{Version: version})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	return &rescue.Cluster{
		Client: made, Lister: lister, Namespace: r.options.namespace, Clock: clock.RealClock{}, Patience: placePatience,
		Tell: func(line string) { r.tellf("%s", line) },
	}, nil
}
