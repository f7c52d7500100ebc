package sidecar

import (
	"errors"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/provider"
)

var (
	errNoObjects = errors.New("the driver does not store objects")
	errNoVolumes = errors.New("the driver does not back up volumes")
)

// service is what a sidecar does for its driver.
type service struct {
	name       string // Of the sidecar: the field manager of what it writes, after "kahu-".
	kind       kahuv1.ProviderType
	capability provider.Capability // Which the driver must have.
	lacking    error               // What is wrong with one that has not.
}

// metaService serves the objects of a driver to the cluster.
func metaService() service {
	return service{"meta-service", kahuv1.ProviderTypeMetadata, provider.CapabilityMetaBackup, errNoObjects}
}

// volumeService carries out the work orders for volumes.
func volumeService() service {
	return service{"volume-service", kahuv1.ProviderTypeVolume, provider.CapabilityVolumeBackup, errNoVolumes}
}

// fieldManager owns what the sidecar writes: spec, status.endpoint and status.leaseName of a Provider, and its Lease.
func (s service) fieldManager() string { return "kahu-" + s.name }
