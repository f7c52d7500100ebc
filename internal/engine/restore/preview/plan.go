package preview

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/engine"
)

// endWave writes the rows of a wave down, or of a part of one that is large, in the order of their keys.
func (p *run) endWave() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(p.wave, func(a, b Row) int { return a.Key.Compare(b.Key) })
	for i := range p.wave {
		row := &p.wave[i]
		if rank := row.Action.rank(); len(p.first[rank]) < engine.MaxRows {
			p.first[rank] = append(p.first[rank], *row)
		}
		if err := p.writeRow(row); err != nil {
			return err
		}
	}
	p.wave, p.held = nil, 0
	return nil
}

// ranks is how many ranks there are.
const ranks = 4

// rank says how much people want to know of an action: conflicts first, then what is changed, what is new, what stays.
func (a Action) rank() int {
	switch a {
	case Conflict:
		return 0
	case Update, Recreate:
		return 1
	case Create:
		return 2
	case Unchanged, Skip:
	}
	return ranks - 1
}

// writeRow writes a line for the object, and one for each of its changes.
func (p *run) writeRow(row *Row) error {
	level, checked := archive.LevelInfo, "Checked"
	if row.Action == Conflict {
		level = archive.LevelError
	}
	if !row.Checked {
		checked = ""
	}
	now := p.Clock.Now().UTC()
	err := p.lines.Write(archive.ReportEntry{
		Time: now, Level: level, Object: row.Key, Action: string(row.Action), Reason: checked, Message: row.Reason,
	})
	for _, field := range row.Fields {
		err = cmp.Or(err, p.lines.Write(archive.ReportEntry{
			Time: now, Level: archive.LevelInfo, Object: row.Key, Action: "Change", Reason: string(field.Op), Message: field.Line,
		}))
	}
	if more := row.FieldsTotal - len(row.Fields); more > 0 {
		err = cmp.Or(err, p.lines.Write(archive.ReportEntry{
			Time: now, Level: archive.LevelInfo, Object: row.Key, Action: "Change", Message: fmt.Sprintf("... and %d more fields", more),
		}))
	}
	return err
}

// planLine returns a difference as people read it.
func planLine(field diff.Field) string {
	old, next := field.Texts(maxValueText)
	switch field.Op {
	case diff.Added:
		return "+ " + field.Path + ": " + next
	case diff.Removed:
		return "- " + field.Path + ": " + old
	case diff.Changed, diff.Reordered:
	}
	return "~ " + field.Path + ": " + old + " -> " + next
}

// writePlan writes the whole plan to the location. A place that cannot be written costs the file and nothing else.
func (p *run) writePlan(ctx context.Context) error {
	for _, problem := range p.result.Problems {
		entry := archive.ReportEntry{Time: p.Clock.Now().UTC(), Level: archive.LevelWarning, Action: "Preflight", Message: problem}
		if err := p.lines.Write(entry); err != nil {
			return err
		}
	}
	if err := p.lines.Close(); err != nil {
		return err
	}
	if p.Write == nil {
		return nil
	}
	name, err := p.Write(ctx, p.content.Bytes())
	if err == nil {
		p.result.File = name
	} else {
		p.Warn(core.Key{}, "the plan could not be written to the location: "+err.Error())
	}
	return nil
}
