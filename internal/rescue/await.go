package rescue

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// await watches one object until judge says that there is nothing more to wait for. A watch that the API server ends is begun
// again, until the context ends.
func (c *Cluster) await(
	ctx context.Context, list client.ObjectList, name string, judge func(object client.Object) (bool, error),
) error {
	for {
		over, err := c.watchOnce(ctx, list, name, judge)
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for %s: %w", name, context.Cause(ctx))
		}
		if over || err != nil {
			return err
		}
	}
}

func (c *Cluster) watchOnce(
	ctx context.Context, list client.ObjectList, name string, judge func(object client.Object) (bool, error),
) (bool, error) {
	only := &client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name)}
	if err := c.Client.List(ctx, list, only); err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(items) == 0 {
		return false, errDeleted(name)
	}
	first, _ := items[0].(client.Object)
	if over, err := judge(first); over || err != nil {
		return over, err
	}
	only.Raw = &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}
	watcher, err := c.Client.Watch(ctx, list, only)
	if err != nil {
		return false, fmt.Errorf("watching %s: %w", name, err)
	}
	defer watcher.Stop()
	return follow(watcher, name, judge)
}

// follow judges each version of the object, until the API server ends the watch.
func follow(watcher watch.Interface, name string, judge func(object client.Object) (bool, error)) (bool, error) {
	for event := range watcher.ResultChan() {
		object, ok := event.Object.(client.Object)
		if event.Type == watch.Deleted {
			return false, errDeleted(name)
		}
		if event.Type == watch.Error || !ok {
			return false, nil
		}
		if over, err := judge(object); over || err != nil {
			return over, err
		}
	}
	return false, nil
}

func errDeleted(name string) error {
	return fmt.Errorf("%s is not there any more: somebody has deleted it", name)
}

// progress shows how far a restore is, each change of its state at once and numbers from time to time.
type progress struct {
	clock clock.PassiveClock
	tell  func(line string)
	began time.Time

	last  time.Time
	state string
}

// every is the time between two lines of numbers.
const every = 2 * time.Second

func (p *progress) show(restore *kahuv1.Restore) {
	status := &restore.Status
	if status.Stage == kahuv1.StageFinished {
		return
	}
	ready := meta.FindStatusCondition(status.Conditions, kahuv1.ConditionReady)
	state := ""
	if ready != nil && status.Progress.TotalItems == 0 {
		state = ready.Message
	}
	now := p.clock.Now()
	if state == p.state && now.Sub(p.last) < every {
		return
	}
	p.last, p.state = now, state
	if status.Progress.TotalItems > 0 {
		p.tell(fmt.Sprintf("  %d of %d objects, %s", status.Progress.ItemsRestored, status.Progress.TotalItems,
			now.Sub(p.began).Round(time.Second)))
	} else if state != "" {
		p.tell("  " + state)
	}
}
