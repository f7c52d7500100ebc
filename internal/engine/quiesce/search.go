package quiesce

import (
	"context"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/pods"
)

// The bounds of a search.
const (
	// maxPods bounds the pods in which commands run for one backup.
	maxPods = 10_000
	// maxLists is the number of namespaces up to which pods are listed one by one.
	maxLists = 100
)

// search looks for the pods in which commands are to run.
type search struct {
	*Runner

	kinds   []core.Kind
	rules   *hook.Rules
	filters selection.Filters
	ledger  *engine.Ledger
	lenient bool // what is wrong with an annotation ends nothing

	finder   *pods.Finder
	matches  hook.Matches
	plans    []hook.Plan
	problems []selection.Problem
}

// find returns what the pods are asked to do that run and are in scope, in the order of their names.
func (s *search) find(ctx context.Context, inScope func(pod *hook.Pod) bool) ([]hook.Plan, error) {
	s.finder = &pods.Finder{Cluster: s.Cluster, Kinds: s.kinds}
	for _, namespace := range s.namespaces() {
		if err := s.list(ctx, namespace, inScope); err != nil {
			return nil, err
		}
	}
	if len(s.problems) > 0 && !s.lenient {
		return nil, &engine.InvalidError{Problems: s.problems}
	}
	return s.plans, nil
}

// namespaces returns those whose pods are listed; an empty one means all.
func (s *search) namespaces() []string {
	asked := s.filters.IncludeNamespaces
	if len(asked) == 0 || len(asked) > maxLists || slices.Contains(asked, "*") {
		return []string{""}
	}
	asked = slices.Clone(asked)
	slices.Sort(asked)
	return slices.Compact(asked)
}

// list looks at the pods of a namespace, from the beginning where the position expired.
func (s *search) list(ctx context.Context, namespace string, inScope func(pod *hook.Pod) bool) error {
	plans, problems := s.plans, s.problems
	reset := func() { s.plans, s.problems = slices.Clone(plans), slices.Clone(problems) }
	return s.finder.Each(ctx, namespace, reset, func(object core.Object, pod hook.Pod) error { return s.look(ctx, object, pod, inScope) })
}

// look looks at one pod.
func (s *search) look(ctx context.Context, object core.Object, pod hook.Pod, inScope func(pod *hook.Pod) bool) (err error) {
	if pod.Over || !s.rules.May(&pod) {
		return nil
	}
	if pod.Owners, err = s.finder.Owners(ctx, object); err != nil {
		return err
	}
	plan, problems := s.rules.Plan(pod)
	in := inScope(&pod)
	if s.matches.Add(plan.Sets, in); !in {
		return nil
	}
	s.problems = append(s.problems, problems...)
	switch {
	case len(plan.Pre)+len(plan.Post) == 0:
		return nil
	case !pod.Running:
		s.ledger.Warn(object.Key(), fmt.Sprintf("Pod %s/%s has hooks and does not run: there is nothing to hold still, they are left out", pod.Namespace, pod.Name))
		return nil
	case len(s.plans) == maxPods:
		return fmt.Errorf("hooks are to run in more than %d pods: %w", maxPods, core.ErrInvalid)
	}
	s.plans = append(s.plans, plan)
	return nil
}
