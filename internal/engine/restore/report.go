package restore

import (
	"context"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// The bounds of the writing of a file: a time for each, and for each MiB of it; and the time that is left for it when the run has
// been told to end.
const (
	writeTime         = time.Minute
	writeTimePerMiB   = 10 * time.Second
	writeTimeAtTheEnd = 10 * time.Second
)

// report writes what happened to the location. A place that cannot be written costs the report and nothing else.
func (r *run) finishReport(ctx context.Context, failure error) {
	if failure != nil {
		r.Note(core.Key{}, "Ended", failure.Error())
	}
	content, err := r.Close()
	if r.request.ID == (archive.RestoreID{}) {
		return
	}
	if r.request.ReadOnly {
		r.Warn(core.Key{}, "this restore has no report, as its location is read-only")
		return
	}
	if err == nil {
		name := r.request.ID.ReportName(r.request.Attempt)
		err = r.writeFile(ctx, name, content)
		if err == nil {
			r.reported = name
			return
		}
	}
	r.Warn(core.Key{}, "the report could not be written to the location: "+err.Error())
}

// writePlan writes the whole plan of a dry run to the location, and returns its name.
func (r *run) writePlan(ctx context.Context, content []byte) (string, error) {
	name := r.request.ID.PlanName(r.request.Attempt)
	return name, r.writeFile(ctx, name, content)
}

// writeFile writes a file of the restore, even where the run has been told to end.
func (r *run) writeFile(ctx context.Context, name string, content []byte) error {
	if err := r.request.ID.Check(); err != nil {
		return err
	}
	if !r.request.Epoch.IsZero() {
		sealed, err := r.request.Epoch.SealBytes(content)
		if err != nil {
			return err
		}
		content = sealed
	}
	most := writeTime + time.Duration(len(content)>>20)*writeTimePerMiB //nolint:mnd // Bytes of a MiB.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	ended := context.AfterFunc(ctx, func() { time.AfterFunc(writeTimeAtTheEnd, cancel) })
	defer ended()
	return engine.CreateFile(writing, r.written, name, content)
}
