package leftovers

import (
	"context"
	"errors"
	"fmt"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/leftover"
	"github.com/soda-cdm/kahu/internal/engine"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
)

// locations returns the locations that may hold manifests: all but those of volume providers.
func (s *Sweeper) locations(ctx context.Context) ([]kahuv1.BackupLocation, error) {
	providers, found := &kahuv1.ProviderList{}, &kahuv1.BackupLocationList{}
	if err := s.Client.List(ctx, providers); err != nil {
		return nil, fmt.Errorf("listing providers: %w", err)
	}
	if err := s.Direct.List(ctx, found); err != nil {
		return nil, fmt.Errorf("listing locations: %w", err)
	}
	ofVolumes := map[string]bool{}
	for i := range providers.Items {
		ofVolumes[providers.Items[i].Name] = providers.Items[i].Spec.Type == kahuv1.ProviderTypeVolume
	}
	var left []kahuv1.BackupLocation
	for i := range found.Items {
		if !ofVolumes[found.Items[i].Spec.ProviderName] {
			left = append(left, found.Items[i])
		}
	}
	return left, nil
}

// ask asks a location whether it has a manifest of the backup.
func (s *Sweeper) ask(ctx context.Context, location *kahuv1.BackupLocation, trace *leftover.Trace) leftover.Answer {
	answer := leftover.Answer{Location: location.Name, LocationID: location.Status.LocationID}
	var err error
	if answer.Finding, err = s.look(ctx, location, trace); err != nil {
		answer.Finding, answer.Why = leftover.Unknown, err.Error()
	}
	return answer
}

// look looks for the manifest. That there is none counts only at a place that has the marker of the location, and, of the location
// where it would be, on the word of this process that its cluster's part there is its own.
func (s *Sweeper) look(ctx context.Context, location *kahuv1.BackupLocation, trace *leftover.Trace) (leftover.Finding, error) {
	if trace.Name == "" {
		return leftover.Unknown, errors.New("the name of the backup is not known")
	}
	_, files, err := s.Finder.Ready(ctx, location.Name)
	if err != nil {
		return leftover.Unknown, err
	}
	id := location.Status.LocationID
	_, err = engine.ReadManifest(ctx, files, archive.BackupID{ClusterID: s.ClusterID, Name: trace.Name, UID: trace.UID})
	if err == nil {
		return leftover.Named, nil
	}
	if !errors.Is(err, core.ErrNotFound) {
		return leftover.Unknown, err
	}
	if trace.LocationID != id {
		_, err = (&enginelocation.Location{Files: files, ReadOnly: true}).Open(ctx, id)
		return leftover.Unnamed, err
	}
	part := &place.Part{ClusterID: s.ClusterID, Self: s.ClusterID, Files: files, Clock: s.Clock}
	return leftover.Unnamed, s.Finder.Hold(s.Direct, location, part).Check(ctx)
}
