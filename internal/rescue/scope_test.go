package rescue_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/recovery"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/rescue"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestNewestOfEverything: a newer backup with a filter has less, whatever the filter is, and is taken only by its name.
func TestNewestOfEverything(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ spec, want string }{
		"namespaces":          {`{"includeNamespaces":["shop","b","c","d","e","f"]}`, `only the namespaces "shop" "b" "c" "d" "e" 1 more`},
		"excluded namespaces": {`{"excludeNamespaces":["shop"]}`, `not the namespaces "shop"`},
		"objects":             {`{"includeResources":[{"kind":"ConfigMap","name":"settings-1"},{"kind":"Secret"}]}`, `only the objects "ConfigMap settings-1" "Secret"`},
		"excluded objects":    {`{"excludeResources":[{"kind":"Secret"}]}`, `not the objects "Secret"`},
		"label":               {`{"label":{"matchLabels":{"app":"shop"}}}`, `only what has the labels "app=shop"`},
		"two":                 {`{"includeNamespaces":["shop"],"excludeResources":[{"kind":"Secret"}]}`, `"shop", not the objects "Secret"`},
		"escape":              {`{"includeNamespaces":["\u001b[2J"]}`, `only the namespaces "\x1b[2J"`},
		"not an object":       {`{"includeNamespaces":{}}`, `cannot be read`},
		"no filter":           {`{"label":{},"mode":"Full","includeResources":[{"kind":"*"}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			w.Shop()
			w.Put(archive.MarkerName, marker(t))
			back(t, w, "whole", "")
			w.Clock = testclock.NewFakePassiveClock(w.Clock.Now().Add(time.Hour))
			back(t, w, "newer", test.spec)
			check(t, w, nil, test.want)
		})
	}
}

// TestSealedFilters: the filters of encrypted backups are read with the key. Without it, the newest one is chosen, and the
// key asked for.
func TestSealedFilters(t *testing.T) {
	t.Parallel()
	reader := world.NewIdentity(t)
	w := world.NewSealed(t, reader)
	w.Shop()
	w.Put(archive.MarkerName, marker(t))
	if _, err := w.SealedBackup("whole", func(r *backup.Request) { r.Object = json.RawMessage(`{}`) }); err != nil {
		t.Fatal(err)
	}
	w.Clock = testclock.NewFakePassiveClock(w.Clock.Now().Add(time.Hour))
	w.MustBackup("newer")
	check(t, w.World, []seal.Identity{reader}, `only the namespaces "shop"`)

	for _, held := range [][]seal.Identity{nil, {world.NewIdentity(t)}} {
		found, err := rescue.Look(t.Context(), w.Files, held, everything)
		if err != nil {
			t.Fatal(err)
		}
		choice, err := recovery.Choose(found, recovery.Wish{})
		if err != nil || choice.ID.Name != "newer" || !strings.Contains(choice.Covers(), "nothing opens it") {
			t.Errorf("%+v, %v", choice, err)
		}
		if err := rescue.TryKey(t.Context(), w.Files, choice, held); err == nil {
			t.Error("it can be restored without its key")
		}
	}
}

// check sees that the backup of everything is chosen where the newer one has limits, and that both say what they cover.
func check(t *testing.T, w *world.World, held []seal.Identity, limits string) {
	t.Helper()
	found, err := rescue.Look(t.Context(), w.Files, held, everything)
	if err != nil {
		t.Fatal(err)
	}
	choice, err := recovery.Choose(found, recovery.Wish{})
	told := strings.Join(rescue.Describe(choice, w.Clock.Now()), "\n")
	want := "whole"
	if limits == "" {
		want = "newer"
	}
	if err != nil || choice.ID.Name != want || !strings.Contains(told, "It is of: everything") || !strings.Contains(told, limits) {
		t.Errorf("chose %q, %v:\n%s", choice.ID.Name, err, told)
	}
	named, err := recovery.Choose(found, recovery.Wish{Backup: "newer"})
	told = strings.Join(rescue.Describe(named, w.Clock.Now()), "\n")
	if err != nil || named.ID.Name != "newer" || !strings.Contains(told, limits) {
		t.Errorf("chose %q by its name, %v:\n%s", named.ID.Name, err, told)
	}
}

func back(t *testing.T, w *world.World, name, spec string) {
	t.Helper()
	if w.Object = nil; spec != "" {
		w.Object = json.RawMessage(`{"spec":` + spec + `}`)
	}
	if _, err := w.Backup(name, selection.Filters{}); err != nil {
		t.Fatal(err)
	}
}

func marker(t *testing.T) string {
	t.Helper()
	content, err := archive.EncodeMarker(archive.Marker{LocationID: "location", Created: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
