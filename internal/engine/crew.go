package engine

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// crew is a fixed number of goroutines that carry out tasks. A goroutine for each task would do the same and grow its
// stack anew each time, which costs about as much as sending a small object.
type crew struct {
	workers *errgroup.Group
	tasks   chan func(ctx context.Context) error
}

// newCrew starts the goroutines. The context that is returned ends with the first error of a task.
func newCrew(ctx context.Context, size int) (*crew, context.Context) {
	workers, ctx := errgroup.WithContext(ctx)
	made := &crew{workers: workers, tasks: make(chan func(ctx context.Context) error)}
	for range size {
		workers.Go(func() error {
			for task := range made.tasks {
				if err := task(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return made, ctx
}

// do hands a task to the next free goroutine. The context is the crew's own: once it has ended, the task is not done and
// the reason is returned.
func (c *crew) do(ctx context.Context, task func(ctx context.Context) error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case c.tasks <- task:
		return nil
	}
}

// end waits for the tasks that were handed over, and returns the first error of one. It must be called, once.
func (c *crew) end() error {
	close(c.tasks)
	return c.workers.Wait()
}
