package orders

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/source"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// waking is how many orders can wait at once to be told that there is a place; those beyond look by themselves.
const waking = 1024

// Run carries out orders until the context ends.
func Run(ctx context.Context, options Options) error {
	options.Limits = options.Limits.completed()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	manager, err := ctrl.NewManager(options.Config, ctrl.Options{
		Scheme:  scheme,
		Logger:  options.Logger,
		Metrics: metricsserver.Options{BindAddress: "0"},
		// Several sidecars may run in one process; names are for metrics.
		Controller: config.Controller{SkipNameValidation: new(true), MaxConcurrentReconciles: 2 * options.Limits.Parallel},
		Cache: cache.Options{
			ReaderFailOnMissingInformer: true,
			ByObject: map[client.Object]cache.ByObject{
				&kahuv1.VolumeBackupContent{}: {}, &kahuv1.VolumeRestoreContent{}: {},
			},
		},
	})
	if err != nil {
		return fmt.Errorf("preparing to carry out orders: %w", err)
	}
	if err := awaitKinds(ctx, options, manager.GetAPIReader()); err != nil {
		return nil //nolint:nilerr // The context has ended.
	}
	shared := &desk{
		options: options,
		cluster: manager.GetClient(),
		direct:  manager.GetAPIReader(),
		tracks:  tracks{all: map[key]*track{}},
	}
	shared.places = places{limit: options.Limits.Parallel, taken: map[key]bool{}, waiting: map[key]func(){}}
	for _, kind := range []kind{backups(shared), restores(shared)} {
		if err := setUp(manager, shared, kind); err != nil {
			return fmt.Errorf("preparing to carry out orders: %w", err)
		}
	}
	return manager.Start(ctx)
}

// setUp registers the orders of a kind with the manager.
func setUp(manager ctrl.Manager, shared *desk, of kind) error {
	wake := make(chan event.GenericEvent, waking)
	worker := &worker{desk: shared, kind: of, wake: wake}
	return ctrl.NewControllerManagedBy(manager).
		Named(of.name).
		WithOptions(controller.Options{}).
		For(of.object()).
		WatchesRawSource(source.Channel(wake, &handler.EnqueueRequestForObject{})).
		Complete(worker)
}
