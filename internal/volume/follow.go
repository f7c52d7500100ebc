package volume

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// follower is told of objects as they are, and as they change, until it has seen enough.
type follower struct {
	// list is an empty list of the kind, and options choose from it.
	list    func() client.ObjectList
	options []client.ListOption
	// look is told of each object, and that one is gone. over is asked after each time.
	look func(ctx context.Context, object client.Object, gone bool) error
	over func() bool
	// before are objects that were there before: of those that the first list has no more, it is told that they are gone.
	before []client.Object
}

// againTime is how long a watch that could not begin, or ended at once, waits before it is tried again.
const againTime = 200 * time.Millisecond

// follow returns when the follower has seen enough, with its error, or with that of the context. A server that is away for a
// while is waited for.
func (c *Client) follow(ctx context.Context, by follower) error {
	known := by.known()
	for {
		list := by.list()
		if err := c.api.List(ctx, list, by.options...); err == nil {
			if err := by.take(ctx, list, known); err != nil || by.over() {
				return err
			}
			if done, err := c.watch(ctx, by, list, known); err != nil || done {
				return err
			}
		} else if meta.IsNoMatchError(err) {
			return fmt.Errorf("listing: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.clock.After(againTime):
		}
	}
}

// known returns what was there before, by name.
func (f *follower) known() map[client.ObjectKey]client.Object {
	known := map[client.ObjectKey]client.Object{}
	for _, object := range f.before {
		known[client.ObjectKeyFromObject(object)] = object
	}
	return known
}

// take tells of everything in a list, and of what is not in it any more.
func (f *follower) take(ctx context.Context, list client.ObjectList, known map[client.ObjectKey]client.Object) error {
	there := map[client.ObjectKey]bool{}
	objects, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	for _, each := range objects {
		object, is := each.(client.Object)
		if !is {
			continue
		}
		key := client.ObjectKeyFromObject(object)
		there[key], known[key] = true, object
		if err := f.look(ctx, object, false); err != nil {
			return err
		}
	}
	for key, object := range known {
		if there[key] {
			continue
		}
		delete(known, key)
		if err := f.look(ctx, object, true); err != nil {
			return err
		}
	}
	return nil
}

// watch tells of what changes after a list, until the watch ends.
func (c *Client) watch(ctx context.Context, by follower, list client.ObjectList, known map[client.ObjectKey]client.Object) (bool, error) {
	since := client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
	watching, err := c.api.Watch(ctx, by.list(), append([]client.ListOption{&since}, by.options...)...)
	if err != nil {
		return false, ctx.Err() // The list is read again, and says it again if it lasts.
	}
	defer watching.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, open := <-watching.ResultChan():
			object, is := event.Object.(client.Object)
			if !open || event.Type == watch.Error || !is {
				return false, nil
			}
			if err := by.event(ctx, event.Type, object, known); err != nil || by.over() {
				return true, err
			}
		}
	}
}

// event tells of one change.
func (f *follower) event(ctx context.Context, kind watch.EventType, object client.Object, known map[client.ObjectKey]client.Object) error {
	known[client.ObjectKeyFromObject(object)] = object
	if kind == watch.Deleted {
		delete(known, client.ObjectKeyFromObject(object))
	}
	return f.look(ctx, object, kind == watch.Deleted)
}
