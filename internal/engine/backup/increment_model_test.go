package backup_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// changeAtRandom changes, makes, removes and makes anew some objects.
func changeAtRandom(s *series, source *rand.Rand) {
	kinds := []core.Kind{world.ConfigMaps, world.Secrets, gadgets, world.Accounts}
	for range source.IntN(12) {
		kind := kinds[source.IntN(len(kinds))]
		namespace := []string{"shop", "shop-b", "sho"}[source.IntN(3)]
		name := fmt.Sprintf("%s%d", []string{"a", "a-", "b.c"}[source.IntN(3)], source.IntN(9))
		content := fmt.Sprintf(`{"metadata":{"labels":{"l":"%d"}},"data":{"key":"%d"}}`, source.IntN(2), source.IntN(3))
		_, there := s.Cluster.Contents()[core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: namespace, Name: name}.String()]
		switch {
		case !there || source.IntN(5) == 0:
			s.Cluster.Put(s.T, kind, namespace, name, content)
		case source.IntN(4) == 0:
			s.Cluster.Remove(kind, namespace, name)
		default:
			s.Cluster.Change(s.T, kind, namespace, name, content)
		}
	}
}

// TestIncrementModel makes series of backups of a cluster that changes at random, in random modes and with random filters:
// each is what a full one of the same moment is.
func TestIncrementModel(t *testing.T) {
	t.Parallel()
	seeds := uint64(30)
	if testing.Short() {
		seeds = 5
	}
	var unchanged, written int64
	for seed := range seeds {
		source := rand.New(rand.NewPCG(seed, 3))
		s := newSeries(t)
		s.Cluster.PageSize = 1 + source.IntN(20)
		s.Cluster.Backwards = source.IntN(6) == 0
		for _, name := range []string{"shop-b", "sho"} {
			s.Cluster.Put(t, world.Namespaces, "", name, `{}`)
		}
		for i := range 8 {
			changeAtRandom(s, source)
			s.filters = []selection.Filters{
				{},
				{},
				{},
				{IncludeNamespaces: []string{"shop", "shop-b"}},
				{ExcludeResources: []selection.ResourceFilter{{Kind: "Secret"}}},
				{IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}, {Kind: "Gadget"}}},
			}[source.IntN(6)]
			mode := []increment.Mode{increment.Incremental, increment.Incremental, increment.Differential, increment.Full, increment.Auto}[source.IntN(5)]
			name := fmt.Sprintf("b%d", i)
			made := s.backup(name, mode)
			s.check(name)
			unchanged += made.Manifest.Increment.Unchanged
			written += made.Manifest.Increment.Written
		}
	}
	if unchanged == 0 || written == 0 {
		t.Errorf("%d objects unchanged, %d written: nothing was tried", unchanged, written)
	}
}

// TestIncrementWhileTheClusterChanges changes objects between the pages of the metadata and their reading.
func TestIncrementWhileTheClusterChanges(t *testing.T) {
	t.Parallel()
	s := newSeries(t)
	s.Cluster.PageSize = 100
	for i := range 40 {
		s.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("many-%03d", i), `{"data":{"key":"value"}}`)
	}
	s.backup("one", increment.Full)
	for _, name := range []string{"many-001", "many-002", "many-003"} {
		s.Cluster.Change(t, world.ConfigMaps, "shop", name, `{"data":{"key":"other"}}`)
	}
	s.Cluster.Intercept = func(call fakecluster.Call) error {
		if call.Verb != "get" {
			return nil
		}
		switch call.Key.Name {
		case "many-001":
			s.Cluster.Remove(world.ConfigMaps, "shop", "many-001")
		case "many-002":
			s.Cluster.Change(t, world.ConfigMaps, "shop", "many-002", `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
		case "many-003":
			s.Cluster.Put(t, world.ConfigMaps, "shop", "many-003", `{"data":{"key":"new"}}`)
		}
		return nil
	}
	made := s.backup("two", increment.Incremental)
	if vanished := made.Manifest.Counts.Vanished; vanished != 2 {
		t.Errorf("%d vanished", vanished)
	}
	s.Cluster.Intercept = nil
	s.Cluster.Remove(world.ConfigMaps, "shop", "many-002")
	s.check("two")
}
