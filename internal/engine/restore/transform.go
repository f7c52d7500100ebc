package restore

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine"
)

// compileTransforms compiles what the wish changes in its objects, and writes down what that is.
func (r *run) compileTransforms(context.Context) error {
	program, problems := transformset.Compile(r.request.Transforms)
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	r.program = program
	for _, line := range transformset.Describe(r.request.Transforms) {
		r.Note(core.Key{}, "Transforming", line)
	}
	return nil
}

// applyTransforms changes the object as the wish says, after everything else. The error says that
// it cannot be changed so.
func (r *run) applyTransforms(item *restoreplan.Item, object *unstructured.Unstructured) error {
	key := item.Key()
	target := transformset.Target{Kind: *item.Kind, Namespace: key.Namespace, Name: key.Name}
	applied, err := r.program.Apply(target, object.Object)
	if err != nil {
		return &refusal{engine.ReasonTransformFailed, err}
	}
	for _, change := range applied.Changes {
		r.Note(targetKey(item, object), "Changed", change.Path+": "+change.Reason)
	}
	for _, skipped := range applied.Skipped {
		r.Note(targetKey(item, object), "TransformSkipped", skipped)
	}
	return nil
}

// judgeTransforms warns of what changed nothing: most likely it was meant to.
func (r *run) judgeTransforms(context.Context) error {
	for _, warning := range r.program.Warnings() {
		r.Warn(core.Key{}, warning)
	}
	return nil
}
