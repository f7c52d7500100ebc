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
	manager := s.newLookout(to)
	defer manager.quiet.Stop()
	wait := &awaited{list: list, name: name, judge: judge, manager: manager}
	for range maxWatches {
		settled, err := wait.watchOnce(ctx, to)
		if ctx.Err() != nil {
			return timeoutOf(ctx)
		}
		if err != nil || settled {
			return err
		}
	}
	return fmt.Errorf("watching %s: the API server ended the watch %d times", name, maxWatches)
}

// awaited is what a command waits for: an object of a list, and what it must be like. The manager is who brings it about.
type awaited struct {
	list    client.ObjectList
	name    string
	judge   func(object client.Object) (bool, error)
	manager *lookout
}

// watchOnce watches until the object is settled or the API server ends the watch.
func (w *awaited) watchOnce(ctx context.Context, to client.WithWatch) (bool, error) {
	only := &client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", w.name)}
	if err := to.List(ctx, w.list, only); err != nil {
		return false, fmt.Errorf("reading %s: %w", w.name, err)
	}
	if settled, err := judgeListed(w.list, w.name, w.judge); err != nil || settled {
		return settled, err
	}
	// From the list's version on, so that nothing between the list and the watch is missed.
	only.Raw = &metav1.ListOptions{ResourceVersion: w.list.GetResourceVersion()}
	watcher, err := to.Watch(ctx, w.list, only)
	if err != nil {
		return false, fmt.Errorf("watching %s: %w", w.name, err)
	}
	defer watcher.Stop()
	for {
		select {
		case event := <-watcher.ResultChan(): // The zero event where it is closed.
			w.manager.news()
			if settled, over, err := w.judgeEvent(event); over {
				return settled, err
			}
		case <-w.manager.quiet.C:
			w.manager.look(ctx)
		}
	}
}

// judgeEvent judges a version of the object. The watch is over when the object is settled, when it is gone, and when the API
// server ends it, which the zero event says too.
func (w *awaited) judgeEvent(event watch.Event) (settled, over bool, err error) {
	object, ok := event.Object.(client.Object)
	switch {
	case event.Type == watch.Deleted:
		return false, true, fmt.Errorf("%s was deleted: %w", w.name, errGone)
	case !ok || event.Type == watch.Error:
		return false, true, nil
	}
	settled, err = w.judge(object)
	return settled, settled || err != nil, err
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
