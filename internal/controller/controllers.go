// Package controller is the list of Kahu's controllers; each kind has a package of its own below.
package controller

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/soda-cdm/kahu/internal/controller/backup"
	"github.com/soda-cdm/kahu/internal/controller/backuplocation"
	"github.com/soda-cdm/kahu/internal/controller/collection"
	"github.com/soda-cdm/kahu/internal/controller/copies"
	"github.com/soda-cdm/kahu/internal/controller/inspection"
	"github.com/soda-cdm/kahu/internal/controller/leftovers"
	"github.com/soda-cdm/kahu/internal/controller/metrics"
	"github.com/soda-cdm/kahu/internal/controller/news"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/provider"
	"github.com/soda-cdm/kahu/internal/controller/restore"
	"github.com/soda-cdm/kahu/internal/controller/transformset"
	"github.com/soda-cdm/kahu/internal/controller/undo"
	"github.com/soda-cdm/kahu/internal/controller/verification"
	answer "github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	enginecopies "github.com/soda-cdm/kahu/internal/engine/copies"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/restore/hooks"
	engineundo "github.com/soda-cdm/kahu/internal/engine/undo"
	"github.com/soda-cdm/kahu/internal/engine/verify"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// Cluster is the cluster that is backed up and restored into.
type Cluster interface {
	enginebackup.Cluster
	enginerestore.Cluster
	engineundo.Cluster
	// ServerVersion returns the version of the API server.
	ServerVersion(ctx context.Context) (string, error)
}

// Volumes deals with the volumes of the cluster.
type Volumes interface {
	backup.Volumes
	restore.Volumes
	undo.Orders
	leftovers.Volumes
}

// Options are what the controllers need of the world.
type Options struct {
	// Client reads and writes Kahu's own kinds, through a cache; Direct reads from the API server itself.
	Client client.Client
	Direct client.Reader
	// Namespace is Kahu's own namespace.
	Namespace string
	// Cluster and ClusterID are the cluster and its identity; Stores reaches the stores of providers.
	Cluster   Cluster
	ClusterID string
	Stores    place.Stores
	// Commands runs commands in pods.
	Commands quiesce.Commands
	// Volumes deals with the volumes of the cluster.
	Volumes Volumes
	// Clock gives times, NewID identities and nonces, NewAttempt the ids of runs: lower-case letters and digits.
	Clock      clock.PassiveClock
	NewID      func() string
	NewAttempt func() string
	// Runs bounds the backups, and the restores, that go on at once. LocationEvery is the time between two looks at
	// a location, Patience how long a new run waits for its location.
	Runs int
	// RunsPerLocation bounds those at a location that has no limits of its own.
	RunsPerLocation int
	LocationEvery   time.Duration
	Patience        time.Duration
	// CollectEvery is the time between two looks for files that nobody needs, CollectGrace for how long nothing of an attempt
	// must have been written before anything of it is removed.
	CollectEvery time.Duration
	CollectGrace time.Duration
	// InheritAfter is for how long nothing must have been written in the part of another cluster that is taken over.
	InheritAfter time.Duration
	// KeepAnswers is how long the answer to an Inspection stays.
	KeepAnswers time.Duration
	// Metrics and News are told of what changes.
	Metrics *metrics.Set
	News    news.Recorder
	// Writer is the name and version of this program.
	Writer string
	// CheckpointEvery is the least time between two checkpoints of a backup, and Fence how long after an attempt of
	// another manager ceased to be on record its manifest may still come; 0 means the default.
	CheckpointEvery time.Duration
	Fence           time.Duration
}

// How much a run does at once. Reading is bounded by the API server, packing by the processors.
const (
	listers  = 4
	packers  = 2
	creators = 16
	// hookedPods is in how many pods the hooks of a backup run at once, owedHooks for how many backups those are run that a
	// manager owes which died.
	hookedPods = 16
	owedHooks  = 64
	// answers is how many Inspections are answered at once: each holds a page.
	answers = 8
	// passesPerLocation is how many passes of a controller wait for one store at once.
	passesPerLocation = 2
)

// What a backup does unless it is told otherwise.
const (
	// defaultCheckpointEvery is what an interruption costs at most, besides the kind that is being listed.
	defaultCheckpointEvery = 10 * time.Second
	// defaultFence leaves an attempt the time to write its manifest twice over.
	defaultFence = 2 * enginebackup.ManifestTime
)

// SetUp registers all controllers with the manager.
func SetUp(manager ctrl.Manager, options Options) error {
	told := listeners{counts: options.Metrics, tells: news.Teller{Recorder: options.News}}
	finder := &place.Finder{
		Client: options.Client, Direct: options.Direct, Stores: options.Stores,
		Secrets: &place.Secrets{Direct: options.Direct, Client: options.Client, Namespace: options.Namespace},
		Clock:   options.Clock, Fence: cmp.Or(options.Fence, defaultFence),
	}
	// It begins with the controllers: when this process leads.
	begin := func(context.Context) error {
		finder.Begin(options.Clock.Now())
		return nil
	}
	if err := manager.Add(ctrlmanager.RunnableFunc(begin)); err != nil {
		return err
	}
	controllers := []struct {
		name  string
		setUp func(ctrl.Manager) error
	}{
		{"provider", (&provider.Controller{
			Client: options.Client, Leases: options.Direct, Namespace: options.Namespace, Clock: options.Clock,
			Changed: told.tells.ProviderChanged,
		}).SetUp},
		{"backuplocation", (&backuplocation.Controller{
			Client: options.Client, Direct: options.Direct, Finder: finder, ClusterID: options.ClusterID, Namespace: options.Namespace,
			Clock: options.Clock, NewID: options.NewID, Every: options.LocationEvery,
			InheritAfter: cmp.Or(options.InheritAfter, DefaultInheritAfter),
			Changed:      told.tells.LocationChanged, BackupChanged: told.tells.BackupChanged, Gone: told.counts.ForgetLocation,
		}).SetUp},
		{"backup", newBackup(options, finder, told).SetUp},
		{"restore", newRestore(options, finder, told).SetUp},
		{"undo", newUndo(options, told).SetUp},
		{"inspection", newInspection(options, finder).SetUp},
		{"verification", newVerification(options, finder, told).SetUp},
		{"copies", newCopies(options, finder, told).SetUp},
		{"collection", newCollection(options, finder, told).SetUp},
		{"transformset", (&transformset.Controller{Client: options.Client}).SetUp},
	}
	for _, each := range controllers {
		if err := each.setUp(manager); err != nil {
			return fmt.Errorf("setting up the controller of %s: %w", each.name, err)
		}
	}
	if options.Volumes == nil {
		return nil
	}
	return manager.Add(newSweeper(options, finder))
}

func newSweeper(options Options, finder *place.Finder) *leftovers.Sweeper {
	return &leftovers.Sweeper{
		Client: options.Client, Direct: options.Direct, Finder: finder, Volumes: options.Volumes, ClusterID: options.ClusterID,
		Every: cmp.Or(options.CollectEvery, DefaultCollectEvery), Grace: cmp.Or(options.CollectGrace, DefaultCollectGrace),
		Clock: clock.RealClock{}, News: options.News, Kept: options.Metrics.VolumesKept,
	}
}

// patient returns a reader for runs, which one reading that fails must not end.
func patient(direct client.Reader) client.Reader {
	return &reconcile.Patient{Reader: direct, Clock: clock.RealClock{}}
}

func newBackup(options Options, finder *place.Finder, told listeners) *backup.Controller {
	return &backup.Controller{
		Client: options.Client, Direct: patient(options.Direct), Finder: finder, Changed: told.backupChanged,
		Runner: &enginebackup.Runner{
			Cluster: options.Cluster, Clock: options.Clock, Listers: listers, Packers: packers, Writer: options.Writer,
			CheckpointEvery: cmp.Or(options.CheckpointEvery, defaultCheckpointEvery),
			ManifestTime:    cmp.Or(options.Fence, defaultFence) / 2,
		},
		Hooks: &quiesce.Runner{
			Cluster: options.Cluster, Commands: options.Commands, Clock: clock.RealClock{}, AtOnce: hookedPods, Log: ctrl.Log.WithName("hooks"),
		},
		HookTasks:       reconcile.NewTasks[struct{}, quiesce.Outcome](owedHooks),
		Tasks:           reconcile.NewTasks[engine.Progress, enginebackup.Result](options.Runs),
		RunsPerLocation: options.RunsPerLocation, Gate: reconcile.NewGate(passesPerLocation),
		Cluster: options.Cluster, ClusterID: options.ClusterID, Volumes: options.Volumes,
		Clock: options.Clock, NewAttempt: options.NewAttempt, Patience: options.Patience,
		Fence: cmp.Or(options.Fence, defaultFence),
	}
}

func newRestore(options Options, finder *place.Finder, told listeners) *restore.Controller {
	return &restore.Controller{
		Client: options.Client, Direct: patient(options.Direct), Finder: finder, Changed: told.restoreChanged,
		Runner: &enginerestore.Runner{Cluster: options.Cluster, Clock: options.Clock, Creators: creators}, Volumes: options.Volumes,
		Hooks: &hooks.Runner{
			Cluster: options.Cluster, Commands: options.Commands, Clock: clock.RealClock{}, AtOnce: hookedPods, Log: ctrl.Log.WithName("hooks"),
		},
		Tasks:           reconcile.NewTasks[engine.Progress, enginerestore.Result](options.Runs),
		RunsPerLocation: options.RunsPerLocation, Gate: reconcile.NewGate(passesPerLocation),
		ClusterID: options.ClusterID, Clock: options.Clock, NewAttempt: options.NewAttempt, Patience: options.Patience,
	}
}

// undos is how many restores are taken back at once.
const undos = 2

func newUndo(options Options, told listeners) *undo.Controller {
	return &undo.Controller{
		Client: options.Client, Direct: options.Direct, Changed: told.restoreChanged,
		Runner: &engineundo.Runner{Cluster: options.Cluster, Clock: options.Clock, Deleters: creators},
		Tasks:  reconcile.NewTasks[engine.Progress, engineundo.Result](undos), Clock: options.Clock, Orders: options.Volumes,
	}
}

func newInspection(options Options, finder *place.Finder) *inspection.Controller {
	library := &inspection.Library{Direct: options.Direct, Finder: finder, ClusterID: options.ClusterID, Cluster: options.Cluster}
	return &inspection.Controller{
		Client: options.Client, Subjects: library.Subjects(),
		Tasks: reconcile.NewTasks[struct{}, answer.Page](answers),
		Clock: options.Clock, Patience: options.Patience, Keep: options.KeepAnswers,
	}
}

// readers is how many segments of a backup are read back at once.
const readers = 2

func newVerification(options Options, finder *place.Finder, told listeners) *verification.Controller {
	return &verification.Controller{
		Client: options.Client, Finder: finder, Changed: told.backupChanged,
		Runner:    &verify.Runner{Clock: options.Clock, Readers: readers},
		Tasks:     reconcile.NewTasks[engine.Progress, verify.Result](verification.AtOnce),
		ClusterID: options.ClusterID, Clock: options.Clock,
	}
}

// senders is how many files of a backup are copied at once.
const senders = 4

func newCopies(options Options, finder *place.Finder, told listeners) *copies.Controller {
	fence := cmp.Or(options.Fence, defaultFence)
	return &copies.Controller{
		Client: options.Client, Direct: patient(options.Direct), Finder: finder, Changed: told.backupChanged,
		Runner:    &enginecopies.Copy{Clock: options.Clock, Senders: senders, ManifestTime: fence / 2},
		Tasks:     reconcile.NewTasks[enginecopies.Progress, enginecopies.Result](copies.AtOnce),
		ClusterID: options.ClusterID, Clock: options.Clock, NewAttempt: options.NewAttempt, NewID: options.NewID, Fence: fence,
	}
}

// The times of collection unless it is told otherwise.
const (
	// DefaultCollectEvery is the time between two looks for files that nobody needs.
	DefaultCollectEvery = time.Hour
	// DefaultCollectGrace is long against what a manifest takes to be written, and against how long a run may show no life.
	DefaultCollectGrace = 2 * time.Hour
	// DefaultInheritAfter is long against the hour in which a cluster that lives writes at least once, as it collects.
	DefaultInheritAfter = 3 * time.Hour
)

func newCollection(options Options, finder *place.Finder, told listeners) *collection.Controller {
	return &collection.Controller{
		Removed: told.counts.Collected,
		Client:  options.Client, Direct: options.Direct, Finder: finder, ClusterID: options.ClusterID, Clock: options.Clock,
		Tasks: reconcile.NewTasks[struct{}, removal.Collected](collection.AtOnce),
		Every: cmp.Or(options.CollectEvery, DefaultCollectEvery), Grace: cmp.Or(options.CollectGrace, DefaultCollectGrace),
		Window: cmp.Or(options.Fence, defaultFence) / 2,
	}
}
