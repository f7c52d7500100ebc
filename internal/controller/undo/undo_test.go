package undo_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/undo"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	engineundo "github.com/soda-cdm/kahu/internal/engine/undo"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

// runner is an undo that a test makes up.
type runner func(ctx context.Context, request engineundo.Request) (engineundo.Result, error)

func (r runner) Run(ctx context.Context, request engineundo.Request) (engineundo.Result, error) {
	return r(ctx, request)
}

var key = types.NamespacedName{Name: "shop-copy"}

// answers asks for undos of a Restore that is over, with these annotations one after the other, and returns how it stands when
// nothing changes any more.
func answers(t *testing.T, work runner, asked ...map[string]string) *kahuv1.Restore {
	t.Helper()
	return answersOf(t, work, nil, asked...)
}

// answersOf is answers for a Restore that may have given orders for volumes.
func answersOf(t *testing.T, work runner, orders undo.Orders, asked ...map[string]string) *kahuv1.Restore {
	t.Helper()
	now := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: key.Name, UID: "an-uid"}}
	now.Status.Stage = kahuv1.StageFinished
	to := fakeapi.New(t).WithObjects(now).WithStatusSubresource(now).Build()
	c := &undo.Controller{
		Client: to, Direct: to, Runner: work, Orders: orders, Clock: clock.RealClock{}, Tasks: reconcile.NewTasks[engine.Progress, engineundo.Result](1),
	}
	ctx, end := context.WithCancel(t.Context())
	go func() { _ = c.Tasks.Start(ctx) }()
	defer synctest.Wait()
	defer end()
	synctest.Wait()
	loop := c.Loop()
	read := func() {
		t.Helper()
		now = &kahuv1.Restore{}
		if err := to.Get(ctx, key, now); err != nil {
			t.Fatal(err)
		}
	}
	for _, annotations := range asked {
		read()
		now.Annotations = annotations
		if err := to.Update(ctx, now); err != nil {
			t.Fatal(err)
		}
		for range 10 { // More than it takes.
			if _, err := loop.Reconcile(ctx, ctrl.Request{NamespacedName: key}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
	}
	read()
	return now
}

// orders count how often those of a restore are looked through.
type orders struct{ asked int }

func (o *orders) CancelUnclaimed(_ context.Context, run volumework.Run) error {
	if run == (volumework.Run{Name: key.Name, UID: "an-uid"}) {
		o.asked++
	}
	return nil
}

// TestOrdersWithoutClaimsEnd: what is kept ready for claims that an undo has deleted goes with them, and with nothing else.
func TestOrdersWithoutClaimsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		asked map[string]string
		err   error
		want  int
	}{
		"an undo":            {asked: map[string]string{kahuv1.AnnotationUndo: "one"}, want: 1},
		"a dry run":          {asked: map[string]string{kahuv1.AnnotationUndo: "one", kahuv1.AnnotationUndoDryRun: "true"}},
		"one that has ended": {asked: map[string]string{kahuv1.AnnotationUndo: "one"}, err: errors.New("the cluster is away")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				given := &orders{}
				answersOf(t, func(context.Context, engineundo.Request) (engineundo.Result, error) {
					return engineundo.Result{Deleted: 1}, test.err
				}, given, test.asked)
				if given.asked != test.want {
					t.Errorf("asked %d times", given.asked)
				}
			})
		})
	}
}

// TestReplacedUndoIsAnswered: what an undo deleted that a dry run replaced while it went on is kept.
func TestReplacedUndoIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := func(ctx context.Context, request engineundo.Request) (engineundo.Result, error) {
			if request.DryRun {
				return engineundo.Result{Deleted: 1}, nil
			}
			<-ctx.Done() // Nine objects are left when it is told to end.
			return engineundo.Result{Deleted: 5, Kept: 2, DeletedRows: make([]engine.Row, 5), KeptRows: make([]engine.Row, 2)}, ctx.Err()
		}
		now := answers(t, work,
			map[string]string{kahuv1.AnnotationUndo: "one"},
			map[string]string{kahuv1.AnnotationUndo: "two", kahuv1.AnnotationUndoDryRun: "true"})
		answer := now.Status.Undo
		if answer == nil || answer.Token != "two" || answer.Time == nil || answer.Deleted != 1 {
			t.Fatalf("the dry run: %+v", answer)
		}
		earlier := answer.Earlier
		if earlier == nil || earlier.Token != "one" || earlier.Time == nil || earlier.Deleted != 5 || earlier.Kept != 2 {
			t.Errorf("the undo before: %+v", earlier)
		}
	})
}

// TestUnclearIsAlwaysTold: what was made while the restore ran and is nobody's is counted in the message, whatever came of
// the undo.
func TestUnclearIsAlwaysTold(t *testing.T) {
	dryRun := map[string]string{kahuv1.AnnotationUndo: "one", kahuv1.AnnotationUndoDryRun: "true"}
	wish := map[string]string{kahuv1.AnnotationUndo: "one"}
	for name, test := range map[string]struct {
		asked  map[string]string
		result engineundo.Result
		err    error
		reason string
	}{
		"undone":     {wish, engineundo.Result{Deleted: 3}, nil, kahuv1.ReasonUndone},
		"kept":       {wish, engineundo.Result{Deleted: 3, Kept: 1}, nil, kahuv1.ReasonPartiallyUndone},
		"looked at":  {dryRun, engineundo.Result{Deleted: 3}, nil, kahuv1.ReasonUndoPreviewed},
		"failed":     {wish, engineundo.Result{Deleted: 3}, errors.New("it is away"), kahuv1.ReasonUndoFailed},
		"not wanted": {nil, engineundo.Result{}, nil, kahuv1.ReasonPartiallyUndone},
	} {
		t.Run(name, func(t *testing.T) {
			for unclear, want := range map[int64]string{0: "", 7: ": 7 objects."} {
				synctest.Test(t, func(t *testing.T) {
					test.result.Unclear = unclear
					asked := []map[string]string{test.asked}
					if test.asked == nil {
						asked = []map[string]string{wish, nil}
					}
					now := answers(t, func(ctx context.Context, _ engineundo.Request) (engineundo.Result, error) {
						if test.asked == nil {
							<-ctx.Done()
						}
						return test.result, test.err
					}, asked...)
					said := meta.FindStatusCondition(now.Status.Conditions, kahuv1.ConditionUndone)
					if said == nil || said.Reason != test.reason {
						t.Fatalf("got %+v", said)
					}
					if told := strings.Contains(said.Message, "nobody can say"); told != (unclear > 0) || !strings.HasSuffix(said.Message, want) {
						t.Errorf("%d unclear: %s", unclear, said.Message)
					}
				})
			}
		})
	}
}
