package filters

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// OfTransformSet returns what a set changes, and what is wrong with its label selectors; transformset.Compile tells the
// rest. The name is that of the TransformSet, or nothing for what a Restore says itself.
func OfTransformSet(name string, spec *kahuv1.TransformSetSpec) (transformset.Set, []selection.Problem) {
	set := transformset.Set{Name: name, ImageMapping: spec.ImageMapping, StorageClassMapping: spec.StorageClassMapping}
	var problems []selection.Problem
	for i := range spec.Transforms {
		made, err := transformOf(&spec.Transforms[i])
		if err != nil {
			problems = append(problems, selection.Problem{
				Field:  set.Field(fmt.Sprintf("spec.transforms[%d].match.labelSelector", i)),
				Reason: transformset.ReasonInvalidTransform, Message: err.Error() + ": correct the selector",
			})
		}
		set.Transforms = append(set.Transforms, made)
	}
	return set, problems
}

func transformOf(from *kahuv1.Transform) (transformset.Transform, error) {
	made := transformset.Transform{
		Name: from.Name, MergePatch: from.MergePatch.Raw, SkipOnError: from.OnError == kahuv1.TransformErrorSkip,
		Match: transformset.Match{
			Resources: resources(from.Match.Resources), Namespaces: from.Match.Namespaces, Condition: from.Match.Condition,
		},
	}
	for _, operation := range from.JSONPatch {
		made.JSONPatch = append(made.JSONPatch, transformset.Operation{
			Op: operation.Op, Path: operation.Path, From: operation.From, Value: operation.Value.Raw,
		})
	}
	if from.Match.LabelSelector == nil {
		return made, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(from.Match.LabelSelector)
	if err != nil {
		return made, err
	}
	made.Match.Labels = selector
	return made, nil
}
