package quiesce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// The bounds of a search.
const (
	// maxPods bounds the pods in which commands run for one backup.
	maxPods = 10_000
	// maxLists is the number of namespaces up to which pods are listed one by one.
	maxLists = 100
	// maxOwners bounds the chain of what owns a pod.
	maxOwners = 8
	// listTries bounds how often a list begins again because its position expired.
	listTries = 3
)

// search looks for the pods in which commands are to run.
type search struct {
	*Runner

	kinds   []core.Kind
	rules   *hook.Rules
	filters selection.Filters
	ledger  *engine.Ledger
	lenient bool // what is wrong with an annotation ends nothing

	owners   map[types.UID]*core.Object
	plans    []hook.Plan
	problems []selection.Problem
}

// find returns what the pods are asked to do that run and are in scope, in the order of their names.
func (s *search) find(ctx context.Context, inScope func(pod *hook.Pod) bool) ([]hook.Plan, error) {
	s.owners = map[types.UID]*core.Object{}
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
	var err error
	for range listTries {
		s.plans, s.problems = slices.Clone(plans), slices.Clone(problems)
		err = s.Cluster.List(ctx, core.ListRequest{Kind: hook.PodKind(), Namespace: namespace}, func(page core.Page) error {
			for _, object := range page.Objects {
				if err := s.look(ctx, object, inScope); err != nil {
					return err
				}
			}
			return nil
		})
		if !errors.Is(err, core.ErrExpired) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%w: looking for the pods in which hooks run: %w", engine.ErrCluster, err)
	}
	return nil
}

// look looks at one pod.
func (s *search) look(ctx context.Context, object core.Object, inScope func(pod *hook.Pod) bool) error {
	pod, err := readPod(object)
	if err != nil {
		return err
	}
	if pod.Over || !s.rules.May(&pod) {
		return nil
	}
	if pod.Owners, err = s.ownersOf(ctx, object); err != nil {
		return err
	}
	if !inScope(&pod) {
		return nil
	}
	plan, problems := s.rules.Plan(pod)
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

// podContent is what is read of a pod.
type podContent struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Name string `json:"name"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

func readPod(object core.Object) (hook.Pod, error) {
	var content podContent
	if err := json.Unmarshal(object.JSON, &content); err != nil {
		return hook.Pod{}, fmt.Errorf("reading %s: %w", object.Key(), err)
	}
	pod := hook.Pod{
		Namespace: object.Namespace, Name: object.Name, UID: object.UID, Labels: object.Labels,
		Annotations: content.Metadata.Annotations, Running: content.Status.Phase == "Running",
		Over: content.Status.Phase == "Succeeded" || content.Status.Phase == "Failed",
	}
	for _, container := range content.Spec.Containers {
		pod.Containers = append(pod.Containers, container.Name)
	}
	return pod, nil
}

// ownersOf returns what controls an object, what controls that, and so on, as far as it is there.
func (s *search) ownersOf(ctx context.Context, object core.Object) ([]hook.Owner, error) {
	var chain []hook.Owner
	for range maxOwners {
		at := slices.IndexFunc(object.Owners, func(owner core.Owner) bool { return owner.Controller })
		if at < 0 {
			break
		}
		kind, known := s.kindOf(object.Owners[at])
		if !known {
			break
		}
		owner, err := s.owner(ctx, kind, object.Namespace, object.Owners[at])
		if err != nil {
			return nil, err
		}
		if owner == nil {
			break
		}
		chain = append(chain, hook.Owner{Kind: kind, Name: owner.Name, Labels: owner.Labels})
		object = *owner
	}
	return chain, nil
}

// kindOf returns the kind that an owner reference names.
func (s *search) kindOf(owner core.Owner) (core.Kind, bool) {
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return core.Kind{}, false
	}
	at := slices.IndexFunc(s.kinds, func(kind core.Kind) bool { return kind.Group == version.Group && kind.Name == owner.Kind })
	if at < 0 {
		return core.Kind{}, false
	}
	return s.kinds[at], true
}

// owner returns the object that an owner reference names, or nil where it is gone. Each is asked for once.
func (s *search) owner(ctx context.Context, kind core.Kind, namespace string, reference core.Owner) (*core.Object, error) {
	if known, looked := s.owners[reference.UID]; looked {
		return known, nil
	}
	if !kind.Namespaced {
		namespace = ""
	}
	found, err := s.Cluster.Get(ctx, kind, namespace, reference.Name)
	switch {
	case errors.Is(err, core.ErrNotFound), err == nil && found.UID != reference.UID:
		s.owners[reference.UID] = nil
		return nil, nil //nolint:nilnil // That it is gone is an answer.
	case err != nil:
		return nil, fmt.Errorf("reading what owns a pod: %w", err)
	}
	found.JSON = nil // It is only who it is that counts.
	s.owners[reference.UID] = &found
	return &found, nil
}
