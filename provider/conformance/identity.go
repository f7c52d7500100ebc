package conformance

import (
	"context"

	"github.com/soda-cdm/kahu/provider"
)

func identityChecks() []Check {
	return []Check{
		{
			Name:    "identity/info",
			Promise: "The driver has a name and a version, the same each time.",
			run:     checkInfo, identity: true,
		},
		{
			Name:    "identity/capabilities",
			Promise: "The driver names MetaBackupService or VolumeBackupService, and each capability once.",
			run:     checkCapabilities, identity: true,
		},
		{
			Name:    "identity/probe",
			Promise: "The driver is ready.",
			run:     checkProbe, identity: true,
		},
	}
}

func checkInfo(ctx context.Context, s *session) {
	first, err := s.driver.Info(ctx)
	if err != nil {
		s.Fatalf("asking for the info: %v", err)
	}
	if first.Name == "" {
		s.Errorf("the driver has no name")
	}
	if first.Version == "" {
		s.Errorf("the driver has no version")
	}
	second, err := s.driver.Info(ctx)
	if err != nil {
		s.Fatalf("asking for the info once more: %v", err)
	}
	if first.Name != second.Name || first.Version != second.Version {
		s.Errorf("the driver was %s %s, and is now %s %s", first.Name, first.Version, second.Name, second.Version)
	}
}

func checkCapabilities(_ context.Context, s *session) {
	seen := map[provider.Capability]bool{}
	for _, capability := range s.capabilities {
		if seen[capability] {
			s.Errorf("capability %s is named more than once", capability)
		}
		seen[capability] = true
	}
	if !seen[provider.CapabilityMetaBackup] && !seen[provider.CapabilityVolumeBackup] {
		s.Errorf("the driver names neither %s nor %s", provider.CapabilityMetaBackup, provider.CapabilityVolumeBackup)
	}
}

func checkProbe(ctx context.Context, s *session) {
	ready, err := s.driver.Probe(ctx)
	if err != nil {
		s.Fatalf("probing: %v", err)
	}
	if !ready {
		s.Errorf("the driver says that it is not ready")
	}
}
