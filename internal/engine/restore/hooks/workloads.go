package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Asked returns what is asked of a pod, or of the pods of a template, that is in an object of the backup.
func (s *Session) Asked(kind core.Kind, key core.Key, object map[string]any) (hook.Restored, []selection.Problem) {
	asked, problems := s.asked(kind, key, object)
	s.match(asked.Sets, true)
	return asked, problems
}

func (s *Session) asked(kind core.Kind, key core.Key, object map[string]any) (hook.Restored, []selection.Problem) {
	if !s.annotated.Load() && mentions(object, hook.PostRestore) {
		s.annotated.Store(true)
	}
	template, has := transform.PodTemplate(kind, object)
	if !has {
		return hook.Restored{}, nil
	}
	pod := hook.Pod{Namespace: key.Namespace, Labels: texts(template, "labels"), Annotations: texts(template, "annotations")}
	if kind.GroupResource() == hook.PodKind().GroupResource() {
		pod.Name = key.Name
	} else {
		pod.Owners = []hook.Owner{{Kind: kind, Name: key.Name, Labels: texts(object, "labels")}}
	}
	pod.Owners = append(pod.Owners, s.lineage.Owners(key)...)
	if !s.rules.MayRestored(&pod) {
		return hook.Restored{}, nil
	}
	return s.rules.Restored(&pod)
}

// mentions tells whether a name in what is read of an object begins so: that of an annotation of a pod, of its template, or of
// what an operator makes one of.
func mentions(value any, prefix string) bool {
	switch of := value.(type) {
	case map[string]any:
		for name, each := range of {
			if strings.HasPrefix(name, prefix) || mentions(each, prefix) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(of, func(each any) bool { return mentions(each, prefix) })
	}
	return false
}

// texts returns labels or annotations.
func texts(object map[string]any, field string) map[string]string {
	metadata, _ := object["metadata"].(map[string]any)
	from, _ := metadata[field].(map[string]any)
	found := map[string]string{}
	for key, value := range from {
		found[key], _ = value.(string)
	}
	return found
}

// workload is a restored one, in whose pods commands are to run.
type workload struct {
	kind     core.Kind
	object   core.Object
	commands []hook.Command
	until    time.Time
	over     bool // enough of its pods have been there, or it has been given up
}

// longest returns the longest wait of commands.
func longest(commands []hook.Command) time.Duration {
	wait := time.Duration(0)
	for _, command := range commands {
		wait = max(wait, command.Wait)
	}
	return wait
}

// continues tells whether the run goes on when none of the commands can be run.
func continues(commands []hook.Command) bool {
	return !slices.ContainsFunc(commands, func(command hook.Command) bool { return !command.Continue })
}

// workloads returns the restored ones in whose pods commands are to run.
func (s *Session) workloads(ctx context.Context, began time.Time) ([]*workload, error) {
	var found []*workload
	for _, kind := range s.scope.Kinds {
		if !counted(kind) {
			continue
		}
		for _, namespace := range s.listed() {
			these, err := s.workloadsIn(ctx, kind, namespace)
			if err != nil {
				return nil, fmt.Errorf("%w: looking for restored workloads: %w", engine.ErrCluster, err)
			}
			if found = append(found, these...); len(found) > maxPods {
				return nil, fmt.Errorf("hooks are to run in the pods of more than %d workloads: %w", maxPods, core.ErrInvalid)
			}
		}
	}
	for _, each := range found {
		each.until = began.Add(longest(each.commands))
	}
	return found, nil
}

// workloadsIn returns those of a kind in a namespace, or in all where it is empty.
func (s *Session) workloadsIn(ctx context.Context, kind core.Kind, namespace string) (found []*workload, err error) {
	for range listTries {
		found = nil
		err = s.runner.Cluster.List(ctx, core.ListRequest{Kind: kind, Namespace: namespace}, func(page core.Page) error {
			for _, object := range page.Objects {
				each, err := s.workload(ctx, kind, object)
				if err != nil {
					return err
				}
				if each != nil {
					found = append(found, each)
				}
			}
			return nil
		})
		if !errors.Is(err, core.ErrExpired) {
			break
		}
	}
	return found, err
}

// listTries bounds how often a list begins again because its position expired.
const listTries = 3

// counted tells of a kind whose objects say how many pods they are to have.
func counted(kind core.Kind) bool {
	switch kind.GroupResource().String() {
	case "deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "replicationcontrollers", "jobs.batch":
		return true
	}
	return false
}

// workload returns one if it was restored and commands are to run in its pods.
func (s *Session) workload(ctx context.Context, kind core.Kind, object core.Object) (*workload, error) {
	if !slices.Contains(s.scope.Namespaces, object.Namespace) {
		return nil, nil //nolint:nilnil // That it is none is an answer.
	}
	var content map[string]any
	if err := json.Unmarshal(object.JSON, &content); err != nil {
		return nil, fmt.Errorf("reading %s: %w", object.Key(), err)
	}
	key := object.Key()
	key.Namespace, key.Name = s.scope.Source(kind, object.Namespace, object.Name)
	asked, _ := s.asked(kind, key, content)
	if len(asked.Post) == 0 {
		return nil, nil //nolint:nilnil // That it is none is an answer.
	}
	made, err := s.isMade(ctx, kind, object.Namespace, object.Name, object.UID)
	if err != nil || !made {
		return nil, err
	}
	return &workload{kind: kind, object: object, commands: asked.Post}, nil
}

// isMade tells whether this restore made an object what it is.
func (s *Session) isMade(ctx context.Context, kind core.Kind, namespace, name string, uid types.UID) (bool, error) {
	if !kind.Namespaced {
		namespace = ""
	}
	living, err := s.runner.Cluster.Living(ctx, kind, namespace, name)
	switch {
	case errors.Is(err, core.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%w: asking who made %s %s/%s: %w", engine.ErrCluster, kind, namespace, name, err)
	}
	return living.UID == uid && s.scope.Made(living), nil
}

// numbers are how many pods a workload is to have.
type numbers struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int64 `json:"replicas"`
		Suspend  bool   `json:"suspend"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration     int64  `json:"observedGeneration"`
		DesiredNumberScheduled int64  `json:"desiredNumberScheduled"`
		CompletionTime         string `json:"completionTime"`
	} `json:"status"`
}

// desired returns how many pods a workload is to have, or that it is not known yet.
func (w *workload) desired() (number int64, known bool) {
	var n numbers
	if json.Unmarshal(w.object.JSON, &n) != nil {
		return 0, false
	}
	switch w.kind.Resource {
	case "daemonsets":
		return n.Status.DesiredNumberScheduled, n.Status.ObservedGeneration >= n.Metadata.Generation
	case "jobs":
		if n.Spec.Suspend || n.Status.CompletionTime != "" {
			return 0, true
		}
		return 1, true
	}
	if n.Spec.Replicas == nil {
		return 1, true
	}
	return *n.Spec.Replicas, true
}
