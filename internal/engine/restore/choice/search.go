package choice

import (
	"context"
	"slices"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// searchAll reads those objects of the backup that may point to chosen ones, and gives to the planner what does. What
// is held at a time is a chunk of records.
func (r *run) searchAll(ctx context.Context, searches []selection.Search) error {
	var found []archive.Record
	flush := func() error {
		full := found
		found = nil
		return r.searchIn(ctx, full)
	}
	err := r.eachRecord(ctx, func(record archive.Record) error {
		if !slices.ContainsFunc(searches, func(search selection.Search) bool { return search.Covers(record.Key()) }) {
			return nil
		}
		if found = append(found, record); len(found) < engine.Chunk {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// searchIn takes from some records what points to chosen objects, and then looks at what that needs.
func (r *run) searchIn(ctx context.Context, records []archive.Record) error {
	var wanted []archive.Record
	err := r.Contents.Objects(ctx, r.Manifest, records, func(record archive.Record, content []byte) error {
		reason, isWanted, err := r.needs.Offer(objectOf(record, content))
		if err != nil || !isWanted {
			return err
		}
		record.Reason = reason
		wanted = append(wanted, record)
		return r.take(record)
	})
	if err != nil {
		return err
	}
	return r.visitNeeds(ctx, wanted)
}
