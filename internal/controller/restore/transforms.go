package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine"
)

// maxSets bounds the TransformSets of a run, in bytes: they are written into its status.
const maxSets = 256 << 10

// findTransforms writes the sets that the spec names into the status, as they are now: what the run uses must not change
// while it goes on, nor when another manager goes on with it. It returns what is wrong with them as an InvalidError.
func (c *Controller) findTransforms(ctx context.Context, s *scope) error {
	size := 0
	var used []kahuv1.UsedTransformSet
	for i, name := range s.restore.Spec.TransformSets {
		set := &kahuv1.TransformSet{}
		err := c.Client.Get(ctx, client.ObjectKey{Name: name}, set)
		if apierrors.IsNotFound(err) {
			return invalidSets(kahuv1.ReasonTransformSetNotFound, fmt.Sprintf("spec.transformSets[%d]", i), fmt.Sprintf(
				"no TransformSet %q exists: name one of those that `kubectl get transformsets` shows", name))
		}
		if err != nil {
			return fmt.Errorf("reading TransformSet %s: %w", name, err)
		}
		text, err := json.Marshal(set.Spec)
		if err != nil {
			return fmt.Errorf("encoding TransformSet %s: %w", name, err)
		}
		if size += len(text); size > maxSets {
			return invalidSets(kahuv1.ReasonInvalidTransform, "spec.transformSets", fmt.Sprintf(
				"the sets have more than %d KiB: use fewer, or smaller ones", maxSets>>10))
		}
		used = append(used, kahuv1.UsedTransformSet{
			Name: name, UID: string(set.UID), Generation: set.Generation, Spec: kahuv1.JSONValue{Raw: text},
		})
	}
	s.status().TransformSets = used
	sets, err := transformsOf(s.restore)
	if err != nil {
		return err
	}
	if _, problems := transformset.Compile(sets); len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	return nil
}

// transformsOf returns the transforms of an accepted run: those of its sets, and then its own.
func transformsOf(restore *kahuv1.Restore) ([]transformset.Set, error) {
	var all []transformset.Set
	var wrong []selection.Problem
	add := func(name string, spec *kahuv1.TransformSetSpec) {
		set, problems := filters.OfTransformSet(name, spec)
		all, wrong = append(all, set), append(wrong, problems...)
	}
	for _, used := range restore.Status.TransformSets {
		spec := &kahuv1.TransformSetSpec{}
		if err := json.Unmarshal(used.Spec.Raw, spec); err != nil {
			return nil, fmt.Errorf("reading TransformSet %s in the status: %w", used.Name, err)
		}
		add(used.Name, spec)
	}
	add("", &kahuv1.TransformSetSpec{
		Transforms: restore.Spec.Transforms, ImageMapping: restore.Spec.ImageMapping,
		StorageClassMapping: restore.Spec.StorageClassMapping,
	})
	if len(wrong) > 0 {
		return nil, &engine.InvalidError{Problems: wrong}
	}
	return all, nil
}

func invalidSets(reason, field, message string) error {
	return &engine.InvalidError{Problems: []selection.Problem{{Field: field, Reason: reason, Message: message}}}
}

// refuseTransforms ends a run whose transforms are wrong; any other error is tried again.
func (c *Controller) refuseTransforms(s *scope, err error) error {
	if _, invalid := errors.AsType[*engine.InvalidError](err); !invalid {
		return err
	}
	return c.fail(s, failure.Of(err))
}
