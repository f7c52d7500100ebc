// Package transformset says of each TransformSet whether a restore can use it: what is wrong in one should not be found
// out in the middle of the night in which it is needed.
package transformset

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// Controller reconciles TransformSet objects.
type Controller struct {
	// Client reads and writes Kahu's own kinds.
	Client client.Client
}

// Loop returns the controller as a loop of steps.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.TransformSet, *kahuv1.TransformSet] {
	return &reconcile.Loop[*kahuv1.TransformSet, *kahuv1.TransformSet]{
		Client:     c.Client,
		New:        func() *kahuv1.TransformSet { return &kahuv1.TransformSet{} },
		Conditions: func(set *kahuv1.TransformSet) *[]metav1.Condition { return &set.Status.Conditions },
		Scope:      func(set *kahuv1.TransformSet) *kahuv1.TransformSet { return set },
		Steps:      []reconcile.Step[*kahuv1.TransformSet]{{Name: "compiling", Do: compile}},
	}
}

// SetUp registers the controller with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).Named("transformset").For(&kahuv1.TransformSet{}).Complete(c.Loop())
}

// compile compiles the set as a restore would.
func compile(_ context.Context, set *kahuv1.TransformSet) error {
	set.Status.ObservedGeneration = set.Generation
	made, problems := filters.OfTransformSet("", &set.Spec)
	_, more := transformset.Compile([]transformset.Set{made})
	if problems = append(problems, more...); len(problems) == 0 {
		set.Status.ValidationErrors = nil
		return nil
	}
	why := failure.Of(&engine.InvalidError{Problems: problems})
	set.Status.ValidationErrors = failure.Texts(why.Problems)
	return reconcile.Stalled(why.Reason, why.Message)
}
