package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// homes are what objects cannot be restored without: the namespace that they live in, and the definition of their
// kind. Kinds are listed side by side, so that an object can be in a backup whose namespace came, or went, after the
// namespaces were listed. What is held is a name for each namespace and each definition.
type homes struct {
	mu          sync.Mutex
	namespaces  map[string]bool // of the objects that are in; true where the Namespace object is in too
	definitions map[string]bool // of the custom kinds that objects are in of; true where the definition is in too
}

const (
	reasonHome       core.Reason = "needed by the objects in it"
	reasonDefinition core.Reason = "needed by the objects of its kind"
)

// note takes notice of an object that is in.
func (h *homes) note(object core.Object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.namespaces == nil {
		h.namespaces, h.definitions = map[string]bool{}, map[string]bool{}
	}
	if object.Namespace != "" {
		want(h.namespaces, object.Namespace)
	}
	if object.Kind.Custom {
		want(h.definitions, object.Kind.GroupResource().String())
	}
	switch {
	case engine.IsNamespace(object.Kind):
		h.namespaces[object.Name] = true
	case engine.IsDefinition(object.Kind):
		h.definitions[object.Name] = true
	}
}

// want adds a name that is not known yet.
func want(names map[string]bool, name string) {
	if _, known := names[name]; !known {
		names[name] = false
	}
}

// missing returns the names of namespaces and definitions that are not in, sorted.
func (h *homes) missing() (namespaces, definitions []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return absent(h.namespaces), absent(h.definitions)
}

func absent(names map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(names)), func(name string) bool { return names[name] })
}

// copyHomes reads the namespaces and definitions that were not in when their kind was listed. The objects of a
// namespace that is gone, or on its way out, are left out: they could not be restored, and were going with it.
func (r *run) copyHomes(ctx context.Context) error {
	namespaces, definitions := r.homes.missing()
	for _, kind := range r.kinds {
		names, reason := namespaces, reasonHome
		switch {
		case engine.IsDefinition(kind):
			names, reason = definitions, reasonDefinition
		case !engine.IsNamespace(kind):
			continue
		}
		for _, name := range names {
			if err := r.copyHome(ctx, kind, name, reason); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyHome reads one of them.
func (r *run) copyHome(ctx context.Context, kind core.Kind, name string, reason core.Reason) error {
	if _, excluded := r.selector.Excludes(kind, "", name); excluded {
		return nil
	}
	if _, never := selection.NeverObject(kind, name, nil); never {
		return nil // Where objects of Kahu's own kinds are restored there is Kahu, with their definitions.
	}
	object, err := r.Cluster.Get(ctx, kind, "", name)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && !object.Terminating:
		if err := r.accept(object); err != nil {
			return err
		}
		r.counts.needed.Add(1)
		r.progress.Expect(1)
		return r.hand(ctx, object, reason)
	case err != nil && !errors.Is(err, core.ErrNotFound):
		r.Miss(engine.Row{Kind: kind, Key: core.Key{Group: kind.Group, Resource: kind.Resource, Name: name}, Reason: engine.ReasonObjectUnreadable, Message: err.Error()})
		return nil
	case engine.IsNamespace(kind):
		r.index.OmitNamespace(name)
		r.Note(core.Key{Resource: kind.Resource, Name: name}, "Vanished",
			fmt.Sprintf("namespace %s was deleted while the backup ran, and the objects in it with it", name))
		r.counts.vanished.Add(1)
	}
	return nil
}
