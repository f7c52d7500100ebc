package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/credentials"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/provider"
)

// Run serves the driver until the context ends; then it lets calls under way end for a time, and returns nil. It does
// not wait for the driver to be there, and does not end when it dies. It returns an error when the options are
// wrong or an address cannot be listened at.
func Run(ctx context.Context, options Options) (err error) {
	options, err = options.completed()
	if err != nil {
		return fmt.Errorf("reading the options: %w", err)
	}
	beside, err := open(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, beside.link.connection.Close()) }()

	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", options.Listen)
	if err != nil {
		return fmt.Errorf("listening for clients: %w", err)
	}
	address, err := options.advertised(listener.Addr())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	options.Logger.Info("serving", "address", address, "driver", options.Driver)
	server := provider.NewServer(provider.Options{
		Driver:      &front{driver: beside.link.client, locations: beside.locations()},
		Credentials: credentials.NewTLS(options.TLS),
		StopTimeout: options.StopTime,
	})
	return beside.run(ctx, address, func(ctx context.Context) error { return server.ServeListener(ctx, listener) })
}

// beside is what every sidecar has: a cluster on one side, a driver on the other, and what is known of it.
type beside struct {
	options Options
	cluster client.Client
	link    *link
	state   *state
}

// open connects a sidecar with both sides. The caller closes the link.
func open(options Options) (*beside, error) {
	cluster, err := newClient(options)
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	link, err := dial(options.Driver)
	if err != nil {
		return nil, fmt.Errorf("reaching the driver: %w", err)
	}
	return &beside{options: options, cluster: cluster, link: link, state: &state{}}, nil
}

func (b *beside) locations() *locations {
	return &locations{cluster: b.cluster, namespace: b.options.Namespace, state: b.state}
}

// run keeps the driver registered, at an address if it has one, while it serves.
func (b *beside) run(ctx context.Context, address string, serve func(context.Context) error) error {
	keeper := &keeper{
		options: b.options,
		link:    b.link,
		state:   b.state,
		registrar: &registrar{
			cluster: b.cluster, options: b.options, address: address,
			claim: &claim{holder: b.options.Holder, place: b.options.Place, clock: b.options.Clock},
		},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx) })
	group.Go(func() error { return keeper.run(ctx) })
	group.Go(func() error { return serveHealth(ctx, b.options, b.state) })
	return group.Wait()
}

// newClient returns a client that asks the API server every time: nothing of a Secret is kept.
func newClient(options Options) (client.Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, coordinationv1.AddToScheme, eventsv1.AddToScheme, kahuv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return client.New(options.Config, client.Options{Scheme: scheme})
}
