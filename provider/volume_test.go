package provider_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"reflect"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/soda-cdm/kahu/provider"
	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// encode returns a Kubernetes object with nothing but its namespace and name, in its own encoding.
func encode(namespace, name string) []byte {
	var metadata []byte
	for number, text := range map[protowire.Number]string{1: name, 3: namespace} {
		metadata = protowire.AppendTag(metadata, number, protowire.BytesType)
		metadata = protowire.AppendString(metadata, text)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), metadata)
}

// scripted is a driver of volumes that notes what it is asked and answers what it is told.
type scripted struct {
	asked  []any
	backup provider.BackupIdentity
	made   provider.RestoredVolume
	stat   provider.VolumeStat
	err    error
}

func (*scripted) Info(context.Context) (provider.Info, error) {
	return provider.Info{Name: "scripted", Version: "1", SupportedVolumeProvisioners: []string{"a", "b"}}, nil
}

func (s *scripted) Capabilities(context.Context) ([]provider.Capability, error) {
	return append(provider.CapabilitiesOf(s), provider.CapabilityMetaBackup, provider.CapabilityVolumeState), nil
}

func (*scripted) Probe(context.Context) (bool, error) { return true, nil }

func (s *scripted) StartBackup(_ context.Context, request provider.StartBackupRequest) (provider.BackupIdentity, error) {
	s.asked = append(s.asked, request)
	return s.backup, s.err
}

func (s *scripted) DeleteBackup(
	_ context.Context, order string, backup provider.BackupIdentity, attributes provider.Attributes,
) error {
	s.asked = append(s.asked, order, backup, attributes)
	return s.err
}

func (s *scripted) CancelBackup(_ context.Context, backup provider.BackupIdentity, attributes provider.Attributes) error {
	s.asked = append(s.asked, backup, attributes)
	return s.err
}

func (s *scripted) BackupStat(
	_ context.Context, backup provider.BackupIdentity, attributes provider.Attributes,
) (provider.VolumeStat, error) {
	s.asked = append(s.asked, backup, attributes)
	return s.stat, s.err
}

func (s *scripted) CreateVolumeFromBackup(
	_ context.Context, request provider.CreateVolumeRequest,
) (provider.RestoredVolume, error) {
	s.asked = append(s.asked, request)
	return s.made, s.err
}

func (s *scripted) CancelRestore(_ context.Context, volume provider.VolumeIdentity, attributes provider.Attributes) error {
	s.asked = append(s.asked, volume, attributes)
	return s.err
}

func (s *scripted) RestoreStat(
	_ context.Context, volume provider.VolumeIdentity, attributes provider.Attributes,
) (provider.VolumeStat, error) {
	s.asked = append(s.asked, volume, attributes)
	return s.stat, s.err
}

// The values that go over the wire in these tests.
var (
	parameters = provider.Attributes{"place": "here"}
	aBackup    = provider.BackupIdentity{Handle: "backup", Attributes: map[string]string{"a": "1"}}
	aVolume    = provider.VolumeIdentity{Handle: "volume", Attributes: map[string]string{"b": "2"}}
	aClaim     = provider.Claim{Namespace: "shop", Name: "data", Encoded: encode("shop", "data")}
	thePV      = provider.Volume{Name: "pv", Encoded: encode("", "pv")}
)

func TestVolumesOverTheWire(t *testing.T) {
	bytes := int64(7)
	for name, test := range map[string]struct {
		driver scripted
		call   func(context.Context, provider.VolumeStore) (any, error)
		asked  []any
		answer any
	}{
		"start with a snapshot and a base": {
			scripted{backup: aBackup},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return driver.StartBackup(ctx, provider.StartBackupRequest{
					Order: "order", Volume: thePV, Base: &aBackup, Attributes: parameters,
					Snapshot: &provider.Snapshot{Handle: "snap", Attributes: map[string]string{provider.SnapshotDriver: "csi"}},
				})
			},
			[]any{provider.StartBackupRequest{
				Order: "order", Volume: thePV, Base: &aBackup, Attributes: parameters,
				Snapshot: &provider.Snapshot{Handle: "snap", Attributes: map[string]string{provider.SnapshotDriver: "csi"}},
			}},
			aBackup,
		},
		"start with a claim to mount": {
			scripted{backup: aBackup},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return driver.StartBackup(ctx, provider.StartBackupRequest{
					Order: "order", Volume: thePV, Source: &provider.ClaimSource{Namespace: "kahu", Name: "c", Live: true},
				})
			},
			[]any{provider.StartBackupRequest{
				Order: "order", Volume: thePV, Source: &provider.ClaimSource{Namespace: "kahu", Name: "c", Live: true},
			}},
			aBackup,
		},
		"start with the volume itself": {
			scripted{backup: aBackup},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return driver.StartBackup(ctx, provider.StartBackupRequest{Order: "order", Volume: thePV})
			},
			[]any{provider.StartBackupRequest{Order: "order", Volume: thePV}},
			aBackup,
		},
		"delete": {
			scripted{},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return nil, driver.DeleteBackup(ctx, "order", aBackup, parameters)
			},
			[]any{"order", aBackup, parameters},
			nil,
		},
		"cancel a backup": {
			scripted{},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return nil, driver.CancelBackup(ctx, aBackup, parameters)
			},
			[]any{aBackup, parameters},
			nil,
		},
		"stat of a backup": {
			scripted{stat: provider.VolumeStat{
				State: provider.VolumeRunning, BytesDone: &bytes, BytesTotal: &bytes, Percent: 3, FullReason: "the base is gone",
			}},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return driver.BackupStat(ctx, aBackup, parameters)
			},
			[]any{aBackup, parameters},
			provider.VolumeStat{
				State: provider.VolumeRunning, BytesDone: &bytes, BytesTotal: &bytes, Percent: 3, FullReason: "the base is gone",
			},
		},
		"create a volume": {
			scripted{made: provider.RestoredVolume{
				Volume: aVolume, DataSource: &provider.DataSource{APIGroup: "g", Kind: "K", Name: "n"},
			}},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return driver.CreateVolumeFromBackup(ctx, provider.CreateVolumeRequest{
					Order: "order", Claim: aClaim, Backup: aBackup, Attributes: parameters,
				})
			},
			[]any{provider.CreateVolumeRequest{Order: "order", Claim: aClaim, Backup: aBackup, Attributes: parameters}},
			provider.RestoredVolume{Volume: aVolume, DataSource: &provider.DataSource{APIGroup: "g", Kind: "K", Name: "n"}},
		},
		"cancel a restore": {
			scripted{},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return nil, driver.CancelRestore(ctx, aVolume, parameters)
			},
			[]any{aVolume, parameters},
			nil,
		},
		"stat of a restore": {
			scripted{stat: provider.VolumeStat{State: provider.VolumeSucceeded, Percent: 100}},
			func(ctx context.Context, driver provider.VolumeStore) (any, error) {
				return driver.RestoreStat(ctx, aVolume, parameters)
			},
			[]any{aVolume, parameters},
			provider.VolumeStat{State: provider.VolumeSucceeded, Percent: 100},
		},
	} {
		t.Run(name, func(t *testing.T) {
			driver := test.driver
			// Through two, as the second one serves a client.
			answer, err := test.call(t.Context(), dial(t, serve(t, dial(t, serve(t, &driver)))))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(driver.asked, test.asked) {
				t.Errorf("the driver was asked\n%+v, want\n%+v", driver.asked, test.asked)
			}
			if !reflect.DeepEqual(answer, test.answer) {
				t.Errorf("got\n%+v, want\n%+v", answer, test.answer)
			}
			failing := scripted{err: errors.Join(errors.New("the array says no"), provider.ErrPermissionDenied)}
			_, err = test.call(t.Context(), dial(t, serve(t, &failing)))
			if !errors.Is(err, provider.ErrPermissionDenied) || err.Error() != failing.err.Error() {
				t.Errorf("got %v, want %v", err, failing.err)
			}
		})
	}
}

func TestOnlyVolumes(t *testing.T) {
	client := dial(t, serve(t, &scripted{}))
	info, err := client.Info(t.Context())
	if err != nil || !reflect.DeepEqual(info.SupportedVolumeProvisioners, []string{"a", "b"}) {
		t.Errorf("got %+v and %v", info, err)
	}
	capabilities, err := client.Capabilities(t.Context())
	want := []provider.Capability{provider.CapabilityVolumeBackup, provider.CapabilityVolumeState}
	if err != nil || !reflect.DeepEqual(capabilities, want) {
		t.Errorf("got %v and %v, want %v", capabilities, err, want)
	}
	if _, err := client.Exists(t.Context(), "x", nil); !errors.Is(err, provider.ErrUnimplemented) {
		t.Errorf("asked for an object: got %v, want %v", err, provider.ErrUnimplemented)
	}
}

func TestWrongAnswersAndQuestionsAboutVolumes(t *testing.T) {
	long := string(make([]byte, provider.MaxHandleBytes+1))
	for name, driver := range map[string]scripted{
		"no handle":              {},
		"a handle that is long":  {backup: provider.BackupIdentity{Handle: long}},
		"a long attribute value": {backup: provider.BackupIdentity{Handle: "h", Attributes: map[string]string{"a": string(make([]byte, 5000))}}},
	} {
		_, err := dial(t, serve(t, &driver)).StartBackup(t.Context(), provider.StartBackupRequest{Order: "o", Volume: thePV})
		if err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	client := dial(t, serve(t, &scripted{backup: aBackup, stat: provider.VolumeStat{State: provider.VolumeRunning}}))
	for name, ask := range map[string]func() error{
		"no order": func() error {
			_, err := client.StartBackup(t.Context(), provider.StartBackupRequest{Volume: thePV})
			return err
		},
		"no handle": func() error {
			_, err := client.BackupStat(t.Context(), provider.BackupIdentity{}, nil)
			return err
		},
		"snapshot and claim": func() error {
			_, err := client.StartBackup(t.Context(), provider.StartBackupRequest{
				Order: "o", Volume: thePV, Snapshot: &provider.Snapshot{Handle: "s"},
				Source: &provider.ClaimSource{Namespace: "n", Name: "c"},
			})
			return err
		},
		"a volume that is no object": func() error {
			_, err := client.StartBackup(t.Context(), provider.StartBackupRequest{
				Order: "o", Volume: provider.Volume{Name: "pv", Encoded: []byte{0xff}},
			})
			return err
		},
	} {
		if err := ask(); !errors.Is(err, provider.ErrInvalidArgument) {
			t.Errorf("%s: got %v, want %v", name, err, provider.ErrInvalidArgument)
		}
	}
}

// old answers as a driver of before there were states and errors of single volumes.
type old struct {
	providerv1.UnimplementedVolumeBackupServer

	progress int64
	errors   []string
}

func (o old) StartBackup(context.Context, *providerv1.StartBackupRequest) (*providerv1.StartBackupResponse, error) {
	return &providerv1.StartBackupResponse{Errors: o.errors, BackupInfo: []*providerv1.BackupIdentifier{
		{PvName: "pv", BackupIdentity: &providerv1.BackupIdentity{BackupHandle: "h"}},
	}}, nil
}

func (o old) CancelBackup(context.Context, *providerv1.CancelBackupRequest) (*providerv1.CancelBackupResponse, error) {
	return &providerv1.CancelBackupResponse{Success: wrapperspb.Bool(o.errors == nil)}, nil
}

func (o old) GetBackupStat(context.Context, *providerv1.GetBackupStatRequest) (*providerv1.GetBackupStatResponse, error) {
	return &providerv1.GetBackupStatResponse{
		BackupStats: []*providerv1.BackupStat{{BackupHandle: "h", Progress: o.progress}},
	}, nil
}

func TestOldDriverOfVolumes(t *testing.T) {
	begin := func(driver old) *provider.Client {
		path := filepath.Join(t.TempDir(), "s")
		listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		providerv1.RegisterVolumeBackupServer(server, driver)
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		return dial(t, "unix://"+path)
	}
	for progress, want := range map[int64]provider.VolumeState{
		0: provider.VolumeRunning, 99: provider.VolumeRunning, 100: provider.VolumeSucceeded,
	} {
		stat, err := begin(old{progress: progress}).BackupStat(t.Context(), provider.BackupIdentity{Handle: "h"}, nil)
		if err != nil || stat.State != want || stat.Percent != int(progress) {
			t.Errorf("progress %d: got %+v and %v, want %s", progress, stat, err, want)
		}
	}
	request := provider.StartBackupRequest{Order: "o", Volume: thePV}
	if backup, err := begin(old{}).StartBackup(t.Context(), request); err != nil || backup.Handle != "h" {
		t.Errorf("starting: got %+v and %v", backup, err)
	}
	failing := begin(old{errors: []string{"no pool", "no disk"}})
	if _, err := failing.StartBackup(t.Context(), request); err == nil || err.Error() != "no pool; no disk" {
		t.Errorf("starting: got %v, want the words of the driver", err)
	}
	if err := failing.CancelBackup(t.Context(), provider.BackupIdentity{Handle: "h"}, nil); err == nil {
		t.Error("cancelling succeeded although the driver says that it did not")
	}
}
