package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/engine"
)

// lookAtDefinitions notes the state in which the definitions of custom kinds are, and returns the references that the filters
// declare, and those of the definitions in the cluster. Of these only the metadata is read, page by page.
func (r *run) lookAtDefinitions(ctx context.Context, wished []reference.Declaration) ([]reference.Declaration, error) {
	at := slices.IndexFunc(r.kinds, engine.IsDefinition)
	custom := slices.ContainsFunc(r.kinds, func(kind core.Kind) bool { return kind.Custom })
	follow := !r.selector.Everything()
	if at < 0 || !custom && !follow {
		return wished, nil
	}
	declared, err := r.listDefinitions(ctx, r.kinds[at], wished)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !follow:
		r.Note(engine.KeyOfKind(r.kinds[at], ""), "Unlistable", err.Error())
	default:
		r.Miss(engine.Row{
			Kind: r.kinds[at], Key: engine.KeyOfKind(r.kinds[at], ""), Reason: engine.ReasonKindUnlistable,
			Message: "looking for the references that definitions declare: " + err.Error(),
		})
	}
	return declared, nil
}

// listDefinitions goes through the metadata of the definitions, and follows what they declare where the filters
// leave anything out.
func (r *run) listDefinitions(
	ctx context.Context, kind core.Kind, wished []reference.Declaration,
) ([]reference.Declaration, error) {
	found := &engine.Declarations{Ledger: r.Ledger, Kinds: r.kinds, All: wished}
	states := map[string]string{}
	var err error
	for range listTries {
		found.All = slices.Clone(wished)
		clear(states)
		err = r.Cluster.List(ctx, core.ListRequest{Kind: kind, MetadataOnly: true}, func(page core.Page) error {
			for _, definition := range page.Objects {
				states[definition.Name] = definitionState(definition)
				if !r.selector.Everything() {
					found.Define(definition)
				}
			}
			return nil
		})
		if !errors.Is(err, core.ErrExpired) {
			break
		}
	}
	for i := range r.kinds {
		if r.kinds[i].Custom && err == nil {
			r.kinds[i].Definition = states[r.kinds[i].GroupResource().String()]
		}
	}
	return found.All, err
}

// definitionState identifies the state of a definition: whose it is, and how often what it says has been changed.
func definitionState(definition core.Object) string {
	var content struct {
		Metadata struct {
			Generation int64 `json:"generation"`
		} `json:"metadata"`
	}
	if json.Unmarshal(definition.JSON, &content) != nil || content.Metadata.Generation == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%d", definition.UID, content.Metadata.Generation)
}
