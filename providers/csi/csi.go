// Package csi is a provider for which the snapshot is the backup: it stays in the storage system of its CSI driver, and
// volumes are made from it there.
//
// The provider keeps nothing itself. What it needs to know of a backup is the snapshot's handle and the name of the CSI
// driver; so a backup can be restored into every cluster that reaches the same storage system. A restore is two objects of
// snapshot.storage.k8s.io: a VolumeSnapshotContent with the handle, and a VolumeSnapshot in the namespace of the claim, which
// is made from it. They go when the claim is bound. Their names follow from the order, so whoever asks again, after a death
// anywhere, finds what was made.
package csi

import (
	"context"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/provider"
)

// DefaultName is the name under which Kahu knows the provider.
const DefaultName = "csi"

// DefaultPatience is how long a snapshot may take to be deleted, and how long an error of a restore may last.
const DefaultPatience = time.Minute

// Options say who a Driver is, and where its cluster.
type Options struct {
	// Name is the driver's own, DefaultName if empty.
	Name string
	// Version is for people to read.
	Version string
	// Client speaks to the API server. Required.
	Client dynamic.Interface
	// Clock is the real one if nil.
	Clock clock.PassiveClock
	// Patience is DefaultPatience if zero.
	Patience time.Duration
}

// Driver is a provider.VolumeDriver.
type Driver struct {
	name, version string
	client        dynamic.Interface
	clock         clock.PassiveClock
	patience      time.Duration
}

var _ provider.VolumeDriver = (*Driver)(nil)

// New returns a driver.
func New(options Options) *Driver {
	driver := &Driver{
		name: options.Name, version: options.Version, client: options.Client,
		clock: options.Clock, patience: options.Patience,
	}
	if driver.name == "" {
		driver.name = DefaultName
	}
	if driver.clock == nil {
		driver.clock = clock.RealClock{}
	}
	if driver.patience == 0 {
		driver.patience = DefaultPatience
	}
	return driver
}

// Info implements provider.Identity. The volumes of every CSI driver that makes snapshots are supported.
func (d *Driver) Info(context.Context) (provider.Info, error) {
	return provider.Info{Name: d.name, Version: d.version}, nil
}

// Capabilities implements provider.Identity.
func (d *Driver) Capabilities(context.Context) ([]provider.Capability, error) {
	return append(provider.CapabilitiesOf(d),
		provider.CapabilityNeedsSnapshot, provider.CapabilityKeepsSnapshot, provider.CapabilityVolumeState), nil
}

// Probe implements provider.Identity: it tells whether the cluster has snapshots.
func (d *Driver) Probe(ctx context.Context) (bool, error) {
	err := d.look(ctx)
	if isAway(err) {
		return false, nil
	}
	return err == nil, err
}
