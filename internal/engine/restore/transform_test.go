package restore_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// transformed restores everything of a backup with sets into another cluster.
func transformed(w *world.World, name string, to *fakecluster.Cluster, sets ...transformset.Set) (restore.Result, error) {
	w.T.Helper()
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
	return use.Run(w.T.Context(), restore.Request{Backup: world.ID(name), Transforms: sets}, w.Files)
}

func TestRestoreTransforms(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	configs := transformset.Match{Resources: []selection.ResourceFilter{{Kind: "ConfigMap", Name: "settings-[01]", IsRegex: true}}}
	failing := transformset.Transform{
		Name: "fails", Match: transformset.Match{Resources: []selection.ResourceFilter{{Kind: "ConfigMap", Name: "settings-2"}}},
		JSONPatch: []transformset.Operation{{Op: "test", Path: "/data/key", Value: json.RawMessage(`"other"`)}},
	}
	skipping := failing
	skipping.Name, skipping.Match, skipping.SkipOnError = "skips", configs, true
	unused := transformset.Transform{Name: "unused", MergePatch: json.RawMessage(`{"a": 1}`), Match: transformset.Match{Namespaces: []string{"x"}}}
	set := transformset.Set{Name: "set", Transforms: []transformset.Transform{
		{Match: configs, MergePatch: json.RawMessage(`{"data": {"key": "changed"}}`)}, failing, skipping, unused,
	}}
	to := fakecluster.New(world.AllKinds()...)
	result, err := transformed(w, "one", to, set)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Failed) != 1 || result.Failed[0].Reason != engine.ReasonTransformFailed || result.Failed[0].Key.Name != "settings-2" {
		t.Errorf("failed are %v", result.Failed)
	}
	for name, want := range map[string]string{"settings-0": "changed", "settings-1": "changed", "settings-3": "value"} {
		object, err := to.Get(t.Context(), world.ConfigMaps, "shop", name)
		if err != nil || !strings.Contains(string(object.JSON), `"key":"`+want+`"`) {
			t.Errorf("%s is %s, error %v", name, object.JSON, err)
		}
	}
	if _, err := to.Get(t.Context(), world.ConfigMaps, "shop", "settings-2"); err == nil {
		t.Error("an object that cannot be transformed was created")
	}
	for _, want := range []string{"(skips): it matched 2 objects and could not be applied to 2 of them", "(unused): it matched no object"} {
		if !slices.ContainsFunc(result.Warnings, func(warning string) bool { return strings.Contains(warning, want) }) {
			t.Errorf("no warning has %q: %q", want, result.Warnings)
		}
	}
	if result.WarningsTotal != 2 {
		t.Errorf("warnings are %q", result.Warnings)
	}
}

// A transform that does not compile changes nothing.
func TestRestoreRefusesTransforms(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	_, err := transformed(w, "one", to, transformset.Set{Transforms: []transformset.Transform{{}}})
	var invalid *engine.InvalidError
	if !errors.As(err, &invalid) || invalid.Problems[0].Field != "spec.transforms[0]" {
		t.Errorf("the error is %v", err)
	}
	if _, err := to.Get(t.Context(), world.Namespaces, "", "shop"); err == nil {
		t.Error("objects were created")
	}
}
