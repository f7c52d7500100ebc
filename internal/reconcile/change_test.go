package reconcile_test

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

var errNotWanted = errors.New("not wanted")

// TestChangeStatus: what is written is written over what was read, or not at all.
func TestChangeStatus(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		others int // how often somebody else is quicker
		absent bool
		wanted bool
		refuse error

		changed bool
		asked   int
		is      func(err error) bool
	}{
		"at once":              {wanted: true, changed: true, asked: 1},
		"others are quicker":   {others: 3, wanted: true, changed: true, asked: 4},
		"others are for ever":  {others: 1000, wanted: true, asked: 20, is: apierrors.IsConflict},
		"nothing to do":        {asked: 1},
		"it must not be":       {refuse: errNotWanted, asked: 1, is: func(err error) bool { return errors.Is(err, errNotWanted) }},
		"there is no such one": {absent: true, is: apierrors.IsNotFound},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scheme := runtime.NewScheme()
			if err := kahuv1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			build := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&kahuv1.Backup{})
			if !test.absent {
				build = build.WithObjects(&kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "run"}})
			}
			left := test.others
			api := build.WithInterceptorFuncs(interceptor.Funcs{
				Get: func(ctx context.Context, api client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
					err := api.Get(ctx, key, object, options...)
					if backup, is := object.(*kahuv1.Backup); is && err == nil && left > 0 {
						left--
						other := backup.DeepCopy()
						other.Status.Interruptions++
						err = api.Status().Update(ctx, other)
					}
					return err
				},
			}).Build()
			asked := 0
			empty := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "run"}}
			after, changed, err := reconcile.ChangeStatus(t.Context(), api, api, empty, func(backup *kahuv1.Backup) (bool, error) {
				asked++
				backup.Status.FailureReason = "so it is"
				return test.wanted, test.refuse
			})
			if changed != test.changed || asked != test.asked || (err == nil) != (test.is == nil) || err != nil && !test.is(err) {
				t.Errorf("asked %d times, changed %v: %v", asked, changed, err)
			}
			if !changed {
				return
			}
			now := &kahuv1.Backup{}
			if err := api.Get(t.Context(), client.ObjectKeyFromObject(empty), now); err != nil {
				t.Fatal(err)
			}
			if now.Status.FailureReason != "so it is" || now.Status.Interruptions != int32(test.others) || after.ResourceVersion != now.ResourceVersion {
				t.Errorf("there is %+v", now.Status)
			}
		})
	}
}
