package choice

import (
	"context"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/engine"
)

// declaredInBackup returns the references that the filters declare, and those of the definitions in the backup.
func (r *run) declaredInBackup(
	ctx context.Context, kinds []core.Kind, wished []reference.Declaration,
) ([]reference.Declaration, error) {
	if r.selector.Everything() {
		return wished, nil
	}
	found := &engine.Declarations{Ledger: r.Ledger, Kinds: kinds, All: wished}
	var definitions []archive.Record
	read := func() error {
		full := definitions
		definitions = nil
		return r.Contents.Objects(ctx, r.Manifest, full, func(record archive.Record, content []byte) error {
			found.Define(objectOf(record, content))
			return nil
		})
	}
	err := r.eachRecord(ctx, func(record archive.Record) error {
		if !engine.IsDefinition(record.Kind) {
			return nil
		}
		if definitions = append(definitions, record); len(definitions) < engine.Chunk {
			return nil
		}
		return read()
	})
	if err != nil {
		return nil, err
	}
	if len(definitions) > 0 {
		err = read()
	}
	return found.All, err
}
