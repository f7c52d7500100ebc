package orders

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

type healthy struct{}

func (healthy) Look() (string, Condition) { return "csi", Condition{} }

// TestPlacesOfOrdersThatWaitForPods: orders whose claims wait for their first pod take no place from those without which
// the pods never come.
func TestPlacesOfOrdersThatWaitForPods(t *testing.T) {
	order := func(name string) *kahuv1.VolumeRestoreContent {
		return &kahuv1.VolumeRestoreContent{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Finalizers: []string{kahuv1.VolumeFinalizer}},
			Spec:       kahuv1.VolumeRestoreContentSpec{ProviderName: "csi", Claim: kahuv1.VolumeClaim{Namespace: "shop", Name: name}},
		}
	}
	var objects []client.Object
	for number := range DefaultParallel { // Their claims exist, of a class that waits for the first consumer.
		waiting := order("waiting-" + string(rune('a'+number)))
		waiting.Status.Phase, waiting.Status.StartTimestamp = kahuv1.VolumePhaseInProgress, metav1.NewMicroTime(clock.RealClock{}.Now().Add(-time.Hour))
		waiting.Status.Volume = &kahuv1.VolumeIdentity{Handle: "shop/x/y"}
		waiting.Status.DataSource = &kahuv1.VolumeDataSource{APIGroup: "snapshot.storage.k8s.io", Kind: "VolumeSnapshot", Name: "y"}
		objects = append(objects, waiting)
	}
	objects = append(objects, order("next"))
	api := fakeapi.New(t, corev1.AddToScheme).WithObjects(objects...).WithStatusSubresource(&kahuv1.VolumeRestoreContent{}).Build()
	shared := &desk{
		options: Options{Health: healthy{}, Limits: Limits{}.completed(), Clock: clock.RealClock{}, Logger: logr.Discard()},
		cluster: api, direct: api, tracks: tracks{all: map[key]*track{}},
		places: places{limit: DefaultParallel, taken: map[key]bool{}, waiting: map[key]func(){}},
	}
	worker := &worker{desk: shared, kind: restores(shared), wake: make(chan event.GenericEvent, 1)}
	next := &kahuv1.VolumeRestoreContent{}
	for range 10 {
		if _, err := worker.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "next"}}); err != nil {
			t.Fatal(err)
		}
		if err := api.Get(t.Context(), client.ObjectKey{Name: "next"}, next); err != nil {
			t.Fatal(err)
		}
		if !next.Status.StartTimestamp.IsZero() {
			return
		}
	}
	t.Errorf("%d claims wait for pods, the next order waits for a place, and the pods are created after its claim: for ever", DefaultParallel)
}
