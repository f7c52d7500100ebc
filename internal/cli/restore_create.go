package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// restoreFlags are the flags of restore create.
type restoreFlags struct {
	filterFlags
	waiting

	backup            string
	location          string
	cluster           string
	uid               string
	mapping           map[string]string
	prefix            string
	clusterScope      bool
	clusterScopeGiven bool
	nodePorts         bool
	clusterIPs        bool
	allowIncomplete   bool
	unknownSigner     bool
	sets              []string
	images            map[string]string
	classes           map[string]string
	existing          string
	dryRun            bool
	all               bool
}

func newRestoreCreate(shared *session) *cobra.Command {
	wish := &restoreFlags{}
	command := &cobra.Command{
		Use:   "create NAME --backup BACKUP",
		Short: "Restore a backup, or a part of it",
		Example: `  # everything that is not there
  kubectl kahu restore create back --backup nightly --wait
  # from a location, whether or not a Backup object shows what lies there
  kubectl kahu restore create back --location offsite --backup nightly --wait
  # what it would do, as a diff; nothing is written
  kubectl kahu restore create look --backup nightly --existing Update --dry-run
  # one namespace, under another name
  kubectl kahu restore create copy --backup nightly --include-namespaces shop --namespace-mapping shop=shop-copy --wait
  # beside what is there, under other names
  kubectl kahu restore create blue --backup nightly --include-namespaces shop --resource-prefix blue- --wait`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			wish.clusterScopeGiven = command.Flags().Changed("cluster-scope")
			return shared.createRestore(command.Context(), args[0], wish)
		},
	}
	wish.filterFlags.register(command)
	wish.waiting.register(command, "wait until the restore has ended")
	flags := command.Flags()
	flags.StringVar(&wish.backup, "backup", "", "Backup to restore from (required)")
	flags.StringVar(&wish.location, "location", "",
		"BackupLocation to look for the backup in; without, the Backup object says where it is")
	flags.StringVar(&wish.cluster, "backup-cluster", "", "with --location: id of the cluster that made the backup, where several have one of that name")
	flags.StringVar(&wish.uid, "backup-uid", "", "with --location: UID of the backup, where there are several of that name")
	flags.StringToStringVar(&wish.mapping, "namespace-mapping", nil, "from=to: names that namespaces get")
	flags.StringVar(&wish.prefix, "resource-prefix", "",
		"put before the names of the objects, and where they name one another: blue- makes blue-web of web")
	flags.BoolVar(&wish.clusterScope, "cluster-scope", false,
		"with =true or =false: restore all objects at cluster scope, or none; without: as the other filters say")
	flags.BoolVar(&wish.nodePorts, "preserve-node-ports", false, "keep the node ports of services")
	flags.BoolVar(&wish.clusterIPs, "preserve-cluster-ips", false, "keep the cluster addresses of services")
	flags.StringSliceVar(&wish.sets, "transform-set", nil, "TransformSets that change the objects, in this order")
	flags.StringToStringVar(&wish.images, "map-image", nil, "from=to: registries, paths or repositories of images")
	flags.StringToStringVar(&wish.classes, "map-storage-class", nil, "from=to: names of storage classes")
	flags.BoolVar(&wish.allowIncomplete, "allow-incomplete", false, "restore what an incomplete backup has")
	flags.BoolVar(&wish.unknownSigner, "allow-unknown-signer", false,
		"restore from an encrypted location what is signed by nobody whom it trusts; whoever can write to the store can have made it")
	flags.BoolVar(&wish.dryRun, "dry-run", false, "show what would be done, and write nothing to the cluster; waits")
	flags.BoolVar(&wish.all, "all", false, "with --dry-run: show every object, also those that stay as they are")
	flags.StringVar(&wish.existing, "existing", "", "what is done about objects that are there: Skip, Update, Recreate or Fail")
	_ = command.RegisterFlagCompletionFunc("existing", cobra.FixedCompletions(existingPolicies(), cobra.ShellCompDirectiveNoFileComp))
	return command
}

// contradictions refuses flags that are missing, or that make no sense without others.
func (f *restoreFlags) contradictions() error {
	switch {
	case f.backup == "":
		return usageError{errors.New("--backup is missing: name a Backup, see `kubectl kahu backup get`")}
	case f.all && !f.dryRun:
		return usageError{errors.New("--all is for a plan: it needs --dry-run")}
	case f.location == "" && f.cluster+f.uid != "":
		return usageError{errors.New("--backup-cluster and --backup-uid choose among the backups at a location: name it with --location")}
	default:
		return f.refuseEmpty()
	}
}

// spec turns the flags into the API's words.
func (f *restoreFlags) spec() (kahuv1.RestoreSpec, error) {
	if err := f.contradictions(); err != nil {
		return kahuv1.RestoreSpec{}, err
	}
	existing, err := oneOf("existing", f.existing, existingPolicies())
	if err != nil {
		return kahuv1.RestoreSpec{}, err
	}
	selector, err := f.labels()
	if err != nil {
		return kahuv1.RestoreSpec{}, err
	}
	references, err := f.declared()
	if err != nil {
		return kahuv1.RestoreSpec{}, err
	}
	spec := kahuv1.RestoreSpec{
		BackupName: f.backup, MetadataLocation: f.location, ClusterID: f.cluster, BackupUID: f.uid,
		IncludeNamespaces: f.includeNamespaces, ExcludeNamespaces: f.excludeNamespaces,
		IncludeResources: resources(f.includeResources), ExcludeResources: resources(f.excludeResources),
		LabelSelector: selector, References: references, NamespaceMapping: f.mapping, ResourcePrefix: f.prefix,
		PreserveNodePort: f.nodePorts, PreserveClusterIPAddr: f.clusterIPs, AllowIncomplete: f.allowIncomplete,
		AllowUnknownSigner: f.unknownSigner,
		TransformSets:      f.sets, ImageMapping: f.images, StorageClassMapping: f.classes,
		DryRun: f.dryRun, ExistingResourcePolicy: kahuv1.ExistingResourcePolicy(existing),
	}
	if f.clusterScopeGiven {
		spec.IncludeClusterResource = &f.clusterScope
	}
	return spec, nil
}

// createRestore creates the object, and waits for its end where that is asked for.
func (s *session) createRestore(ctx context.Context, name string, wish *restoreFlags) error {
	spec, err := wish.spec()
	if err != nil {
		return err
	}
	to, err := s.client()
	if err != nil {
		return err
	}
	restore := &kahuv1.Restore{
		TypeMeta:   metav1.TypeMeta{APIVersion: kahuv1.GroupVersion.String(), Kind: "Restore"},
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec,
	}
	if err := createOf(ctx, to, restore); err != nil {
		return err
	}
	if !wish.wait && !wish.dryRun {
		return s.begun(restore, "restore", name)
	}
	last, err := s.awaitRestore(ctx, to, name, wish.waiting)
	if err != nil {
		return err
	}
	if wish.all && s.output == "" && last.Status.State == kahuv1.StateCompleted {
		ctx, cancel := wish.bound(ctx)
		defer cancel()
		return s.printWholePlan(ctx, to, last)
	}
	return s.concludeRestore(last)
}

// createOf creates a Restore of a backup that is there.
func createOf(ctx context.Context, to client.Client, restore *kahuv1.Restore) error {
	if err := backupThere(ctx, to, restore.Spec.BackupName, restore.Spec.MetadataLocation); err != nil {
		return err
	}
	if err := to.Create(ctx, restore); err != nil {
		return fmt.Errorf("creating Restore %s: %w", restore.Name, err)
	}
	return nil
}

// awaitRestore waits for the end of a run and shows its progress.
func (s *session) awaitRestore(ctx context.Context, to client.WithWatch, name string, limits waiting) (*kahuv1.Restore, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	var last *kahuv1.Restore
	shown := &progress{session: s}
	err := s.waitFor(ctx, to, &kahuv1.RestoreList{}, name, func(object client.Object) (bool, error) {
		restore, ok := object.(*kahuv1.Restore)
		if !ok {
			return false, nil
		}
		last = restore
		status := &restore.Status
		done := status.Progress
		if isPreviewed(restore) {
			done.ItemsRestored = done.TotalItems // All were looked at.
		}
		shown.show(fmt.Sprintf("restore %s: %s%s, %d of %s", name, restoreState(restore), queued(status.QueuePosition),
			done.ItemsRestored, plural(done.TotalItems, "object")), done.ItemsRestored, done.TotalItems)
		return status.Stage == kahuv1.StageFinished, nil
	})
	shown.end()
	if err != nil {
		return nil, unwatched("restore", name, err)
	}
	return last, nil
}

// concludeRestore shows what became of a run.
func (s *session) concludeRestore(restore *kahuv1.Restore) error {
	done, err := s.printWhole(restore)
	if err != nil {
		return err
	}
	status := &restore.Status
	if status.State != kahuv1.StateCompleted {
		for _, line := range problems(status.Failed) {
			s.say(line)
		}
		return fmt.Errorf("restore %s: %s: %w", restore.Name, status.FailureReason, ErrFailed)
	}
	if done {
		return nil
	}
	if restore.Spec.DryRun {
		return s.printPlan(restore)
	}
	_, err = fmt.Fprintf(s.Out, "restore %s completed: %s, %s\n", restore.Name, countsText(status.Counts), plural(status.Counts.Warnings, "warning"))
	return err
}

// isPreviewed tells a dry run that is over, which has written nothing, from a restore.
func isPreviewed(restore *kahuv1.Restore) bool {
	return restore.Spec.DryRun && restore.Status.State == kahuv1.StateCompleted
}

// restoreState is the state of a run in a word.
func restoreState(restore *kahuv1.Restore) string {
	if isPreviewed(restore) {
		return kahuv1.ReasonPreviewed
	}
	return string(stateOf(restore.Status.State))
}

// existingPolicies are what can be done about objects that are there.
func existingPolicies() []string {
	return []string{
		string(kahuv1.ExistingResourcePolicySkip), string(kahuv1.ExistingResourcePolicyUpdate),
		string(kahuv1.ExistingResourcePolicyRecreate), string(kahuv1.ExistingResourcePolicyFail),
	}
}

// countsText says how many objects met which end.
func countsText(counts kahuv1.RestoreCounts) string {
	return fmt.Sprintf("%d created, %d updated, %d were there, %d made again by controllers, %d failed",
		counts.Created, counts.Updated, counts.SkippedExisting, counts.SkippedControlled, counts.Failed)
}
