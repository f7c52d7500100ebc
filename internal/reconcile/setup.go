package reconcile

import (
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// SetUp begins the registration of a controller of such objects, whose tasks these are, with the manager: they live as long as
// it does, and their events wake the objects' loop. So many objects are reconciled at once.
func (t *Tasks[P, R]) SetUp(manager ctrl.Manager, name string, of client.Object, workers int) (*ctrl.Builder, error) {
	if err := manager.Add(t); err != nil {
		return nil, err
	}
	return ctrl.NewControllerManagedBy(manager).Named(name).
		For(of).
		WatchesRawSource(source.Channel(t.Events(), &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}), nil
}
