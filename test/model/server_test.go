package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider/memory"
)

const (
	usualServerCases = 300
	// restoresOfWorld is how many cases one backed up world has.
	restoresOfWorld = 12
)

// TestServer runs cases on a real API server: its worlds are those of the pure cases, without what other controllers
// than the ones of namespaces and owners would act upon. Each restore is into namespaces of new names.
//
//	KAHU_MODEL_SERVER_CASES=2000 KAHU_MODEL_SEED=7 go test ./test/model -run Server
func TestServer(t *testing.T) {
	seed, cases := setting(t, "KAHU_MODEL_SEED", usualSeed), setting(t, "KAHU_MODEL_SERVER_CASES", usualServerCases)
	adapter, err := cluster.New(testcluster.Config(t), cluster.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, adapter: adapter, files: store.New(memory.New(memory.Options{}), store.Options{})}
	s.define()
	var seen outcome
	for number := uint64(0); number < cases && uint64(seen.cases.Load()) < cases && !t.Failed(); number++ {
		s.world(maker{rand.New(rand.NewPCG(seed, 1<<32+number))}, fmt.Sprintf("model-%d-%d-", seed, number), &seen)
	}
	t.Logf("seed %d, %d cases: %d objects backed up; of the restores %d refused, %d ended early, %d ended by what was there, "+
		"%d created, %d updated, %d existing, %d failed", seed,
		seen.cases.Load(),
		seen.objects.Load(), seen.restoresRefused.Load(), seen.died.Load(), seen.inTheWay.Load(), seen.created.Load(), seen.updated.Load(), seen.existing.Load(), seen.failed.Load())
	if cases >= usualServerCases && !t.Failed() {
		seen.judgeServer(t, int64(cases))
	}
}

// judgeServer fails the test where its cases have too few of what they are to try out.
func (o *outcome) judgeServer(t *testing.T, cases int64) {
	t.Helper()
	for what, each := range map[string]struct{ count, least int64 }{
		"objects backed up":       {o.objects.Load(), cases / 4},
		"created":                 {o.created.Load(), cases},
		"existing":                {o.existing.Load(), cases / 6},
		"updated":                 {o.updated.Load(), cases / 6},
		"failed":                  {o.failed.Load(), cases / 30},
		"refused restores":        {o.restoresRefused.Load(), cases / 20},
		"ended processes":         {o.died.Load(), cases / 25},
		"ended by what was there": {o.inTheWay.Load(), cases / 30},
	} {
		if each.count < each.least {
			t.Errorf("%s: the cases have only %d of them where %d are the least, and test too little", what, each.count, each.least)
		}
	}
}

// server is the API server, and a store in memory.
type server struct {
	t       *testing.T
	adapter *cluster.Client
	files   *store.Store
}

// define makes the kind of the Widgets.
func (s *server) define() {
	s.t.Helper()
	definition := map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "widgets.example.com"},
		"spec": map[string]any{
			"group": "example.com", "scope": "Namespaced",
			"names": map[string]any{"plural": "widgets", "kind": "Widget", "shortNames": []any{"wd"}},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
			}},
		},
	}
	if _, err := s.adapter.Create(s.t.Context(), kinds["CustomResourceDefinition"], &unstructured.Unstructured{Object: definition}, "test"); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if err := s.adapter.WaitEstablished(ctx, []string{"widgets.example.com"}); err != nil {
		s.t.Fatal(err)
	}
}

// world makes one world, backs it up, and restores it several times.
func (s *server) world(m maker, prefix string, seen *outcome) {
	s.t.Helper()
	things := renamed(quiet(m.world()), prefix)
	s.put(things)
	things = append(things, s.given(things)...)
	id := archive.BackupID{ClusterID: backupID.ClusterID, Name: strings.TrimSuffix(prefix, "-"), UID: "uid-of-" + prefix}
	wished := m.wish(things)
	wished.In = prefixed(wished.In, prefix)
	wished.Out = prefixed(wished.Out, prefix)
	for len(wished.In) == 0 || wished.wrongIn(things) {
		wished.In = m.some(70, namespaceNames(things)...)
	}
	use := &enginebackup.Runner{Cluster: s.adapter, Clock: clock.RealClock{}, Listers: 4, Packers: 1, Writer: "test"}
	result, err := use.Run(s.t.Context(), enginebackup.Request{
		ID: id, Attempt: strings.ReplaceAll(id.Name, "-", ""), LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
		Filters: wished.filters(), Confirm: func(context.Context) error { return nil },
	}, s.files)
	if invalid := new(engine.InvalidError); errors.As(err, &invalid) {
		for _, selected := range wished.chosen(things) {
			if selected {
				s.t.Errorf("%s%+v: refused, although something is selected: %v", prefix, wished, err)
			}
		}
		return
	}
	if err != nil || !result.Manifest.Complete {
		s.t.Errorf("%s%+v: %v, missing %+v", prefix, wished, err, result.Missing)
		return
	}
	chosen := wished.chosen(things)
	backup := slices.DeleteFunc(slices.Clone(things), func(t thing) bool {
		_, in := chosen[t.key()]
		return !in
	})
	if got := result.Manifest.Counts.Objects; got != int64(len(backup)) {
		s.t.Errorf("%s%+v: %d objects in the backup, %d in the model: %+v", prefix, wished, got, len(backup), backup)
		return
	}
	seen.objects.Add(int64(len(backup)))
	for number := range restoresOfWorld {
		r := serverCase{server: s, id: id, backup: backup, prefix: fmt.Sprintf("%sr%d-", prefix, number), seen: seen}
		r.run(m, prefix)
	}
}

// serverCase is one restore.
type serverCase struct {
	*server

	id     archive.BackupID
	backup []thing
	prefix string
	seen   *outcome
}

// run restores under new names, into namespaces of which one may be there, and compares.
func (c *serverCase) run(m maker, from string) {
	c.t.Helper()
	c.seen.cases.Add(1)
	wished := m.restoreWish(c.backup)
	wished.In, wished.Out = nil, prefixed(wished.Out, from)
	if m.chance(50) {
		wished.In = m.some(70, namespacesIn(c.backup)...)
	}
	mapping := map[string]string{}
	for _, name := range namespacesIn(c.backup) {
		mapping[name] = c.prefix + strings.TrimPrefix(name, from)
	}
	target := []thing{{Kind: "CustomResourceDefinition", Name: "widgets.example.com"}}
	policy := []restoreplan.Policy{restoreplan.Skip, restoreplan.Update, restoreplan.Recreate, restoreplan.Fail}[m.IntN(4)]
	if m.chance(40) {
		there := renamed(quiet(m.target(m.world())), c.prefix)
		if policy == restoreplan.Recreate {
			there = withoutOwners(there) // The cluster would delete what a deleted object owned.
		}
		c.put(there)
		target = slices.Concat(target, there, c.given(there)[1:])
	}
	before := c.read(target)
	dies := int64(0)
	if m.chance(25) {
		dies = 1 + m.Int64N(12)
	}
	full := restoreWish{wish: wished, Mapping: mapping, Policy: policy}
	want := restore(c.backup, full, target)
	c.seen.created.Add(int64(want.created))
	c.seen.existing.Add(int64(want.existing))
	c.seen.updated.Add(int64(want.updated))
	if want.inTheWay > 0 {
		c.seen.inTheWay.Add(1)
	}
	c.seen.failed.Add(int64(want.failed))
	if difference := c.restoreAndCompare(full, want, dies, before); difference != "" {
		text, err := json.MarshalIndent(map[string]any{
			"backup": c.backup, "restore": full, "target": target, "restoreDies": dies,
		}, "", "  ")
		c.t.Errorf("%s\nthe case: %s %v", difference, text, err)
	}
}

func namespacesIn(things []thing) []string {
	found := map[string]bool{}
	for _, each := range things {
		switch {
		case each.Namespace != "":
			found[each.Namespace] = true
		case each.Kind == "Namespace":
			found[each.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// mortal is a cluster whose user dies at one of its creations.
type mortal struct {
	*cluster.Client

	left int64
	die  func()
}

// Create creates, or dies.
func (m *mortal) Create(
	ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string,
) (types.UID, error) {
	if m.left--; m.left == 0 {
		m.die()
		return "", errDied
	}
	return m.Client.Create(ctx, kind, object, manager)
}

func (c *serverCase) restoreAndCompare(
	wished restoreWish, want restored, dies int64, before map[string]map[string]any,
) string {
	request := enginerestore.Request{
		Backup: c.id, Filters: wished.filters(), Transform: wished.options(), Existing: wished.Policy,
		Transforms: wished.transforms(),
	}
	if dies > 0 {
		// What was there before is older than the Restore would be, of whose creation the API server knows the second.
		wall := clock.RealClock{}
		request.Began = wall.Now().Truncate(time.Second).Add(time.Second)
		<-wall.After(-wall.Since(request.Began))
		ctx, cancel := context.WithCancel(c.t.Context())
		first := &enginerestore.Runner{Cluster: &mortal{Client: c.adapter, left: dies, die: cancel}, Clock: clock.RealClock{}, Creators: 1}
		if _, err := first.Run(ctx, request, c.files); err != nil {
			c.seen.died.Add(1)
		}
		cancel()
		request.Resumed = true
	}
	use := &enginerestore.Runner{Cluster: c.adapter, Clock: clock.RealClock{}, Creators: 4}
	result, err := use.Run(c.t.Context(), request, c.files)
	if invalid := new(engine.InvalidError); errors.As(err, &invalid) {
		c.seen.restoresRefused.Add(1)
		for _, selected := range wished.chosen(c.backup) {
			if selected && !want.refused {
				return "refused, although something is selected: " + err.Error()
			}
		}
		return ""
	}
	exists := new(enginerestore.ExistsError)
	switch {
	case errors.As(err, &exists) && exists.Total == int64(want.inTheWay):
		return c.compare(wished, want, before)
	case err != nil:
		return fmt.Sprintf("the restore: %v: %+v", err, result.Failed)
	case want.inTheWay > 0:
		return fmt.Sprintf("%d objects are in the way, and the restore did not fail", want.inTheWay)
	case want.refused:
		return "not refused"
	case result.FailedTotal != int64(want.failed):
		return fmt.Sprintf("%d failed, %d in the model: %+v", result.FailedTotal, want.failed, result.Failed)
	}
	return c.compare(wished, want, before)
}

// compare compares what is in the namespaces of the restore with the objects that were backed up, and with what was
// there before.
func (c *serverCase) compare(wished restoreWish, want restored, before map[string]map[string]any) string {
	origins := map[string]string{}
	for from, to := range wished.Mapping {
		origins[to] = from
	}
	wanted := map[string]map[string]any{}
	var all []thing
	for key, each := range want.things {
		if each.Kind == "CustomResourceDefinition" {
			continue
		}
		if each.given {
			continue // It is as the cluster makes it.
		}
		all = append(all, each.thing)
		if !each.isNew && !each.written {
			wanted[key] = before[key]
			continue
		}
		origin := each.thing
		origin.Namespace = origins[each.Namespace]
		if each.Kind == "Namespace" {
			origin.Name = origins[each.Name]
		}
		wanted[key] = c.read([]thing{origin})[origin.key()]
		c.mapSubjects(wanted[key], wished)
		keepOwners(wanted[key], each.holders)
		if each.Kind == "Namespace" {
			wanted[key]["metadata"].(map[string]any)["labels"].(map[string]any)[nameLabel] = each.Name
		}
	}
	if diff := cmp.Diff(wanted, c.read(all)); diff != "" {
		return "the cluster after the restore (-model +product):\n" + diff
	}
	return c.surplus(want, slices.Collect(maps.Values(wished.Mapping)))
}

// mapSubjects maps the namespaces of whom a RoleBinding gives something.
func (c *serverCase) mapSubjects(content map[string]any, wished restoreWish) {
	subjects, _ := content["subjects"].([]any)
	for _, each := range subjects {
		subject := each.(map[string]any)
		subject["namespace"] = wished.namespace(subject["namespace"].(string))
	}
}

// surplus looks for things in the namespaces that the model does not know.
func (c *serverCase) surplus(want restored, in []string) string {
	for name, kind := range kinds {
		if !kind.Namespaced || name == "Pod" || name == "ReplicaSet" || name == "PersistentVolumeClaim" {
			continue
		}
		for _, namespace := range in {
			difference := ""
			err := c.adapter.List(c.t.Context(), core.ListRequest{Kind: kind, Namespace: namespace}, func(page core.Page) error {
				for _, object := range page.Objects {
					key := keyOf(name, object.Namespace, object.Name)
					if _, known := want.things[key]; !known && object.Name != "default" && object.Name != "kube-root-ca.crt" {
						difference = key + " is in the cluster, and not in the model"
					}
				}
				return nil
			})
			if err != nil || difference != "" {
				return fmt.Sprint(difference, err)
			}
		}
	}
	return ""
}

// keepOwners leaves the owners that the model knows.
func keepOwners(content map[string]any, holders []holder) {
	metadata := content["metadata"].(map[string]any)
	var kept []any
	references, _ := metadata["ownerReferences"].([]any)
	for _, each := range holders {
		for _, reference := range references {
			if reference := reference.(map[string]any); each.Kind == reference["kind"] && each.Name == reference["name"] {
				kept = append(kept, reference)
			}
		}
	}
	if delete(metadata, "ownerReferences"); len(kept) > 0 {
		metadata["ownerReferences"] = kept
	}
}
