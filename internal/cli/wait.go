package cli

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxWatches bounds how often a watch that the API server ends is begun again without any news in between.
const maxWatches = 100

// waitFor watches one object until judge says that it is settled. judge is called for each version of the object, the
// first one included, and returns whether there is nothing more to wait for. An object that goes is an error.
func (s *session) waitFor(
	ctx context.Context, to client.WithWatch, list client.ObjectList, name string, judge func(object client.Object) (bool, error),
) error {
	for range maxWatches {
		settled, err := s.watchOnce(ctx, to, list, name, judge)
		if ctx.Err() != nil {
			return timeoutOf(ctx)
		}
		if err != nil || settled {
			return err
		}
	}
	return fmt.Errorf("watching %s: the API server ended the watch %d times", name, maxWatches)
}

// watchOnce watches until the object is settled or the API server ends the watch.
func (s *session) watchOnce(
	ctx context.Context, to client.WithWatch, list client.ObjectList, name string, judge func(object client.Object) (bool, error),
) (bool, error) {
	only := &client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name)}
	if err := to.List(ctx, list, only); err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	if settled, err := judgeListed(list, name, judge); err != nil || settled {
		return settled, err
	}
	// From the list's version on, so that nothing between the list and the watch is missed.
	only.Raw = &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}
	watcher, err := to.Watch(ctx, list, only)
	if err != nil {
		return false, fmt.Errorf("watching %s: %w", name, err)
	}
	defer watcher.Stop()
	return judgeWatched(watcher, name, judge)
}

// judgeWatched judges each version of the object until the watch ends.
func judgeWatched(watcher watch.Interface, name string, judge func(object client.Object) (bool, error)) (bool, error) {
	for event := range watcher.ResultChan() {
		object, ok := event.Object.(client.Object)
		switch {
		case event.Type == watch.Deleted:
			return false, fmt.Errorf("%s was deleted: %w", name, errGone)
		case !ok || event.Type == watch.Error:
			return false, nil
		}
		if settled, err := judge(object); err != nil || settled {
			return settled, err
		}
	}
	return false, nil
}

// judgeListed judges the one object of a list.
func judgeListed(list client.ObjectList, name string, judge func(object client.Object) (bool, error)) (bool, error) {
	items, err := meta.ExtractList(list)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(items) == 0 {
		return false, fmt.Errorf("%s is not there: %w", name, errGone)
	}
	object, ok := items[0].(client.Object)
	if !ok {
		return false, fmt.Errorf("reading %s: got %T", name, items[0])
	}
	return judge(object)
}

// errGone: the object that was waited for does not exist any more.
var errGone = errors.New("gone")

// timeoutOf tells a limit that ran out from an interruption.
func timeoutOf(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrTimeout
	}
	return ErrInterrupted
}

// unwatched is the error of a wait for a run. One that ended before the run says how to go on watching.
func unwatched(kind, name string, err error) error {
	if errors.Is(err, ErrInterrupted) || errors.Is(err, ErrTimeout) {
		return fmt.Errorf("waiting for %s %s: %w; it goes on: `kubectl kahu %s describe %s` shows how, `kubectl kahu %s cancel %s` ends it",
			kind, name, err, kind, name, kind, name)
	}
	return fmt.Errorf("waiting for %s %s: %w", kind, name, err)
}
