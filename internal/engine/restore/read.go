package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/engine"
)

// checkers is how many segments are checked at once.
const checkers = 4

// readObjects reads the objects of the records, see [Contents.readObjects].
func (r *run) readObjects(
	ctx context.Context, records []archive.Record, visit func(record archive.Record, content []byte) error,
) error {
	return r.contents.Objects(ctx, &r.manifest, records, visit)
}

// checkSegments reads every segment that is still needed from end to end, before the first object is created: a
// damaged archive changes nothing in the cluster.
func (r *run) checkSegments(ctx context.Context) error {
	needed := map[string]*damage.Row{}
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Left().Items {
			name := item.Segment()
			if needed[name] == nil {
				needed[name] = &damage.Row{File: name}
			}
			needed[name].Concern(item.Key())
		}
	}
	var damaged damage.List
	checking, inner := errgroup.WithContext(ctx)
	checking.SetLimit(checkers)
	for name, row := range needed {
		checking.Go(func() error {
			err := r.checkSegment(inner, name)
			if !errors.Is(err, core.ErrCorrupt) {
				return err
			}
			row.Message = err.Error()
			damaged.Add(*row)
			return nil
		})
	}
	if err := checking.Wait(); err != nil {
		return err
	}
	return damagedError(damaged.Rows())
}

// damagedError names the damaged segments and the chosen objects that are in them.
func damagedError(rows []damage.Row, total, objects int64) error {
	if total == 0 {
		return nil
	}
	const most = 3
	texts := make([]string, 0, most)
	for _, row := range rows[:min(len(rows), most)] {
		names := make([]string, 0, len(row.Objects))
		for _, key := range row.Objects {
			names = append(names, key.String())
		}
		text := strings.Join(names, ", ")
		if left := row.ObjectsTotal - int64(len(names)); left > 0 {
			text += fmt.Sprintf(" and %d more", left)
		}
		texts = append(texts, fmt.Sprintf("%s; in it are %s", row.Message, text))
	}
	return fmt.Errorf("damaged among the segments with the chosen objects: %s with %s: %s: %w",
		core.Count(total, "segment"), core.Count(objects, "object"), strings.Join(texts, "; "), core.ErrCorrupt)
}

func (r *run) checkSegment(ctx context.Context, name string) error {
	file, ok := r.manifest.Segment(name)
	if !ok {
		return fmt.Errorf("the manifest does not name segment %s: %w", name, core.ErrCorrupt)
	}
	content, err := r.files.Open(ctx, file.Name)
	if err != nil {
		return fmt.Errorf("opening segment %s: %w", file.Name, engine.GoneIsCorrupt(err))
	}
	defer content.Close() //nolint:errcheck // It was read to its end, or the error that ended the reading counts.
	return archive.VerifySegment(content, file)
}
