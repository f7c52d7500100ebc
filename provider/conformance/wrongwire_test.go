package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/provider/memory"
	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// The servers of this file speak the contract themselves, and make the mistakes that the server of the SDK cannot make.

func TestWrongServersFail(t *testing.T) {
	t.Parallel()
	if underRace {
		t.Skip("looking for races in the same checks over and over takes minutes; the right drivers show them")
	}
	for name, test := range map[string]struct {
		mistakes mistakes
		fails    []string
	}{
		"none: the server that the others are made from": {},
		"takes a lost connection for the end of the content": {
			mistakes: mistakes{breaking: true},
			fails:    []string{"interrupted/upload", "interrupted/overwrite", "interrupted/connection"},
		},
		"does not look at the first message": {
			mistakes: mistakes{first: true},
			fails:    []string{"wire/info-first"},
		},
		"lets the last info win": {
			mistakes: mistakes{second: true},
			fails:    []string{"wire/info-once"},
		},
		"does not look at names": {
			mistakes: mistakes{names: true},
			fails:    []string{"names/refused", "names/escape"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memory.New(memory.Options{})
			target := conformance.Target{Endpoint: serveWrong(t, store, test.mistakes)}
			var failed []string
			for _, check := range conformance.Checks() {
				result := conformance.Execute(t.Context(), check, target)
				if result.Outcome == conformance.Failed {
					failed = append(failed, check.Name)
					t.Logf("%s: %s", check.Name, strings.Join(result.Messages, "; "))
				}
			}
			slices.Sort(failed)
			slices.Sort(test.fails)
			if !slices.Equal(failed, test.fails) {
				t.Errorf("these fail: %q\nwant:       %q", failed, test.fails)
			}
		})
	}
}

// mistakes says what an upload does not look at.
type mistakes struct{ breaking, first, second, names bool }

// wrongServer has an Upload of its own.
type wrongServer struct {
	providerv1.MetaBackupServer

	store    *memory.Store
	mistakes mistakes
}

// Upload implements the rpc, as well as its mistakes allow.
func (s wrongServer) Upload(stream grpc.ClientStreamingServer[providerv1.UploadRequest, providerv1.Empty]) error {
	name, content, err := s.receive(stream)
	if err != nil && (!s.mistakes.breaking || status.Code(err) == codes.InvalidArgument) {
		return err
	}
	if err := provider.ValidateName(name); err != nil {
		if !s.mistakes.names {
			return provider.ToStatus(err)
		}
		return stream.SendAndClose(&providerv1.Empty{}) // As if it were stored somewhere.
	}
	err = s.store.Upload(context.WithoutCancel(stream.Context()), name, nil, bytes.NewReader(content))
	if err != nil {
		return provider.ToStatus(err)
	}
	return stream.SendAndClose(&providerv1.Empty{})
}

// receive returns what has come until the end or an error.
func (s wrongServer) receive(
	stream grpc.ClientStreamingServer[providerv1.UploadRequest, providerv1.Empty],
) (name string, content []byte, err error) {
	message, err := stream.Recv()
	info := message.GetInfo()
	switch {
	case info != nil:
		name = info.GetFileIdentifier()
	case s.mistakes.first:
		name, content = "somewhere", message.GetChunkData()
	default:
		return "", nil, status.Error(codes.InvalidArgument, "there is no info")
	}
	for err == nil {
		message, err = stream.Recv()
		if info := message.GetInfo(); info != nil {
			if !s.mistakes.second {
				return "", nil, status.Error(codes.InvalidArgument, "there is more than one info")
			}
			name, content = info.GetFileIdentifier(), nil
		}
		content = append(content, message.GetChunkData()...)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return name, content, err
}

// registrar takes what the SDK registers, and puts a wrong server in the place of the right one.
type registrar struct {
	*grpc.Server

	store    *memory.Store
	mistakes mistakes
}

// RegisterService implements grpc.ServiceRegistrar.
func (r registrar) RegisterService(description *grpc.ServiceDesc, service any) {
	if right, ok := service.(providerv1.MetaBackupServer); ok {
		service = wrongServer{right, r.store, r.mistakes}
	}
	r.Server.RegisterService(description, service)
}

// serveWrong serves until the test ends, and returns the endpoint.
func serveWrong(t *testing.T, store *memory.Store, mistakes mistakes) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(provider.ServerOptions()...)
	provider.Register(registrar{server, store, mistakes}, store)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return "unix://" + path
}
