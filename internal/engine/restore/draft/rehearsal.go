package draft

import (
	"context"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// Rehearsal looks at objects as they would be created, before any is, and takes no note of what is changed in them.
type Rehearsal struct {
	// Transformer and then Program change the objects. The program is one of the rehearsal's own, as it counts what it does.
	Transformer *transform.Transformer
	Program     *transformset.Program
	// Read reads objects of the backup.
	Read func(ctx context.Context, records []archive.Record, visit func(record archive.Record, content []byte) error) error
}

// Rehearsed is an object as it is in the backup and as it would be created, and what people have had changed in it.
type Rehearsed struct {
	Item          *restoreplan.Item
	Before, After map[string]any
	Changes       []transform.Change
}

// Each visits items. What a transform cannot be applied to is not created, and left out.
func (r *Rehearsal) Each(ctx context.Context, items []*restoreplan.Item, visit func(seen Rehearsed)) error {
	records, byKey := make([]archive.Record, 0, len(items)), make(map[core.Key]*restoreplan.Item, len(items))
	for _, item := range items {
		records, byKey[item.Key()] = append(records, item.Record()), item
	}
	return r.Read(ctx, records, func(record archive.Record, content []byte) error {
		item := byKey[record.Key()]
		before, err := Decoded(record.Key(), content)
		if err != nil {
			return err
		}
		after, err := Decoded(record.Key(), content)
		if err != nil {
			return err
		}
		r.Transformer.Apply(*item.Kind, after)
		target := transformset.Target{Kind: *item.Kind, Namespace: item.Namespace, Name: item.Name}
		if applied, err := r.Program.Apply(target, after); err == nil {
			visit(Rehearsed{Item: item, Before: before, After: after, Changes: applied.Changes})
		}
		return nil
	})
}

// Decoded reads an object, or gives core.ErrCorrupt.
func Decoded(key core.Key, content []byte) (map[string]any, error) {
	var object map[string]any
	if err := utiljson.Unmarshal(content, &object); err != nil {
		return nil, fmt.Errorf("%s is not the JSON of an object: %w", key, core.ErrCorrupt)
	}
	return object, nil
}
