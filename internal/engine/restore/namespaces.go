package restore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// ReasonNamespaceTerminating says that a namespace into which something is to be restored is being deleted, and does not go.
const ReasonNamespaceTerminating = "NamespaceTerminating"

// prepareNamespaces looks at the namespaces of the plan before anything is written. One that is being deleted is waited
// for, as nothing can be created in it and all that it has will go; one that stays is refused. One that is neither in
// the plan nor in the cluster is made, empty: its objects were asked for, and would otherwise be refused one by one.
func (r *run) prepareNamespaces(ctx context.Context) error {
	awaited := make(map[string]bool, len(r.plan.Awaited))
	for _, name := range r.plan.Awaited {
		awaited[r.transformer.Namespace(name)] = true
	}
	var (
		mu       sync.Mutex
		absent   []string
		problems []selection.Problem
	)
	looking, inner := errgroup.WithContext(ctx)
	looking.SetLimit(r.Creators)
	for _, name := range r.plan.Namespaces {
		target := r.transformer.Namespace(name)
		looking.Go(func() error {
			there, problem, err := r.lookAtNamespace(inner, target)
			mu.Lock()
			defer mu.Unlock()
			if problem != nil {
				problems = append(problems, *problem)
			}
			if !there && awaited[target] {
				absent = append(absent, target)
			}
			return err
		})
	}
	if err := looking.Wait(); err != nil {
		return err
	}
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	r.absent = absent
	return nil
}

// lookAtNamespace tells whether a namespace of somebody else is there. One that is being deleted is waited for; where it
// stays, it is the problem.
func (r *run) lookAtNamespace(ctx context.Context, name string) (there bool, problem *selection.Problem, err error) {
	r.mu.Lock()
	ours := r.ownNamespaces[name]
	r.mu.Unlock()
	if ours { // An earlier attempt made it, and it was there a moment ago.
		return false, nil, nil
	}
	living, err := r.Cluster.Living(ctx, engine.NamespaceKind(), "", name)
	switch {
	case errors.Is(err, core.ErrNotFound):
		return false, nil, nil
	case err != nil:
		return false, nil, fmt.Errorf("%w: %w", engine.ErrCluster, err)
	case !living.Terminating && r.self.Made(living) == restoreplan.Created:
		// An earlier attempt made it: what the cluster put into it is written over, and what is to be said of it is said.
		r.own(name)
		return false, nil, nil
	case !living.Terminating:
		return true, nil, nil
	}
	err = r.waitGone(ctx, living)
	if err == nil || ctx.Err() != nil {
		return false, nil, ctx.Err()
	}
	return false, &selection.Problem{
		Field: "spec.includeNamespaces", Reason: ReasonNamespaceTerminating,
		Message: fmt.Sprintf("namespace %s is being deleted, and was still there after %s: see what its conditions say "+
			"that it waits for, or map its objects elsewhere", name, r.patience()),
	}, nil
}

// makeNamespaces makes those that nobody else will.
func (r *run) makeNamespaces(ctx context.Context) error {
	for _, name := range r.absent {
		namespace := &unstructured.Unstructured{Object: map[string]any{}}
		namespace.SetAPIVersion("v1")
		namespace.SetKind("Namespace")
		namespace.SetName(name)
		_, err := r.Cluster.Create(ctx, engine.NamespaceKind(), namespace, r.manager)
		there := errors.Is(err, core.ErrAlreadyExists)
		if there && !r.ownNamespaces[name] {
			continue
		}
		if err != nil && !there {
			return fmt.Errorf("%w: %w", engine.ErrCluster, err)
		}
		key := core.Key{Resource: "namespaces", Name: name}
		r.own(name)
		r.Note(key, "Created", "its objects are restored, and it is neither in the restore nor in the cluster")
		r.Warn(key, fmt.Sprintf("namespace %s was made without labels and annotations: objects in it are restored, "+
			"and it is neither in the restore nor in the cluster", name))
	}
	return nil
}

func (r *run) patience() time.Duration {
	if r.Patience > 0 {
		return r.Patience
	}
	return engine.Patience
}

// waitGone waits until an object that is being deleted is gone. All such waits of a run together take no longer than its
// patience.
func (r *run) waitGone(ctx context.Context, living core.Living) error {
	r.mu.Lock()
	if r.goneBy.IsZero() {
		r.goneBy = r.Clock.Now().Add(r.patience())
	}
	left := r.goneBy.Sub(r.Clock.Now())
	r.mu.Unlock()
	waiting, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return r.Cluster.WaitGone(waiting, living.Kind, living.Namespace, living.Name, living.UID)
}

// awaitGone waits until an object is gone whose name another one is to have.
func (r *run) awaitGone(ctx context.Context, living core.Living) error {
	err := r.waitGone(ctx, living)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("an object of that name is being deleted, and was still there after %s: see what its finalizers %v "+
		"wait for, and restore again", r.patience(), living.Finalizers)
}
