package conformance

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/soda-cdm/kahu/provider"
	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

func wireChecks() []Check {
	return []Check{
		{
			Name:    "wire/info-first",
			Promise: "An upload whose first message is not info is refused with InvalidArgument.",
			wire:    true,
			run:     checkInfoFirst,
		},
		{
			Name:    "wire/info-once",
			Promise: "An upload with a second info is refused with InvalidArgument, and stores nothing.",
			wire:    true,
			modern:  true,
			run:     checkInfoOnce,
		},
		{
			Name:    "wire/chunks",
			Promise: "Chunks may have any length up to 3 MiB, also none.",
			wire:    true,
			run:     checkChunks,
		},
		{
			Name:    "wire/download",
			Promise: "A download begins with info, and goes on with chunks only.",
			wire:    true,
			run:     checkDownloadMessages,
		},
		{
			Name:    "wire/unimplemented",
			Promise: "An rpc of a capability that the driver does not name answers Unimplemented or works; it never fails otherwise.",
			wire:    true,
			run:     checkUnimplemented,
		},
	}
}

// openStream begins an Upload or a Create.
type openStream func(
	ctx context.Context, options ...grpc.CallOption,
) (grpc.ClientStreamingClient[providerv1.UploadRequest, providerv1.Empty], error)

// wireClient is the generated client, which checks nothing.
type wireClient struct{ providerv1.MetaBackupClient }

// dial returns a client on a connection of its own.
func (s *session) dial() wireClient {
	s.Helper()
	connection, err := provider.Dial(s.target.Endpoint, s.target.DialOptions...)
	if err != nil {
		s.Fatalf("connecting: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, connection)
	return wireClient{providerv1.NewMetaBackupClient(connection)}
}

// info returns the first message of an upload.
func (s *session) info(name string) *providerv1.UploadRequest {
	return &providerv1.UploadRequest{Data: &providerv1.UploadRequest_Info{
		Info: &providerv1.FileInfo{FileIdentifier: name, Attributes: s.attributes},
	}}
}

// chunk returns another message of an upload.
func chunk(content []byte) *providerv1.UploadRequest {
	return &providerv1.UploadRequest{Data: &providerv1.UploadRequest_ChunkData{ChunkData: content}}
}

// sendUpload sends the messages of an upload, whatever they are, and returns how the driver answers.
func sendUpload(ctx context.Context, open openStream, messages ...*providerv1.UploadRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx)
	if err != nil {
		return provider.FromStatus(err)
	}
	for _, message := range messages {
		err := stream.Send(message)
		if errors.Is(err, io.EOF) {
			break // The driver has answered already.
		}
		if err != nil {
			return provider.FromStatus(err)
		}
	}
	_, err = stream.CloseAndRecv()
	return provider.FromStatus(err)
}

// drain reads a download to its end.
func drain(stream grpc.ServerStreamingClient[providerv1.DownloadResponse], err error) error {
	for err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return provider.FromStatus(err)
}

// uploads returns the rpcs that store, as far as the driver has them.
func (s *session) uploads(client wireClient) map[string]openStream {
	streams := map[string]openStream{"Upload": client.Upload}
	if s.can(provider.CapabilityCreateIfAbsent) {
		streams["Create"] = client.Create
	}
	return streams
}

func checkInfoFirst(ctx context.Context, s *session) {
	for rpc, open := range s.uploads(s.dial()) {
		for what, messages := range map[string][]*providerv1.UploadRequest{
			"a chunk":           {chunk([]byte("x")), s.info(s.name("object"))},
			"an empty message":  {{}},
			"no message at all": nil,
		} {
			err := sendUpload(ctx, open, messages...)
			s.expectClass(rpc+" that begins with "+what, err, provider.ErrInvalidArgument)
		}
	}
}

func checkInfoOnce(ctx context.Context, s *session) {
	for rpc, open := range s.uploads(s.dial()) {
		first, second := s.name("first-"+rpc), s.name("second-"+rpc)
		err := sendUpload(ctx, open, s.info(first), chunk([]byte("x")), s.info(second), chunk([]byte("y")))
		s.expectClass(rpc+" with a second info", err, provider.ErrInvalidArgument)
		s.expectAbsent(ctx, first)
		s.expectAbsent(ctx, second)
	}
}

func checkChunks(ctx context.Context, s *session) {
	content := pattern(1, 6*mib+1)
	for rpc, open := range s.uploads(s.dial()) {
		name := s.name("object-" + rpc)
		err := sendUpload(ctx, open, s.info(name), chunk(nil), chunk(content[:1]), chunk([]byte{}),
			chunk(content[1:3*mib+1]), chunk(content[3*mib+1:]), chunk(nil))
		if err != nil {
			s.Errorf("%s: %v", rpc, err)
			continue
		}
		s.expectContent(ctx, name, content)
	}
}

func checkDownloadMessages(ctx context.Context, s *session) {
	name := s.name("object")
	s.upload(ctx, name, pattern(1, 2*mib))
	stream, err := s.dial().Download(ctx,
		&providerv1.DownloadRequest{FileIdentifier: name, Attributes: s.attributes})
	if err != nil {
		s.Fatalf("opening: %v", err)
	}
	for first := true; ; first = false {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.Fatalf("receiving: %v", err)
		}
		if isInfo := message.GetInfo() != nil; isInfo != first {
			s.Fatalf("info comes first and only then; first is %v, info is %v", first, isInfo)
		}
	}
}

func checkUnimplemented(ctx context.Context, s *session) {
	client := s.dial()
	name := s.name("object")
	s.upload(ctx, name, []byte("x"))
	for capability, run := range map[provider.Capability]func() error{
		provider.CapabilityList: func() error {
			_, err := client.ListObjects(ctx,
				&providerv1.ListObjectsRequest{Prefix: s.prefix, Attributes: s.attributes})
			return provider.FromStatus(err)
		},
		provider.CapabilityStat: func() error {
			_, err := client.StatObject(ctx,
				&providerv1.StatObjectRequest{FileIdentifier: name, Attributes: s.attributes})
			return provider.FromStatus(err)
		},
		provider.CapabilityRangeDownload: func() error {
			return drain(client.DownloadRange(ctx,
				&providerv1.DownloadRangeRequest{FileIdentifier: name, Attributes: s.attributes, Length: 1}))
		},
		provider.CapabilityCreateIfAbsent: func() error {
			return sendUpload(ctx, client.Create, s.info(s.name("new")), chunk([]byte("x")))
		},
	} {
		err := run()
		switch {
		case err == nil:
		case s.can(capability):
			s.Errorf("the driver names %s, and its rpc fails: %v", capability, err)
		default:
			s.expectClass("the rpc of "+string(capability), err, provider.ErrUnimplemented)
		}
	}
}
