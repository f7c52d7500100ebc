package conformance

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// Volumes are what the checks of volumes back up and restore. Its zero value is a volume that has nothing but a name, which
// is enough for a driver that only pretends.
type Volumes struct {
	// Request is a request for the backup of a volume, without the name of an order: the suite gives it one.
	Request provider.StartBackupRequest
	// Claim is a claim for which a volume is made from that backup.
	Claim provider.Claim
	// Restart restarts the process of the driver, and returns when it answers. Nil where that cannot be done.
	Restart func() error
}

func volumeChecks() []Check {
	state := []provider.Capability{provider.CapabilityVolumeState}
	checks := []Check{
		{Name: "volumes/whole", Promise: "A backup goes on to its end, and what is told of its progress makes sense.", run: checkWhole},
		{Name: "volumes/again", Promise: "An order that is given again, also after its end, begins nothing new and has the same handle.", run: checkAgain},
		{Name: "volumes/at-once", Promise: "An order that is given many times at once has one handle.", run: checkAtOnce},
		{Name: "volumes/apart", Promise: "Two orders for the same volume have two handles, and one goes without the other.", run: checkApart},
		{Name: "volumes/unknown", Promise: "Of an unknown handle nothing is known, and to cancel or to delete it is a success.", run: checkUnknown},
		{Name: "volumes/deleted", Promise: "A deleted backup is gone, and to delete it again is a success.", run: checkDeleted},
		{Name: "volumes/cancelled", Promise: "A cancelled backup is told to be, stays so, and is not begun again by its order.", Needs: state, run: checkCancelled},
		{Name: "volumes/cancelled-late", Promise: "To cancel a backup that has ended changes nothing.", run: checkCancelledLate},
		{Name: "volumes/context", Promise: "A call whose context has ended returns soon, and can be repeated.", run: checkVolumeContext},
		{Name: "volumes/restart", Promise: "What was begun and what was done is known after a restart of the driver.", run: checkRestart},
		{Name: "volumes/restored", Promise: "A volume is made from a backup, once for each order.", run: checkRestored},
		{Name: "volumes/restored-from-nothing", Promise: "To make a volume from a backup that is not there fails with NotFound.", Needs: state, run: checkRestoredFromNothing},
		{Name: "volumes/restore-cancelled", Promise: "A cancelled restore is told to be, or is not known any more.", Needs: state, run: checkRestoreCancelled},
		{Name: "volumes/errors-apart", Promise: "What goes wrong with one volume of a call stands beside what goes well with the others.", Needs: state, wire: true, run: checkErrorsApart},
		{Name: "volumes/refused", Promise: "A call without an order, a volume or a handle fails with InvalidArgument.", Needs: state, wire: true, run: checkRefused},
	}
	for i := range checks {
		checks[i].volumes = true
		checks[i].Needs = append(checks[i].Needs, provider.CapabilityVolumeBackup)
	}
	return checks
}

func checkWhole(ctx context.Context, s *session) {
	backup, before := s.start(ctx, "a"), provider.VolumeStat{}
	last := s.follow(ctx, func() (provider.VolumeStat, error) {
		stat, err := s.volumes.BackupStat(ctx, backup, s.attributes)
		s.sensible(before, stat)
		before = stat
		return stat, err
	})
	if last.State != provider.VolumeSucceeded {
		s.Errorf("the backup is %s: %v", last.State, last.Err)
	}
	s.stands(ctx, backup, provider.VolumeSucceeded)
}

// same reports an order that gives another identity than before.
func (s *session) same(ctx context.Context, order string, want provider.BackupIdentity) {
	s.Helper()
	again, err := s.volumes.StartBackup(ctx, s.request(order))
	if err != nil || again.Handle != want.Handle || len(again.Attributes)+len(want.Attributes) > 0 && !reflect.DeepEqual(again.Attributes, want.Attributes) {
		s.Errorf("the order that was given again has %v and the error %v, want %v", again, err, want)
	}
}

func checkAgain(ctx context.Context, s *session) {
	backup := s.start(ctx, "a")
	s.same(ctx, "a", backup)
	s.finish(ctx, backup)
	s.same(ctx, "a", backup)
	s.stands(ctx, backup, provider.VolumeSucceeded)
}

func checkAtOnce(ctx context.Context, s *session) {
	const times = 8
	handles := make(chan string, times)
	var running sync.WaitGroup
	for range times {
		running.Go(func() {
			backup, err := s.volumes.StartBackup(ctx, s.request("a"))
			if err != nil {
				s.Errorf("beginning a backup: %v", err)
			}
			handles <- backup.Handle
		})
	}
	running.Wait()
	want := s.start(ctx, "a").Handle
	for range times {
		if handle := <-handles; handle != want {
			s.Errorf("one call was given the handle %q, and another one %q", handle, want)
		}
	}
}

func checkApart(ctx context.Context, s *session) {
	first, second := s.start(ctx, "a"), s.start(ctx, "b")
	if first.Handle == second.Handle {
		s.Fatalf("both orders have the handle %q", first.Handle)
	}
	if err := s.volumes.DeleteBackup(ctx, s.prefix+"-a", first, s.attributes); err != nil {
		s.Fatalf("deleting the first: %v", err)
	}
	s.finish(ctx, second)
}

func checkUnknown(ctx context.Context, s *session) {
	backup := provider.BackupIdentity{Handle: s.prefix + "-unknown"}
	_, err := s.volumes.BackupStat(ctx, backup, s.attributes)
	s.expectClass("asking for a backup", err, provider.ErrNotFound)
	volume := provider.VolumeIdentity{Handle: s.prefix + "-unknown"}
	_, err = s.volumes.RestoreStat(ctx, volume, s.attributes)
	s.expectClass("asking for a volume", err, provider.ErrNotFound)
	for what, err := range map[string]error{
		"cancelling a backup":  s.volumes.CancelBackup(ctx, backup, s.attributes),
		"deleting a backup":    s.volumes.DeleteBackup(ctx, s.prefix+"-unknown", backup, s.attributes),
		"cancelling a restore": s.volumes.CancelRestore(ctx, volume, s.attributes),
	} {
		if err != nil {
			s.Errorf("%s: %v", what, err)
		}
	}
}

func checkDeleted(ctx context.Context, s *session) {
	backup := s.start(ctx, "a")
	s.finish(ctx, backup)
	for range 2 {
		if err := s.volumes.DeleteBackup(ctx, s.prefix+"-a", backup, s.attributes); err != nil {
			s.Fatalf("deleting: %v", err)
		}
		_, err := s.volumes.BackupStat(ctx, backup, s.attributes)
		s.expectClass("asking for a deleted backup", err, provider.ErrNotFound)
	}
}

func checkCancelled(ctx context.Context, s *session) {
	backup := s.start(ctx, "a")
	if err := s.volumes.CancelBackup(ctx, backup, s.attributes); err != nil {
		s.Fatalf("cancelling: %v", err)
	}
	ended := s.until(ctx, func() (provider.VolumeStat, error) { return s.volumes.BackupStat(ctx, backup, s.attributes) })
	switch ended {
	case provider.VolumeCancelled:
		s.same(ctx, "a", backup)
		s.stands(ctx, backup, provider.VolumeCancelled)
	case provider.VolumeSucceeded:
		s.Skipf("the driver was quicker than the cancellation")
	case "": // It is not known any more.
	case provider.VolumeRunning, provider.VolumeFailed:
		s.Errorf("the backup is %s", ended)
	}
}

// until asks until the work has ended, and returns its state, empty where it is not known any more.
func (s *session) until(ctx context.Context, ask func() (provider.VolumeStat, error)) provider.VolumeState {
	s.Helper()
	for ctx.Err() == nil {
		stat, err := ask()
		if errors.Is(err, provider.ErrNotFound) {
			return ""
		}
		if err != nil {
			s.Fatalf("asking how far the work is: %v", err)
		}
		if stat.State != provider.VolumeRunning {
			return stat.State
		}
		pause(ctx)
	}
	s.Fatalf("the work goes on although it was cancelled")
	return ""
}

func checkCancelledLate(ctx context.Context, s *session) {
	backup := s.start(ctx, "a")
	s.finish(ctx, backup)
	if err := s.volumes.CancelBackup(ctx, backup, s.attributes); err != nil {
		s.Errorf("cancelling: %v", err)
	}
	s.stands(ctx, backup, provider.VolumeSucceeded)
}

func checkVolumeContext(ctx context.Context, s *session) {
	over, cancel := context.WithCancel(ctx)
	cancel()
	begun := time.Now() //nolint:forbidigo // It measures a driver, which has no clock of ours.
	if _, err := s.volumes.StartBackup(over, s.request("a")); err == nil {
		s.Errorf("a call whose context has ended succeeded")
	}
	if took := time.Since(begun); took > promptly { //nolint:forbidigo // As above.
		s.Errorf("a call whose context has ended took %s", took)
	}
	s.finish(ctx, s.start(ctx, "a"))
}

func checkRestart(ctx context.Context, s *session) {
	if s.target.Volumes.Restart == nil {
		s.Skipf("nobody said how the driver is restarted")
	}
	done := s.start(ctx, "done")
	s.finish(ctx, done)
	begun := s.start(ctx, "begun")
	if err := s.target.Volumes.Restart(); err != nil {
		s.Fatalf("restarting the driver: %v", err)
	}
	s.stands(ctx, done, provider.VolumeSucceeded)
	s.same(ctx, "begun", begun)
	s.finish(ctx, begun)
}

func checkErrorsApart(ctx context.Context, s *session) {
	backup := s.start(ctx, "a")
	s.finish(ctx, backup)
	good := s.create(backup)
	identity := &providerv1.BackupIdentity{BackupHandle: backup.Handle, BackupAttributes: backup.Attributes}
	answer, err := s.dialVolumes().CreateVolumeFromBackup(ctx, &providerv1.CreateVolumeFromBackupRequest{
		RestoreContentName: good.Order, Parameters: s.attributes,
		RestoreInfo: []*providerv1.RestoreIdentifier{
			{Pvc: encoded("default", "bad"), BackupIdentity: &providerv1.BackupIdentity{BackupHandle: s.prefix + "-unknown"}},
			{Pvc: good.Claim.Encoded, BackupIdentity: identity},
		},
	})
	if err != nil {
		s.Fatalf("the whole call failed: %v", err)
	}
	if made := answer.GetVolumeIdentifiers(); len(made) != 1 || made[0].GetPvcName() != good.Claim.Name {
		s.Errorf("made is %v, want the one for %s", made, good.Claim.Name)
	} else {
		_ = s.volumes.CancelRestore(ctx, provider.VolumeIdentity{Handle: made[0].GetVolumeIdentity().GetVolumeHandle()}, s.attributes)
	}
	if failed := answer.GetVolumeErrors(); len(failed) != 1 || failed[0].GetName() != "bad" || failed[0].GetMessage() == "" {
		s.Errorf("the errors are %v, want one, of the claim bad", failed)
	}
}

func checkRefused(ctx context.Context, s *session) {
	client, volume := s.dialVolumes(), s.request("").Volume.Encoded
	_, err := client.StartBackup(ctx, &providerv1.StartBackupRequest{Pv: [][]byte{volume}, Parameters: s.attributes})
	s.expectClass("beginning without an order", provider.FromStatus(err), provider.ErrInvalidArgument)
	_, err = client.StartBackup(ctx, &providerv1.StartBackupRequest{BackupContentName: s.prefix, Parameters: s.attributes})
	s.expectClass("beginning without a volume", provider.FromStatus(err), provider.ErrInvalidArgument)
	_, err = client.GetBackupStat(ctx, &providerv1.GetBackupStatRequest{BackupInfo: []*providerv1.BackupIdentity{{}}, Parameters: s.attributes})
	s.expectClass("asking without a handle", provider.FromStatus(err), provider.ErrInvalidArgument)
}

// dialVolumes returns a client without the checks of one.
func (s *session) dialVolumes() providerv1.VolumeBackupClient { //nolint:ireturn // The generated one is an interface.
	connection, err := provider.Dial(s.target.Endpoint, s.target.DialOptions...)
	if err != nil {
		s.Fatalf("connecting to the driver: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, connection)
	return providerv1.NewVolumeBackupClient(connection)
}
