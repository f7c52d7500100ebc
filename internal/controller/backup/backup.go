// Package backup runs Backup objects: each is one run, and its result.
//
// A run begins once. Its attempt is written into the status before anything is done, so that whoever looks at the
// object later knows whose run it is: a manager that finds one in Processing that is not its own takes it over with an
// attempt of its own, and goes on with what is copied. A run that failed or was cancelled is Deleting until what it wrote
// is removed. A run that is over stays as it is.
package backup

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/queue"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// Finalizer keeps a Backup until its data is gone from the store.
const Finalizer = kahuv1.BackupFinalizer

// workers is how many objects are reconciled at once: a store that hangs holds up no other.
const workers = 8

// Tasks are the runs that go on in this process.
type Tasks = reconcile.Tasks[engine.Progress, enginebackup.Result]

// Runner makes backups.
type Runner interface {
	// Run makes one, or leaves nothing behind.
	Run(ctx context.Context, request enginebackup.Request, files enginebackup.Files) (enginebackup.Result, error)
}

// Cluster tells what cluster this is.
type Cluster interface {
	// ServerVersion returns the version of the API server.
	ServerVersion(ctx context.Context) (string, error)
}

// Volumes deals with the volumes of the cluster.
type Volumes interface {
	enginebackup.Volumes
	// Remove has the data of a backup's volumes removed: of those that were ordered, and of the given ones. It can be called
	// again.
	Remove(ctx context.Context, run volumework.Run, volumes []archive.Volume) error
	// Needed returns the Restores that make volumes from those of a backup, by name, the first ones in order. It ends what nobody needs.
	Needed(ctx context.Context, volumes []archive.Volume) ([]string, error)
	// Forget removes what stands for the volumes in the cluster, and leaves their data.
	Forget(ctx context.Context, run volumework.Run) error
}

// Controller reconciles Backup objects.
type Controller struct {
	// Client reads and writes Kahu's own kinds.
	Client client.Client
	// Direct reads them from the API server itself, where a cache may be behind.
	Direct client.Reader
	// Finder finds the files of locations.
	Finder *place.Finder
	// Runner makes backups, Tasks keeps the runs.
	Runner Runner
	Tasks  *Tasks
	// Hooks runs commands in pods, HookTasks keeps those that are owed; nil means that there are none.
	Hooks     Hooks
	HookTasks *HookTasks
	// RunsPerLocation is how many runs go on at once at a location that has no limit of its own; Gate keeps those that
	// ask a store in their passes from holding all the workers.
	RunsPerLocation int
	Gate            *reconcile.Gate
	// Cluster and ClusterID tell what cluster this is.
	Cluster   Cluster
	ClusterID string
	// Volumes deals with the volumes of the cluster; nil where nothing does.
	Volumes Volumes
	// Changed is told of each status that was written, with the object as it was before; it may be nil.
	Changed func(before, after *kahuv1.Backup)
	// Clock gives times, NewAttempt the ids of runs.
	Clock      clock.PassiveClock
	NewAttempt func() string
	// Patience is how long a new run waits for its location before it fails.
	Patience time.Duration
	// Fence is how long after an attempt of another process ceased to be on record its manifest may still come. It must
	// be longer than an attempt may take to write one.
	Fence time.Duration

	mu   sync.Mutex
	runs map[types.UID]*holding
}

type scope struct {
	backup   *kahuv1.Backup
	location *kahuv1.BackupLocation // set by the steps that need it
	files    place.Files            // set with location
}

func (s *scope) status() *kahuv1.BackupStatus { return &s.backup.Status }

// Loop returns the controller as a loop of steps.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.Backup, *scope] {
	c.runs = map[types.UID]*holding{}
	return &reconcile.Loop[*kahuv1.Backup, *scope]{
		Client:     c.Client,
		New:        func() *kahuv1.Backup { return &kahuv1.Backup{} },
		Conditions: func(backup *kahuv1.Backup) *[]metav1.Condition { return &backup.Status.Conditions },
		Scope:      func(backup *kahuv1.Backup) *scope { return &scope{backup: backup} },
		Release:    c.Tasks.Release,
		Changed:    c.Changed,
		Steps: []reconcile.Step[*scope]{
			{Name: "leaving views alone", Do: c.leaveViews},
			{Name: "running hooks that are owed", Do: c.resumeHooks},
			{Name: "deleting", Do: c.delete},
			{Name: "leaving what is over", Do: c.leaveFinished},
			{Name: "cancelling", Do: c.cancel},
			{Name: "removing what failed", Do: c.discard},
			{Name: "taking over", Do: c.takeOver},
			{Name: "running hooks that are owed after a takeover", Do: c.resumeHooks},
			{Name: "accepting", Do: c.accept},
			{Name: "running", Do: c.run},
			{Name: "concluding", Do: c.conclude},
		},
	}
}

// SetUp registers the controller and its tasks with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	built, err := c.Tasks.SetUp(manager, "backup", &kahuv1.Backup{}, workers)
	if err != nil {
		return err
	}
	if err := manager.Add(c.HookTasks); err != nil {
		return err
	}
	return built.
		WatchesRawSource(source.Channel(c.HookTasks.Events(), &handler.EnqueueRequestForObject{})).
		Watches(&kahuv1.BackupLocation{}, queue.OfLocation(c.Tasks), builder.WithPredicates(queue.LookedAt())).
		Complete(c.Loop())
}

// leaveViews ends the pass for an object that only shows what lies in a store. One of a backup that this cluster made, and that
// says Delete, keeps its data company when it is deleted.
func (c *Controller) leaveViews(ctx context.Context, s *scope) error {
	if s.backup.Spec.Origin == nil {
		return nil
	}
	if !s.backup.DeletionTimestamp.IsZero() {
		return nil // The next step ends the pass.
	}
	if err := c.keepOwned(ctx, s); err != nil {
		return err
	}
	if s.status().State == "" {
		return reconcile.Waiting(kahuv1.ReasonPending, "the location has not been read yet", 0)
	}
	return reconcile.Repeat(s.status().Conditions)
}

// leaveFinished ends the pass for a run that is over, and forgets its task.
func (c *Controller) leaveFinished(_ context.Context, s *scope) error {
	if s.status().Stage != kahuv1.StageFinished {
		return nil
	}
	c.Tasks.Forget(s.backup.UID)
	c.forget(s.backup.UID)
	return reconcile.Repeat(s.status().Conditions)
}

// id returns the backup's name in a store.
func (c *Controller) id(s *scope) archive.BackupID {
	if origin := s.backup.Spec.Origin; origin != nil {
		return archive.BackupID{ClusterID: origin.ClusterID, Name: origin.Name, UID: origin.UID}
	}
	return archive.BackupID{ClusterID: c.ClusterID, Name: s.backup.Name, UID: string(s.backup.UID)}
}
