package reconcile_test

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// failing fails some times before it reads.
type failing struct {
	client.Reader

	err   error
	times int
	asked int
}

// Get implements client.Reader.
func (f *failing) Get(ctx context.Context, key types.NamespacedName, object client.Object, options ...client.GetOption) error {
	f.asked++
	if f.asked <= f.times {
		return f.err
	}
	return f.Reader.Get(ctx, key, object, options...)
}

func TestPatient(t *testing.T) {
	t.Parallel()
	busy := apierrors.NewTooManyRequests("later", 0)
	for name, test := range map[string]struct {
		err   error
		times int
		asked int
		fails bool
	}{
		"Well":    {nil, 0, 1, false},
		"Busy":    {busy, 2, 3, false},
		"Reset":   {errors.New("connection reset"), 1, 2, false},
		"ForLong": {busy, 99, 6, true},
		"Gone":    {apierrors.NewNotFound(schema.GroupResource{}, "nightly"), 99, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behind := &failing{Reader: newWorld(t).client, err: test.err, times: test.times}
			reader := &reconcile.Patient{Reader: behind, Clock: clock.RealClock{}}
			err := reader.Get(t.Context(), request().NamespacedName, &kahuv1.Backup{})
			if (err != nil) != test.fails || behind.asked != test.asked {
				t.Errorf("asked %d times: %v", behind.asked, err)
			}
		})
	}
}
