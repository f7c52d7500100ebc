package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
)

// statusField is where a Restore says of which objects the status is restored.
const statusField = "spec.restoreStatus"

// whyFinished is why a Pod that had finished is not created.
const whyFinished = "it had finished, and would run again"

// aftermath is what is written of an object after it was created.
type aftermath struct {
	// status is what its status was; nil where it is not restored.
	status any
	// release takes back what held the new object; nil where nothing did.
	release map[string]any
}

// compileStatus makes a selector of the wish for which objects the status is restored.
func (r *run) compileStatus(kinds []core.Kind) []selection.Problem {
	if r.request.Status == nil {
		return nil
	}
	selector, problems := selection.Compile(*r.request.Status, kinds)
	for i := range problems {
		problems[i].Field = statusField + problems[i].Field[len("spec"):]
	}
	r.withStatus = selector
	return problems
}

// aftermathOf takes note of what is written of an object after its creation, before it is changed for its way back. A Job
// that had finished is held until its status says so: it would run again.
func (r *run) aftermathOf(item *restoreplan.Item, object *unstructured.Unstructured) aftermath {
	status, has := object.Object["status"]
	if !has {
		return aftermath{}
	}
	if !r.request.RunFinished && transform.Finished(*item.Kind, object.Object) {
		return aftermath{status: status, release: transform.Release(object.Object)}
	}
	chosen := r.withStatus != nil && r.withStatus.Object(*item.Kind, item.Namespace, item.Name, object.GetLabels()).In
	if !chosen {
		return aftermath{}
	}
	return aftermath{status: status}
}

// skipsFinished tells whether the object is a Pod that had finished. A Pod cannot be made so that it does not run.
func (r *run) skipsFinished(item *restoreplan.Item, object *unstructured.Unstructured) bool {
	return !r.request.RunFinished && item.Kind.Group == "" && item.Kind.Resource == "pods" &&
		transform.Finished(*item.Kind, object.Object)
}

// conclude writes the status of a new object and lets it go. What has been done by an earlier attempt is done again, which
// changes nothing. as is the name under which the object was created.
func (r *run) conclude(ctx context.Context, wish wished, as string) error {
	item, object, after := wish.item, wish.object, wish.after
	patch := core.MergePatch{Kind: *item.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
	if after.status != nil {
		status := patch
		status.Subresource, status.Content = "status", map[string]any{"status": after.status}
		err := r.Cluster.Merge(ctx, status, as)
		if errors.Is(err, core.ErrNotFound) {
			// The API server says the same of an object that is gone as of a kind without a status.
			_, err = r.Cluster.Living(ctx, *item.Kind, object.GetNamespace(), object.GetName())
			err = cmp.Or(err, core.ErrUnsupported)
		}
		switch {
		case errors.Is(err, core.ErrUnsupported):
			r.Warn(targetKey(item, object), fmt.Sprintf("%s %s: its kind has no status of its own to restore: what its status "+
				"says came back with the object", item.Kind, engine.Path(object.GetNamespace(), object.GetName())))
		case err != nil:
			return fmt.Errorf("restoring its status: %w", err)
		}
	}
	if after.release == nil {
		return nil
	}
	patch.Content = after.release
	if err := r.Cluster.Merge(ctx, patch, as); err != nil {
		return fmt.Errorf("taking back the suspension under which it was created: %w", err)
	}
	return nil
}
