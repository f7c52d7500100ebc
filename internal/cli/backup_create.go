package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// backupFlags are the flags of backup create.
type backupFlags struct {
	filterFlags
	waiting

	location   string
	mode       string
	fullEvery  []string
	copyTo     []string
	volumeData bool
	retain     bool
}

func newBackupCreate(shared *session) *cobra.Command {
	wish := &backupFlags{}
	command := &cobra.Command{
		Use:   "create NAME --location LOCATION",
		Short: "Make a backup",
		Example: `  # everything in the cluster, objects only
  kubectl kahu backup create nightly --location default --volume-data=false --wait
  # two namespaces
  kubectl kahu backup create shop --location default --include-namespaces shop,shop-data --volume-data=false
  # what has changed since the last one, and everything every week
  kubectl kahu backup create hourly-17 --location default --mode auto --volume-data=false
  # every Deployment whose name begins with web, and what they need
  kubectl kahu backup create web --location default --include-resources 'Deployment/~^web'`,
		Args: exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.createBackup(command.Context(), args[0], wish)
		},
	}
	wish.filterFlags.register(command)
	wish.waiting.register(command, "wait until the backup has ended, and its copies are made or given up")
	flags := command.Flags()
	flags.StringVar(&wish.location, "location", "", "BackupLocation to write to (required)")
	flags.StringVar(&wish.mode, "mode", "", "full, incremental, differential or auto (default full)")
	flags.StringSliceVar(&wish.fullEvery, "full-every", nil,
		"with --mode auto: the number of backups of which one is full, or the age of the last full one, such as 24h, or both (default 100,168h)")
	flags.StringSliceVar(&wish.copyTo, "copy-to", nil, "further BackupLocations that the backup is copied to once it is made")
	flags.BoolVar(&wish.volumeData, "volume-data", true,
		"back up the data of volumes; a bound claim that no provider can back up makes the backup incomplete")
	flags.BoolVar(&wish.retain, "retain", false, "keep the data at the location when the Backup object is deleted")
	return command
}

// spec turns the flags into the API's words.
func (f *backupFlags) spec() (kahuv1.BackupSpec, error) {
	if f.location == "" {
		return kahuv1.BackupSpec{}, usageError{fmt.Errorf("--location is missing: name a BackupLocation, see `kubectl kahu location get`")}
	}
	if err := f.refuseEmpty(); err != nil {
		return kahuv1.BackupSpec{}, err
	}
	selector, err := f.labels()
	if err != nil {
		return kahuv1.BackupSpec{}, err
	}
	references, err := f.declared()
	if err != nil {
		return kahuv1.BackupSpec{}, err
	}
	spec := kahuv1.BackupSpec{
		MetadataLocation:  f.location,
		IncludeNamespaces: f.includeNamespaces, ExcludeNamespaces: f.excludeNamespaces,
		IncludeResources: resources(f.includeResources), ExcludeResources: resources(f.excludeResources),
		Label: selector, References: references,
	}
	if spec.Mode, err = modeOf(f.mode); err != nil {
		return kahuv1.BackupSpec{}, err
	}
	if spec.FullEvery, err = fullEvery(f.fullEvery); err != nil {
		return kahuv1.BackupSpec{}, err
	}
	if !f.volumeData {
		spec.EnableVolumeBackup = &f.volumeData
	}
	for _, location := range f.copyTo {
		spec.Copies = append(spec.Copies, kahuv1.BackupCopy{Location: location})
	}
	if f.retain {
		spec.DeletionPolicy = kahuv1.DeletionPolicyRetain
	}
	return spec, nil
}

// createBackup creates the object, and waits for its end where that is asked for.
func (s *session) createBackup(ctx context.Context, name string, wish *backupFlags) error {
	spec, err := wish.spec()
	if err != nil {
		return err
	}
	backup := &kahuv1.Backup{
		TypeMeta:   metav1.TypeMeta{APIVersion: kahuv1.GroupVersion.String(), Kind: "Backup"},
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec,
	}
	to, err := s.client()
	if err != nil {
		return err
	}
	if err := locationsThere(ctx, to, append([]string{wish.location}, wish.copyTo...)...); err != nil {
		return err
	}
	if err := to.Create(ctx, backup); err != nil {
		return fmt.Errorf("creating Backup %s: %w", name, err)
	}
	if !wish.wait {
		return s.begun(backup, "backup", name)
	}
	last, err := s.awaitBackup(ctx, to, name, wish.waiting)
	if err != nil {
		return err
	}
	if err := s.concludeBackup(last); err != nil || len(wish.copyTo) == 0 {
		return err
	}
	last, err = s.awaitCopies(ctx, to, last, wish.waiting, wish.copyTo...)
	if err != nil {
		return err
	}
	return s.concludeCopies(last, wish.copyTo...)
}

// begun tells that an object was created.
func (s *session) begun(object client.Object, kind, name string) error {
	if done, err := s.printWhole(object); done {
		return err
	}
	_, err := fmt.Fprintf(s.Out, "%s %s created; `kubectl kahu %s describe %s` shows how it goes\n", kind, name, kind, name)
	return err
}

// awaitBackup waits for the end of a run and shows its progress.
func (s *session) awaitBackup(ctx context.Context, to client.WithWatch, name string, limits waiting) (*kahuv1.Backup, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	var last *kahuv1.Backup
	shown := &progress{session: s}
	err := s.waitFor(ctx, to, &kahuv1.BackupList{}, name, func(object client.Object) (bool, error) {
		backup, ok := object.(*kahuv1.Backup)
		if !ok {
			return false, nil
		}
		last = backup
		status := &backup.Status
		done := status.Progress
		shown.show(fmt.Sprintf("backup %s: %s%s, %d of %s", name, stateOf(status.State), queued(status.QueuePosition),
			done.ItemsDone, plural(done.ItemsTotal, "object")), done.ItemsDone, done.ItemsTotal)
		return status.Stage == kahuv1.StageFinished, nil
	})
	shown.end()
	if err != nil {
		return nil, unwatched("backup", name, err)
	}
	return last, nil
}

// queued says where in the queue a run is, if it is in it.
func queued(position int32) string {
	if position == 0 {
		return ""
	}
	return fmt.Sprintf(", number %d in the queue", position)
}

func stateOf(state kahuv1.State) kahuv1.State {
	if state == "" {
		return kahuv1.StateNew
	}
	return state
}

// concludeBackup shows what became of a run.
func (s *session) concludeBackup(backup *kahuv1.Backup) error {
	done, err := s.printWhole(backup)
	if err != nil {
		return err
	}
	status := &backup.Status
	if status.State != kahuv1.StateCompleted {
		for _, line := range problems(status.Missing) {
			s.say(line)
		}
		return fmt.Errorf("backup %s: %s: %w", backup.Name, status.FailureReason, ErrFailed)
	}
	if done {
		return nil
	}
	_, err = fmt.Fprintf(s.Out, "backup %s completed: %s of %s, %s, %s\n", backup.Name, plural(status.Counts.Objects, "object"),
		plural(status.Counts.Kinds, "kind"), storedText(status), plural(status.Counts.Warnings, "warning"))
	return err
}
