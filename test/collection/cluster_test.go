package collection_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// The kinds of the cluster.
var (
	namespaces = fakecluster.Kind("", "Namespace", "namespaces", false)
	configMaps = fakecluster.Kind("", "ConfigMap", "configmaps", true)
	secrets    = fakecluster.Kind("", "Secret", "secrets", true)
	accounts   = fakecluster.Kind("", "ServiceAccount", "serviceaccounts", true)
)

const (
	// manager is who writes the objects of the cluster, in namespace.
	manager   = "somebody"
	namespace = "shop"
	// names is how many objects of a kind there can be, changes how many change at most with each year of the cluster's age.
	names   = 12
	changes = 6
)

// living is a cluster that grows older. What is in it at an age, with its identities and versions, is the same for all who know
// its seed, so that every process sees the one cluster.
type living struct {
	*fakecluster.Cluster

	random *rand.Rand
	age    int
	there  map[string]bool
}

// clusterAt returns the cluster of a seed at an age.
func clusterAt(ctx context.Context, seed uint64, age int) (*living, error) {
	made := &living{
		Cluster: fakecluster.New(namespaces, configMaps, secrets, accounts),
		random:  rand.New(rand.NewPCG(seed, 5)), there: map[string]bool{},
	}
	made.PageSize = 5
	if _, err := made.Create(ctx, namespaces, object(namespaces, namespace, nil), manager); err != nil {
		return nil, err
	}
	for range names {
		if err := made.grow(ctx); err != nil {
			return nil, err
		}
	}
	made.age = 0
	return made, made.until(ctx, age)
}

// until lets the cluster reach an age.
func (l *living) until(ctx context.Context, age int) error {
	for l.age < age {
		if err := l.grow(ctx); err != nil {
			return err
		}
	}
	return nil
}

// grow makes, changes, removes and makes anew some objects.
func (l *living) grow(ctx context.Context) error {
	l.age++
	for range 1 + l.random.IntN(changes) {
		kind := []core.Kind{configMaps, secrets, accounts}[l.random.IntN(3)]
		if err := l.change(ctx, kind, fmt.Sprintf("name-%d", l.random.IntN(names))); err != nil {
			return err
		}
	}
	return nil
}

func (l *living) change(ctx context.Context, kind core.Kind, name string) error {
	at := kind.Resource + "/" + name
	data := map[string]any{"key": fmt.Sprint(l.random.IntN(4)), "more": fmt.Sprintf("%x", l.random.Uint64())}
	if l.random.IntN(3) == 0 {
		data["more"] = "the same"
	}
	dice := l.random.IntN(6)
	if l.there[at] && dice > 1 {
		patch := core.MergePatch{Kind: kind, Namespace: namespace, Name: name, Content: map[string]any{"data": data}}
		return l.Merge(ctx, patch, manager)
	}
	l.Remove(kind, namespace, name)
	l.there[at] = dice > 0
	if dice == 0 {
		return nil
	}
	_, err := l.Create(ctx, kind, object(kind, name, data), manager)
	return err
}

func object(kind core.Kind, name string, data map[string]any) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{}}
	if data != nil {
		made.Object["data"] = data
	}
	made.SetAPIVersion(kind.APIVersion())
	made.SetKind(kind.Name)
	made.SetName(name)
	if kind.Namespaced {
		made.SetNamespace(namespace)
	}
	return made
}
