package engine

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Crew is a fixed number of goroutines that carry out tasks. A goroutine for each task would do the same and grow its
// stack anew each time, which costs about as much as sending a small object.
type Crew struct {
	workers *errgroup.Group
	tasks   chan func(ctx context.Context) error
}

// NewCrew starts the goroutines. The context that is returned ends with the first error of a task.
func NewCrew(ctx context.Context, size int) (*Crew, context.Context) {
	workers, ctx := errgroup.WithContext(ctx)
	made := &Crew{workers: workers, tasks: make(chan func(ctx context.Context) error)}
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

// Do hands a task to the next free goroutine. The context is the crew's own: once it has ended, the task is not done and
// the reason is returned.
func (c *Crew) Do(ctx context.Context, task func(ctx context.Context) error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case c.tasks <- task:
		return nil
	}
}

// End waits for the tasks that were handed over, and returns the first error of one. It must be called, once.
func (c *Crew) End() error {
	close(c.tasks)
	return c.workers.Wait()
}
