package reconcile_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

type tasks = reconcile.Tasks[int, string]

func numbered(number int) client.Object {
	name := strconv.Itoa(number)
	return &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)}}
}

const uid = types.UID("uid-1")

// start runs the tasks as a manager does; stop ends the manager and returns when Start has returned.
func start(t *testing.T, of *tasks) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- of.Start(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("start: %v", err)
		}
	}
}

// until returns work that ends with the result when the channel gives one, or with its context.
func until(results <-chan string) reconcile.Work[int, string] {
	return func(ctx context.Context, _ func(int)) (string, error) {
		select {
		case result := <-results:
			return result, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// heard returns the names of the events that wait.
func heard(of *tasks) []string {
	var names []string
	for {
		select {
		case event := <-of.Events():
			names = append(names, event.Object.GetName())
		default:
			return names
		}
	}
}

func TestTaskFromBeginToForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := reconcile.NewTasks[int, string](1)
		defer start(t, all)()
		results := make(chan string)
		shown := make(chan int)
		if _, there := all.Look(uid); there {
			t.Error("there is a task before it began")
		}
		begun := all.Begin(numbered(1), func(_ context.Context, show func(int)) (string, error) {
			for progress := range shown {
				show(progress)
			}
			return <-results, errBroken
		})
		if !begun {
			t.Fatal("the task did not begin")
		}
		shown <- 5
		shown <- 6
		synctest.Wait()
		if got, there := all.Look(uid); !there || got.Progress != 6 || got.Ended {
			t.Errorf("got %+v", got)
		}
		if names := heard(all); len(names) != 2 || names[0] != "1" {
			t.Errorf("events of %v", names)
		}
		all.Forget(uid) // It runs, so it stays.
		close(shown)
		results <- "whole"
		synctest.Wait()
		if got, there := all.Look(uid); !there || !got.Ended || got.Result != "whole" || !errors.Is(got.Err, errBroken) || got.Progress != 6 {
			t.Errorf("got %+v", got)
		}
		if names := heard(all); len(names) != 1 {
			t.Errorf("events of %v", names)
		}
		all.Forget(uid)
		if _, there := all.Look(uid); there {
			t.Error("the task is not forgotten")
		}
	})
}

func TestTasksHaveALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := reconcile.NewTasks[int, string](2)
		results := make(chan string)
		if all.Begin(numbered(1), until(results)) {
			t.Error("a task began without a manager")
		}
		stop := start(t, all)
		for number, want := range map[int]bool{1: true, 2: true} {
			if got := all.Begin(numbered(number), until(results)); got != want {
				t.Errorf("task %d: %t", number, got)
			}
		}
		if all.Begin(numbered(3), until(results)) {
			t.Error("a third task began")
		}
		if !all.Begin(numbered(2), func(context.Context, func(int)) (string, error) { panic("twice") }) {
			t.Error("a task that runs was not found again")
		}
		results <- "one"
		synctest.Wait()
		if !all.Begin(numbered(3), until(results)) {
			t.Error("no task began in the place that is free, though its result is not forgotten")
		}
		stop()
		if all.Begin(numbered(4), until(results)) {
			t.Error("a task began after the manager's end")
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The order in which a task sees its end is random: many rounds see each.
		for range 100 {
			all := reconcile.NewTasks[int, string](1)
			stop := start(t, all)
			if !all.Cancel(uid) {
				t.Error("a task that is not there has not ended")
			}
			all.Begin(numbered(1), until(nil))
			if all.Cancel(uid) {
				t.Error("a task that runs has ended")
			}
			synctest.Wait()
			if !all.Cancel(uid) {
				t.Error("the task has not ended")
			}
			if got, _ := all.Look(uid); !errors.Is(got.Err, context.Canceled) {
				t.Errorf("got %+v", got)
			}
			if names := heard(all); len(names) != 1 {
				t.Fatalf("the end of a task that was cancelled gave %d events", len(names))
			}
			stop()
		}
	})
}

func TestReleaseEndsTheTasksOfObjectsThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := reconcile.NewTasks[int, string](2)
		defer start(t, of)()
		if !of.Begin(numbered(1), until(nil)) {
			t.Fatal("the task was not begun")
		}
		of.Release("1", uid)
		if snapshot, there := of.Look(uid); !there || snapshot.Ended {
			t.Fatal("the task of the living object was ended")
		}
		of.Release("1", "")
		synctest.Wait()
		if snapshot, there := of.Look(uid); !there || !snapshot.Ended {
			t.Fatal("the task of an object that is gone goes on")
		}
		of.Release("1", "")
		if _, there := of.Look(uid); there {
			t.Error("the task of an object that is gone is not forgotten")
		}
	})
}

func TestManagersEndEndsTheTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := reconcile.NewTasks[int, string](2)
		stop := start(t, all)
		release := make(chan struct{})
		ended := false
		all.Begin(numbered(1), func(ctx context.Context, _ func(int)) (string, error) {
			<-ctx.Done()
			<-release
			ended = true
			return "", ctx.Err()
		})
		go func() {
			synctest.Wait()
			close(release)
		}()
		stop()
		if !ended {
			t.Error("the manager's end did not wait for the task")
		}
	})
}

// TestManyEvents: nobody hears, the queue is full, and neither progress nor the manager's end waits.
func TestManyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := reconcile.NewTasks[int, string](1)
		stop := start(t, all)
		const many = 5000
		all.Begin(numbered(1), func(_ context.Context, show func(int)) (string, error) {
			for progress := range many {
				show(progress)
			}
			return "whole", nil
		})
		synctest.Wait()
		if got, _ := all.Look(uid); !got.Ended || got.Progress != many-1 {
			t.Errorf("got %+v", got)
		}
		stop()
	})
}
