package conformance

import (
	"context"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/soda-cdm/kahu/provider"
)

// encoded returns a Kubernetes object that has nothing but a namespace and a name, in its own encoding.
func encoded(namespace, name string) []byte {
	const metadataField, nameField, namespaceField protowire.Number = 1, 1, 3
	metadata := protowire.AppendString(protowire.AppendTag(nil, nameField, protowire.BytesType), name)
	if namespace != "" {
		metadata = protowire.AppendString(protowire.AppendTag(metadata, namespaceField, protowire.BytesType), namespace)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, metadataField, protowire.BytesType), metadata)
}

// request is for the backup of the volume under an order of this check.
func (s *session) request(order string) provider.StartBackupRequest {
	request := s.target.Volumes.Request
	if request.Volume.Name == "" {
		request.Volume = provider.Volume{Name: "kahu-conformance", Encoded: encoded("", "kahu-conformance")}
	}
	request.Order, request.Attributes = s.prefix+"-"+order, s.attributes
	return request
}

// create is for a volume that is made from a backup under an order of this check.
func (s *session) create(backup provider.BackupIdentity) provider.CreateVolumeRequest {
	claim := s.target.Volumes.Claim
	if claim.Name == "" {
		claim = provider.Claim{Namespace: "default", Name: "kahu-conformance", Encoded: encoded("default", "kahu-conformance")}
	}
	return provider.CreateVolumeRequest{Order: s.prefix + "-restore", Claim: claim, Backup: backup, Attributes: s.attributes}
}

// start begins a backup, or ends the check, and has it removed at the end.
func (s *session) start(ctx context.Context, order string) provider.BackupIdentity {
	s.Helper()
	backup, err := s.volumes.StartBackup(ctx, s.request(order))
	if err != nil {
		s.Fatalf("beginning a backup: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, closing(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
		defer cancel()
		return s.volumes.DeleteBackup(ctx, s.prefix+"-"+order, backup, s.attributes)
	}))
	return backup
}

// closing is a function as an io.Closer.
type closing func() error

// Close calls the function.
func (c closing) Close() error { return c() }

// follow asks how the work is until it has ended.
func (s *session) follow(ctx context.Context, ask func() (provider.VolumeStat, error)) (last provider.VolumeStat) {
	s.Helper()
	for ctx.Err() == nil {
		stat, err := ask()
		if err != nil {
			s.Fatalf("asking how far the work is: %v", err)
		}
		if stat.State != provider.VolumeRunning {
			return stat
		}
		last = stat
		pause(ctx)
	}
	s.Fatalf("the work has not ended in time: %s, %d percent", last.State, last.Percent)
	return last
}

// pause waits until the next look.
func pause(ctx context.Context) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// sensible reports what cannot be of a stat and the one before.
func (s *session) sensible(before, now provider.VolumeStat) {
	s.Helper()
	if now.Percent < 0 || now.Percent > 100 || now.Percent < before.Percent {
		s.Errorf("%d percent are done after %d percent", now.Percent, before.Percent)
	}
	if done := now.BytesDone; done != nil {
		if *done < 0 || before.BytesDone != nil && *done < *before.BytesDone {
			s.Errorf("%d bytes are done, fewer than before", *done)
		}
		if now.BytesTotal != nil && *done > *now.BytesTotal {
			s.Errorf("%d of %d bytes are done", *done, *now.BytesTotal)
		}
	}
}

// finish follows a backup to its good end.
func (s *session) finish(ctx context.Context, backup provider.BackupIdentity) {
	s.Helper()
	last := s.follow(ctx, func() (provider.VolumeStat, error) { return s.volumes.BackupStat(ctx, backup, s.attributes) })
	if last.State != provider.VolumeSucceeded {
		s.Fatalf("the backup is %s: %v", last.State, last.Err)
	}
}

// stands reports a backup that is not in a state.
func (s *session) stands(ctx context.Context, backup provider.BackupIdentity, want provider.VolumeState) {
	s.Helper()
	stat, err := s.volumes.BackupStat(ctx, backup, s.attributes)
	if err != nil || stat.State != want {
		s.Errorf("the backup is %q with the error %v, want %s", stat.State, err, want)
	}
}
