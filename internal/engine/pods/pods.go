// Package pods looks for pods and for what owns them, for the hooks of backups and of restores.
//
// Begin with Finder.
package pods

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
	"github.com/soda-cdm/kahu/internal/engine"
)

// The bounds of a search.
const (
	// maxOwners bounds the chain of what owns a pod.
	maxOwners = 8
	// listTries bounds how often a list begins again because its position expired.
	listTries = 3
)

// Cluster is what is asked of a cluster.
type Cluster interface {
	engine.ObjectLister
	engine.ObjectGetter
}

// Finder looks for pods. It remembers what owns them: have one for each look.
type Finder struct {
	Cluster Cluster
	Kinds   []core.Kind

	owners map[types.UID]*core.Object
}

// Each visits the pods of a namespace, or of all where it is empty, as often as the list has to begin again; before each time
// it calls reset. Their owners are not looked for yet.
func (f *Finder) Each(ctx context.Context, namespace string, reset func(), visit func(object core.Object, pod hook.Pod) error) error {
	var err error
	for range listTries {
		reset()
		err = f.Cluster.List(ctx, core.ListRequest{Kind: hook.PodKind(), Namespace: namespace}, func(page core.Page) error {
			for _, object := range page.Objects {
				pod, err := read(object)
				if err != nil {
					return err
				}
				if err := visit(object, pod); err != nil {
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

// One returns the pod of that UID, if it is there.
func (f *Finder) One(ctx context.Context, namespace, name string, uid types.UID) (pod hook.Pod, there bool, err error) {
	object, err := f.Cluster.Get(ctx, hook.PodKind(), namespace, name)
	switch {
	case errors.Is(err, core.ErrNotFound), err == nil && object.UID != uid:
		return hook.Pod{}, false, nil
	case err != nil:
		return hook.Pod{}, false, fmt.Errorf("%w: looking for the pod %s/%s: %w", engine.ErrCluster, namespace, name, err)
	}
	pod, err = read(object)
	return pod, err == nil, err
}

// content is what is read of a pod.
type content struct {
	Metadata struct {
		Annotations       map[string]string `json:"annotations"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Name string `json:"name"`
		} `json:"containers"`
		Volumes []struct {
			Name  string `json:"name"`
			Claim *struct {
				Name string `json:"claimName"`
			} `json:"persistentVolumeClaim"`
			Ephemeral *struct{} `json:"ephemeral"`
		} `json:"volumes"`
	} `json:"spec"`
	Status hook.PodStatus `json:"status"`
}

// read reads what is to be known of a pod.
func read(object core.Object) (hook.Pod, error) {
	var found content
	if err := json.Unmarshal(object.JSON, &found); err != nil {
		return hook.Pod{}, fmt.Errorf("reading %s: %w", object.Key(), err)
	}
	pod := hook.Pod{
		Namespace: object.Namespace, Name: object.Name, UID: object.UID, Labels: object.Labels,
		Annotations: found.Metadata.Annotations, Running: found.Status.Phase == "Running", Going: found.Metadata.DeletionTimestamp != "",
		Over:     found.Status.Phase == "Succeeded" || found.Status.Phase == "Failed",
		Obstacle: found.Status.Obstacle(),
	}
	for _, container := range found.Spec.Containers {
		pod.Containers = append(pod.Containers, container.Name)
	}
	for _, volume := range found.Spec.Volumes {
		switch {
		case volume.Claim != nil:
			pod.Claims = append(pod.Claims, volume.Claim.Name)
		case volume.Ephemeral != nil: // Kubernetes makes its claim.
			pod.Claims = append(pod.Claims, object.Name+"-"+volume.Name)
		}
	}
	for _, status := range found.Status.Containers {
		if status.Ready && status.State.Running != nil {
			pod.Ready = append(pod.Ready, status.Name)
		}
	}
	return pod, nil
}

// Owners returns what controls an object, what controls that, and so on, as far as it is there.
func (f *Finder) Owners(ctx context.Context, object core.Object) ([]hook.Owner, error) {
	var chain []hook.Owner
	for range maxOwners {
		at := slices.IndexFunc(object.Owners, func(owner core.Owner) bool { return owner.Controller })
		if at < 0 {
			break
		}
		kind, known := f.kindOf(object.Owners[at])
		if !known {
			break
		}
		owner, err := f.owner(ctx, kind, object.Namespace, object.Owners[at])
		if err != nil {
			return nil, err
		}
		if owner == nil {
			break
		}
		chain = append(chain, hook.Owner{Kind: kind, Name: owner.Name, UID: owner.UID, Labels: owner.Labels})
		object = *owner
	}
	return chain, nil
}

// kindOf returns the kind that an owner reference names.
func (f *Finder) kindOf(owner core.Owner) (core.Kind, bool) {
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return core.Kind{}, false
	}
	at := slices.IndexFunc(f.Kinds, func(kind core.Kind) bool { return kind.Group == version.Group && kind.Name == owner.Kind })
	if at < 0 {
		return core.Kind{}, false
	}
	return f.Kinds[at], true
}

// owner returns the object that an owner reference names, or nil where it is gone. Each is asked for once.
func (f *Finder) owner(ctx context.Context, kind core.Kind, namespace string, reference core.Owner) (*core.Object, error) {
	if known, looked := f.owners[reference.UID]; looked {
		return known, nil
	}
	if f.owners == nil {
		f.owners = map[types.UID]*core.Object{}
	}
	if !kind.Namespaced {
		namespace = ""
	}
	found, err := f.Cluster.Get(ctx, kind, namespace, reference.Name)
	switch {
	case errors.Is(err, core.ErrNotFound), err == nil && found.UID != reference.UID:
		f.owners[reference.UID] = nil
		return nil, nil //nolint:nilnil // That it is gone is an answer.
	case err != nil:
		return nil, fmt.Errorf("reading what owns a pod: %w", err)
	}
	found.JSON = nil // It is only who it is that counts.
	f.owners[reference.UID] = &found
	return &found, nil
}
