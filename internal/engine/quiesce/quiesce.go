// Package quiesce has applications hold still while their volumes are cut: it runs the pre hooks of a backup in pods, lets the
// volumes be cut, and runs the post hooks.
//
// A pre hook runs at most once: that commands are about to run is put on record first, and only the attempt that put it there
// runs any. A post hook runs at least once after its pre hook, whatever happened: the attempt that began runs it before it
// ends, whoever has cancelled or deposed it; and where its process died, the next manager finds the record and calls Resume.
//
// Begin with Session.Around.
package quiesce

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Cluster is what is asked of a cluster.
type Cluster interface {
	engine.KindLister
	engine.ObjectLister
	engine.ObjectGetter
}

// Commands runs commands in pods.
type Commands interface {
	// Run runs a command once, and returns when it has ended, or when its time or the context is over.
	Run(ctx context.Context, pod hook.Pod, command hook.Command) hook.Result
}

// Record is what outlives this process.
type Record interface {
	// Begin writes down that commands may run from now on. After an error none may.
	Begin(ctx context.Context, begun Begun) error
	// Confirm returns an error where the run is not this attempt's any more.
	Confirm(ctx context.Context) error
	// Held writes down what was cut while applications held still, before they go on. After an error the run fails.
	Held(ctx context.Context, held Held) error
	// End writes down that every post command has run.
	End(ctx context.Context, outcome Outcome) error
}

// Begun is what is on record before the first command.
type Begun struct {
	// Began is when, Deadline until when the application holds still at most.
	Began, Deadline time.Time
	// Pods are those in which commands are going to run.
	Pods []hook.Plan
}

// Held is what was cut while applications held still.
type Held struct {
	// From is when every pre command had run, To when the cut was over.
	From, To time.Time
	// Uncut are the volumes that were to be cut, and were not.
	Uncut []volumework.Uncut
}

// CutFunc cuts volumes, and returns which could not be cut. It is told whether applications hold still for that.
type CutFunc func(ctx context.Context, held bool) ([]volumework.Uncut, error)

// Runner runs hooks.
type Runner struct {
	Cluster  Cluster
	Commands Commands
	Clock    clock.WithTicker
	// Log is told of every command and what it wrote.
	Log logr.Logger
	// AtOnce is in how many pods commands run at the same time, at least 1.
	AtOnce int
	// Patience is how long a post command is tried again whose pod cannot be reached; 0 means half an hour.
	Patience time.Duration
}

// Request is one wish.
type Request struct {
	// Name is that of the Backup.
	Name string
	// Filters are those of the backup, Sets the hooks of its spec.
	Filters selection.Filters
	Sets    []hook.Set
	// Limit is for how long an application holds still at most.
	Limit time.Duration
	// Record is what outlives this process.
	Record Record
}

// The reasons of failures that are not those of one command.
const (
	// ReasonQuiesceTimeout: the volumes were not cut in the time for which an application may hold still.
	ReasonQuiesceTimeout = "QuiesceTimeout"
	// ReasonCutFailed: the volumes could not be cut.
	ReasonCutFailed = "CutFailed"
)

// FailedError says that a hook failed whose failure is that of the run.
type FailedError struct {
	// Reason is the outcome of the command, or one of the reasons of this package.
	Reason, Message string
}

// Error tells it.
func (e *FailedError) Error() string { return e.Message }

// Outcome is what came of all hooks of a run.
type Outcome struct {
	// Rows are what came of each container, Pods the number of pods, Commands that of the commands that were run and Failed of
	// those, and of those that could not be run, that failed.
	Rows                   []Row
	Pods, Commands, Failed int
	// Quiesced is the time from the beginning of the first pre command to the end of the last post command.
	Quiesced time.Duration
	// Ended is when all was over.
	Ended time.Time
	// Stranded are the pods that may still be held still: their post commands failed, or could not be run.
	Stranded []string
	// Reason and Message say why the run fails, if it does, and which pods are stranded.
	Reason, Message string
}

// Row is what came of the commands in one container.
type Row struct {
	Namespace, Pod string
	UID            types.UID
	Container      string
	// Pre and Post are the worst outcomes of the commands before and after; empty where there are none.
	Pre, Post string
	// Message says what went wrong.
	Message string
}

// Session is the hooks of one run.
type Session struct {
	runner  *Runner
	request Request

	// set by Prepare
	kinds  []core.Kind
	chosen *selection.Selector
	rules  *hook.Rules

	// set by Around
	claims []core.Key
}

// Session returns the hooks of a run.
func (r *Runner) Session(request Request) *Session { return &Session{runner: r, request: request} }

// Prepare finds out whether the hooks can be run over these kinds, in a backup that chooses so.
func (s *Session) Prepare(kinds []core.Kind, chosen *selection.Selector) error {
	rules, problems := hook.Compile(s.request.Sets, kinds)
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	s.kinds, s.chosen, s.rules = kinds, chosen, rules
	return nil
}

// Around runs the pre hooks, then cut, whose context ends when the application has held still for long enough, then the post
// hooks, and tells the ledger of them.
func (s *Session) Around(ctx context.Context, ledger *engine.Ledger, cut func(ctx context.Context, held bool) ([]volumework.Uncut, error)) error {
	search := &search{Runner: s.runner, kinds: s.kinds, rules: s.rules, filters: s.request.Filters, ledger: ledger, matches: hook.Matches{}}
	plans, err := search.find(ctx, func(pod *hook.Pod) bool { return hook.InScope(s.chosen, pod) })
	if err != nil {
		return err
	}
	for _, text := range append(search.matches.Unmatched(s.request.Sets, "of the backup"), hook.Unreleased(plans, s.request.Sets)...) {
		ledger.Warn(core.Key{}, text)
	}
	if len(plans) == 0 {
		_, err := cut(ctx, false)
		return err
	}
	s.claims = claimsOf(plans)
	work := &work{Runner: s.runner, name: s.request.Name, record: s.request.Record, ledger: ledger, plans: plans}
	return work.around(ctx, s.request.Limit, cut)
}

// Claims are those whose volumes the pods have that hold still while volumes are cut. It may be called by whoever cuts them.
func (s *Session) Claims() []core.Key { return s.claims }

func claimsOf(plans []hook.Plan) (all []core.Key) {
	for _, plan := range plans {
		if len(plan.Pre) == 0 {
			continue
		}
		for _, name := range plan.Pod.Claims {
			all = append(all, core.Key{Resource: "persistentvolumeclaims", Namespace: plan.Pod.Namespace, Name: name})
		}
	}
	return all
}
