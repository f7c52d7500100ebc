package conformance

import (
	"context"
	"reflect"

	"github.com/soda-cdm/kahu/provider"
)

func checkRestored(ctx context.Context, s *session) {
	backup := s.start(ctx, "a")
	s.finish(ctx, backup)
	made, err := s.volumes.CreateVolumeFromBackup(ctx, s.create(backup))
	if err != nil {
		s.Fatalf("making a volume: %v", err)
	}
	again, err := s.volumes.CreateVolumeFromBackup(ctx, s.create(backup))
	if err != nil || again.Volume.Handle != made.Volume.Handle || !reflect.DeepEqual(again.DataSource, made.DataSource) {
		s.Errorf("the order that was given again has %v and the error %v, want %v", again, err, made)
	}
	ask := func() (provider.VolumeStat, error) { return s.volumes.RestoreStat(ctx, made.Volume, s.attributes) }
	if made.DataSource == nil {
		if last := s.follow(ctx, ask); last.State != provider.VolumeSucceeded {
			s.Errorf("the restore is %s: %v", last.State, last.Err)
		}
		return
	}
	// The rest is for the cluster to do. What was made is removed again.
	if _, err := ask(); err != nil {
		s.Errorf("asking how far the restore is: %v", err)
	}
	if err := s.volumes.CancelRestore(ctx, made.Volume, s.attributes); err != nil {
		s.Errorf("cancelling: %v", err)
	}
}

func checkRestoredFromNothing(ctx context.Context, s *session) {
	_, err := s.volumes.CreateVolumeFromBackup(ctx, s.create(provider.BackupIdentity{Handle: s.prefix + "-unknown"}))
	s.expectClass("making a volume", err, provider.ErrNotFound)
}

func checkRestoreCancelled(ctx context.Context, s *session) {
	backup := s.start(ctx, "a")
	s.finish(ctx, backup)
	made, err := s.volumes.CreateVolumeFromBackup(ctx, s.create(backup))
	if err != nil {
		s.Fatalf("making a volume: %v", err)
	}
	if err := s.volumes.CancelRestore(ctx, made.Volume, s.attributes); err != nil {
		s.Fatalf("cancelling: %v", err)
	}
	ended := s.until(ctx, func() (provider.VolumeStat, error) { return s.volumes.RestoreStat(ctx, made.Volume, s.attributes) })
	if ended == provider.VolumeFailed {
		s.Errorf("the restore is %s", ended)
	}
}
