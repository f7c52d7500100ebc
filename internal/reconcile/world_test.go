package reconcile_test

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

const generation = 7

// world is an API server with one Backup, which counts the writes of its status.
type world struct {
	t      *testing.T
	client client.WithWatch
	// writes counts the writes of a status; refuse, if set, is asked before each.
	writes int
	refuse func() error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{
		Name: "nightly", UID: types.UID("uid-of-nightly"), Generation: generation, Finalizers: []string{"test.example/hold"},
	}}
	w.client = fakeapi.New(t).WithObjects(backup).WithStatusSubresource(backup).Build()
	return w
}

// counted is the world's client, which tells the world of each write of a status.
type counted struct {
	client.Client

	world *world
}

// Status returns a writer that counts.
func (c counted) Status() client.SubResourceWriter { return countedWriter{c.Client.Status(), c.world} }

type countedWriter struct {
	client.SubResourceWriter

	world *world
}

// Patch counts, and asks whether it may write.
func (w countedWriter) Patch(
	ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption,
) error {
	w.world.writes++
	if w.world.refuse != nil {
		if err := w.world.refuse(); err != nil {
			return err
		}
	}
	return w.SubResourceWriter.Patch(ctx, object, patch, options...)
}

type step = reconcile.Step[*kahuv1.Backup]

func (w *world) loop(steps ...step) *reconcile.Loop[*kahuv1.Backup, *kahuv1.Backup] {
	return &reconcile.Loop[*kahuv1.Backup, *kahuv1.Backup]{
		Client:     counted{w.client, w},
		New:        func() *kahuv1.Backup { return &kahuv1.Backup{} },
		Conditions: func(backup *kahuv1.Backup) *[]metav1.Condition { return &backup.Status.Conditions },
		Scope:      func(backup *kahuv1.Backup) *kahuv1.Backup { return backup },
		Steps:      steps,
	}
}

// request names the world's Backup.
func request() ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Name: "nightly"}}
}

// read returns the Backup as the API server has it.
func (w *world) read() *kahuv1.Backup {
	w.t.Helper()
	backup := &kahuv1.Backup{}
	if err := w.client.Get(w.t.Context(), request().NamespacedName, backup); err != nil {
		w.t.Fatal(err)
	}
	return backup
}

// returns makes a step that ends with the outcome.
func returns(outcome error) step {
	return step{Name: "returning", Do: func(context.Context, *kahuv1.Backup) error { return outcome }}
}
