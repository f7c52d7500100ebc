package transformset

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

// Program is what one run does to its objects. It is safe for concurrent use, and counts what it did.
type Program struct {
	parts []part
}

// part is one compiled set.
type part struct {
	images  []*mapped
	classes []*mapped
	steps   []*step
}

// step is one compiled transform.
type step struct {
	title            string
	match            matcher
	patch            patch
	skipOnError      bool
	matched, skipped atomic.Int64
}

// Target names the object in the backup.
type Target struct {
	Kind            core.Kind
	Namespace, Name string
}

// Applied is what was done to one object.
type Applied struct {
	// Changes are in the order in which they were made; their reasons name the transform or the entry of a mapping.
	Changes []transform.Change
	// Skipped says which transforms were left out, and why.
	Skipped []string
}

// FailedError says that a transform cannot be applied to an object.
type FailedError struct {
	// Transform is the field with the transform, and its name.
	Transform string
	// Why says what is wrong; it has no value of the object in it.
	Why error
}

// Error names the transform and says what to do.
func (e *FailedError) Error() string {
	return fmt.Sprintf("%s: %v; correct the transform, or set its onError to Skip", e.Transform, e.Why)
}

// Unwrap returns the cause.
func (e *FailedError) Unwrap() error { return e.Why }

// Empty tells whether the program changes nothing.
func (p *Program) Empty() bool {
	return p == nil || !slices.ContainsFunc(p.parts, func(each part) bool {
		return len(each.images)+len(each.classes)+len(each.steps) > 0
	})
}

// Apply changes the object in place. After an error, which is a FailedError, the object must not be used.
func (p *Program) Apply(target Target, object map[string]any) (Applied, error) {
	var applied Applied
	if p.Empty() {
		return applied, nil
	}
	for i := range p.parts {
		part := &p.parts[i]
		applied.Changes = append(applied.Changes, part.mapImages(object)...)
		applied.Changes = append(applied.Changes, part.mapClasses(target.Kind, object)...)
		for _, step := range part.steps {
			changes, err := step.apply(target, object)
			if err == nil {
				applied.Changes = append(applied.Changes, changes...)
				continue
			}
			if !step.skipOnError {
				return applied, &FailedError{Transform: step.title, Why: err}
			}
			step.skipped.Add(1)
			applied.Skipped = append(applied.Skipped, step.title+": "+err.Error())
		}
	}
	return applied, nil
}

// apply changes the object in place where it matches; after an error it is as it was.
func (s *step) apply(target Target, object map[string]any) ([]transform.Change, error) {
	takes, err := s.match.takes(target, object)
	if !takes && err == nil {
		return nil, nil
	}
	s.matched.Add(1)
	if err != nil {
		return nil, err
	}
	after, err := s.patch(object)
	if err != nil {
		return nil, err
	}
	if identityOf(after) != identityOf(object) {
		return nil, errors.New("it changes apiVersion, kind, name, namespace or UID, which a transform cannot")
	}
	changes := s.changes(target.Kind, object, after)
	clear(object)
	maps.Copy(object, after)
	return changes, nil
}

// changes names the fields that a step has changed.
func (s *step) changes(kind core.Kind, before, after map[string]any) []transform.Change {
	fields := diff.Objects(kind, before, after)
	changes := make([]transform.Change, 0, len(fields))
	for _, field := range fields {
		changes = append(changes, transform.Change{Path: field.Path, Reason: s.title})
	}
	return changes
}

// Warnings says, after a run, which transforms and entries of mappings matched nothing, and which transforms were left
// out for some objects.
func (p *Program) Warnings() []string {
	var warnings []string
	if p == nil {
		return nil
	}
	for i := range p.parts {
		for _, entry := range slices.Concat(p.parts[i].images, p.parts[i].classes) {
			if entry.used.Load() == 0 {
				warnings = append(warnings, entry.title+": nothing that was restored refers to it: correct it, or remove it")
			}
		}
		for _, step := range p.parts[i].steps {
			if step.matched.Load() == 0 {
				warnings = append(warnings, step.title+": it matched no object: correct its match, or remove it")
			}
			if skipped := step.skipped.Load(); skipped > 0 {
				warnings = append(warnings, fmt.Sprintf("%s: it matched %s and could not be applied to %d of them: "+
					"the report names each", step.title, core.Count(step.matched.Load(), "object"), skipped))
			}
		}
	}
	return warnings
}
