package restore

import (
	"context"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine"
)

// compileTransforms compiles what the wish changes in its objects, and writes down what that is.
func (r *run) compileTransforms(context.Context) error {
	program, problems := transformset.Compile(r.request.Transforms)
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	r.drafts.Program = program
	for _, line := range transformset.Describe(r.request.Transforms) {
		r.Note(core.Key{}, "Transforming", line)
	}
	return nil
}

// judgeTransforms warns of what changed nothing: most likely it was meant to.
func (r *run) judgeTransforms(context.Context) error {
	for _, warning := range r.drafts.Program.Warnings() {
		r.Warn(core.Key{}, warning)
	}
	return nil
}
