// Package restore runs Restore objects: each is one run, and its result.
//
// A restore that another process began and did not finish is gone on with: objects say by whom they were created, so what
// an earlier attempt has made is found and counted, and the rest is made. A run that kills its process again and again
// ends as Interrupted.
package restore

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/queue"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// workers is how many objects are reconciled at once: a store that hangs holds up no other.
const workers = 8

// Tasks are the runs that go on in this process.
type Tasks = reconcile.Tasks[engine.Progress, enginerestore.Result]

// Runner restores.
type Runner interface {
	// Run restores once.
	Run(ctx context.Context, request enginerestore.Request, files enginerestore.Files) (enginerestore.Result, error)
}

// Volumes has providers make volumes from their backups, and end what they make.
type Volumes interface {
	enginerestore.Volumes
	// Cancel has the orders of a restore end, and returns how many are not over yet.
	Cancel(ctx context.Context, run volumework.Run) (int, error)
	// Claimed has those orders end whose claims are gone, and returns the claims that still need theirs.
	Claimed(ctx context.Context, run volumework.Run) ([]core.Key, error)
}

// Controller reconciles Restore objects.
type Controller struct {
	// Client reads and writes Kahu's own kinds, through a cache; Direct reads from the API server itself.
	Client client.Client
	Direct client.Reader
	// Finder finds the files of locations.
	Finder *place.Finder
	// Runner restores, Tasks keeps the runs.
	Runner Runner
	Tasks  *Tasks
	// Volumes deals with the volumes of the cluster; nil where nothing does.
	Volumes Volumes
	// Hooks runs hooks; nil where nothing does.
	Hooks Hooks
	// RunsPerLocation is how many runs go on at once at a location that has no limit of its own.
	RunsPerLocation int
	// Gate keeps passes that ask a location which hangs from taking all workers.
	Gate *reconcile.Gate
	// ClusterID is the identity of this cluster.
	ClusterID string
	// Changed is told of each status that was written, with the object as it was before; it may be nil.
	Changed func(before, after *kahuv1.Restore)
	// Clock gives times, NewAttempt the ids of runs.
	Clock      clock.PassiveClock
	NewAttempt func() string
	// Patience is how long a new run waits for its backup and its location before it fails.
	Patience time.Duration

	mu       sync.Mutex
	attempts map[types.UID]attempt // the runs that this process has accepted, or gone on with
}

// attempt is this process's try at a run.
type attempt struct {
	id       string
	replaced string    // the attempt that was gone on with, empty for a new run
	since    time.Time // since when this process waits for what the run needs; zero where it does not
	ending   time.Time // since when this process waits for the orders of a cancelled run; zero where it does not
}

// maxInterruptions is how often a run is gone on with.
const maxInterruptions = 5

type scope struct {
	restore *kahuv1.Restore

	// set by findBackup
	id       archive.BackupID
	location *kahuv1.BackupLocation
	files    place.Files

	// set by cancel
	unended int // orders for volumes of a cancelled run that are not over
}

func (s *scope) status() *kahuv1.RestoreStatus { return &s.restore.Status }

// Loop returns the controller as a loop of steps.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.Restore, *scope] {
	c.attempts = map[types.UID]attempt{}
	return &reconcile.Loop[*kahuv1.Restore, *scope]{
		Client:     c.Client,
		New:        func() *kahuv1.Restore { return &kahuv1.Restore{} },
		Conditions: func(restore *kahuv1.Restore) *[]metav1.Condition { return &restore.Status.Conditions },
		Scope:      func(restore *kahuv1.Restore) *scope { return &scope{restore: restore} },
		Release:    c.Tasks.Release,
		Changed:    c.Changed,
		Steps: []reconcile.Step[*scope]{
			{Name: "stopping", Do: c.stop},
			{Name: "leaving what is over", Do: c.leaveFinished},
			{Name: "cancelling", Do: c.cancel},
			{Name: "going on with what was interrupted", Do: c.takeOver},
			{Name: "accepting", Do: c.accept},
			{Name: "running", Do: c.run},
			{Name: "concluding", Do: c.conclude},
		},
	}
}

// SetUp registers the controller and its tasks with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	built, err := c.Tasks.SetUp(manager, "restore", &kahuv1.Restore{}, workers)
	if err != nil {
		return err
	}
	return built.
		Watches(&kahuv1.BackupLocation{}, queue.OfLocation(c.Tasks), builder.WithPredicates(queue.LookedAt())).
		Complete(c.Loop())
}

// stop stops the run of an object that is being deleted.
func (c *Controller) stop(ctx context.Context, s *scope) error {
	if s.restore.DeletionTimestamp.IsZero() {
		return nil
	}
	ended := c.Tasks.Cancel(s.restore.UID)
	c.Tasks.Leave(s.restore.UID) // Something else may keep the object for long.
	if !ended {
		return reconcile.ErrDone
	}
	return c.letGo(ctx, s)
}

// leaveFinished ends the pass for a run that is over, and forgets its task.
func (c *Controller) leaveFinished(_ context.Context, s *scope) error {
	if s.status().Stage != kahuv1.StageFinished {
		return nil
	}
	c.Tasks.Forget(s.restore.UID)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.attempts, s.restore.UID)
	return reconcile.Repeat(s.status().Conditions)
}

// takeOver goes on with a run that another process began and did not finish.
func (c *Controller) takeOver(_ context.Context, s *scope) error {
	status := s.status()
	if status.State != kahuv1.StateProcessing || c.isOurs(s) {
		return nil
	}
	if c.lost(s) {
		// Another manager believes to lead, and the last one to take a run has it.
		c.Tasks.Cancel(s.restore.UID)
		return going()
	}
	if status.Interruptions >= maxInterruptions {
		return c.fail(s, failure.Failure{
			Reason: kahuv1.ReasonInterrupted,
			Message: fmt.Sprintf("the manager stopped %d times while the run went on, which may be the run's doing: see "+
				"the manager's last words, then create another Restore: it skips what is there already", status.Interruptions+1),
		})
	}
	status.Attempt = c.attemptOf(s.restore.UID, status.Attempt)
	status.Interruptions++
	return going()
}

// going is the outcome of a pass over a run that goes on.
func going() error {
	return reconcile.Waiting(kahuv1.ReasonProcessing, "Objects are being created.", 0)
}

// attemptOf returns the id of this process's try at a run, which is the same whenever it is asked for: a pass that
// sees an old copy of the object accepts the run once more, and must not make it another one's.
func (c *Controller) attemptOf(uid types.UID, replaced string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempts[uid].id == "" {
		c.attempts[uid] = attempt{id: c.NewAttempt(), replaced: replaced, since: c.attempts[uid].since}
	}
	return c.attempts[uid].id
}

// isOurs tells whether this process accepted the run.
func (c *Controller) isOurs(s *scope) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.status().Attempt != "" && c.attempts[s.restore.UID].id == s.status().Attempt
}

// lost tells whether another process has gone on with a run that was this one's. An old copy of the object, which shows
// the attempt before, does not tell that.
func (c *Controller) lost(s *scope) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours, had := c.attempts[s.restore.UID]
	return had && ours.id != "" && s.status().Attempt != ours.id && s.status().Attempt != ours.replaced
}

// waited returns for how long this process has waited for what the run needs: that there was none before, or that it was
// away, is nobody's fault.
func (c *Controller) waited(s *scope) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.attempts[s.restore.UID]
	if held.since.IsZero() {
		held.since = c.Clock.Now()
		c.attempts[s.restore.UID] = held
	}
	return c.Clock.Since(held.since)
}

// endWait notes that what the run needs is there: if it is missing again, that is another wait.
func (c *Controller) endWait(s *scope) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.attempts[s.restore.UID]
	held.since = time.Time{}
	if held == (attempt{}) {
		delete(c.attempts, s.restore.UID)
		return
	}
	c.attempts[s.restore.UID] = held
}
