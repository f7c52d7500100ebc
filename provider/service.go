package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// Register registers the service Identity for a driver, MetaBackup if it is an ObjectStore, and VolumeBackup if it is a
// VolumeStore. What the driver does not implement answers Unimplemented. Errors of the driver become statuses by ToStatus;
// names of objects are checked by ValidateName, and requests for volumes by their Validate, before the driver sees them.
func Register(registrar grpc.ServiceRegistrar, driver Identity) {
	providerv1.RegisterIdentityServer(registrar, &identityService{driver: driver})
	if store, ok := driver.(ObjectStore); ok {
		providerv1.RegisterMetaBackupServer(registrar, &metaService{driver: store})
	}
	if volumes, ok := driver.(VolumeStore); ok {
		providerv1.RegisterVolumeBackupServer(registrar, &volumeService{driver: volumes})
	}
}

// identityService serves the Identity of a driver.
type identityService struct {
	providerv1.UnimplementedIdentityServer

	driver Identity
}

// GetProviderInfo implements the rpc.
func (s *identityService) GetProviderInfo(
	ctx context.Context, _ *providerv1.GetProviderInfoRequest,
) (*providerv1.GetProviderInfoResponse, error) {
	info, err := s.driver.Info(ctx)
	if err != nil {
		return nil, ToStatus(err)
	}
	return &providerv1.GetProviderInfoResponse{
		Provider: info.Name, Version: info.Version, Manifest: info.Manifest,
		SupportedVolumeProvisioners: info.SupportedVolumeProvisioners,
	}, nil
}

// GetProviderCapabilities implements the rpc. What the driver names and does not implement is left out, so that nobody
// relies on it.
func (s *identityService) GetProviderCapabilities(
	ctx context.Context, _ *providerv1.GetProviderCapabilitiesRequest,
) (*providerv1.GetProviderCapabilitiesResponse, error) {
	named, err := s.driver.Capabilities(ctx)
	if err != nil {
		return nil, ToStatus(err)
	}
	implemented := CapabilitiesOf(s.driver)
	needsInterface := []Capability{
		CapabilityMetaBackup, CapabilityList, CapabilityStat, CapabilityRangeDownload, CapabilityCreateIfAbsent,
		CapabilityVolumeBackup,
	}
	answer := &providerv1.GetProviderCapabilitiesResponse{}
	for _, capability := range named {
		if slices.Contains(needsInterface, capability) && !slices.Contains(implemented, capability) {
			continue
		}
		if message := capabilityToProto(capability); message != nil {
			answer.Capabilities = append(answer.Capabilities, message)
		}
	}
	return answer, nil
}

// Probe implements the rpc.
func (s *identityService) Probe(ctx context.Context, _ *providerv1.ProbeRequest) (*providerv1.ProbeResponse, error) {
	ready, err := s.driver.Probe(ctx)
	if err != nil {
		return nil, ToStatus(err)
	}
	return &providerv1.ProbeResponse{Ready: wrapperspb.Bool(ready)}, nil
}

// metaService serves the objects of a driver.
type metaService struct {
	providerv1.UnimplementedMetaBackupServer

	driver ObjectStore
}

// ObjectExists implements the rpc.
func (s *metaService) ObjectExists(
	ctx context.Context, request *providerv1.ObjectExistsRequest,
) (*providerv1.ObjectExistsResponse, error) {
	if err := ValidateName(request.GetFileIdentifier()); err != nil {
		return nil, ToStatus(err)
	}
	exists, err := s.driver.Exists(ctx, request.GetFileIdentifier(), request.GetAttributes())
	if err != nil {
		return nil, ToStatus(err)
	}
	return &providerv1.ObjectExistsResponse{Exists: exists}, nil
}

// Delete implements the rpc.
func (s *metaService) Delete(ctx context.Context, request *providerv1.DeleteRequest) (*providerv1.Empty, error) {
	if err := ValidateName(request.GetFileIdentifier()); err != nil {
		return nil, ToStatus(err)
	}
	if err := s.driver.Delete(ctx, request.GetFileIdentifier(), request.GetAttributes()); err != nil {
		return nil, ToStatus(err)
	}
	return &providerv1.Empty{}, nil
}

// ListObjects implements the rpc.
func (s *metaService) ListObjects(
	ctx context.Context, message *providerv1.ListObjectsRequest,
) (*providerv1.ListObjectsResponse, error) {
	lister, ok := s.driver.(Lister)
	if !ok {
		return nil, unimplemented(CapabilityList)
	}
	request := ListRequest{
		Prefix:     message.GetPrefix(),
		Attributes: message.GetAttributes(),
		PageToken:  message.GetPageToken(),
		PageSize:   int(message.GetPageSize()),
	}
	if err := ValidateListRequest(request); err != nil {
		return nil, ToStatus(err)
	}
	page, err := lister.List(ctx, request)
	if err != nil {
		return nil, ToStatus(err)
	}
	answer := &providerv1.ListObjectsResponse{NextPageToken: page.NextPageToken}
	for _, object := range page.Objects {
		answer.Objects = append(answer.Objects, objectToProto(object))
	}
	return answer, nil
}

// StatObject implements the rpc.
func (s *metaService) StatObject(
	ctx context.Context, request *providerv1.StatObjectRequest,
) (*providerv1.StatObjectResponse, error) {
	stater, ok := s.driver.(Stater)
	if !ok {
		return nil, unimplemented(CapabilityStat)
	}
	if err := ValidateName(request.GetFileIdentifier()); err != nil {
		return nil, ToStatus(err)
	}
	object, err := stater.Stat(ctx, request.GetFileIdentifier(), request.GetAttributes())
	if err != nil {
		return nil, ToStatus(err)
	}
	return &providerv1.StatObjectResponse{Object: objectToProto(object)}, nil
}

// Upload implements the rpc.
func (s *metaService) Upload(stream grpc.ClientStreamingServer[providerv1.UploadRequest, providerv1.Empty]) error {
	return receiveUpload(stream, s.driver.Upload)
}

// Create implements the rpc.
func (s *metaService) Create(stream grpc.ClientStreamingServer[providerv1.UploadRequest, providerv1.Empty]) error {
	creator, ok := s.driver.(Creator)
	if !ok {
		return unimplemented(CapabilityCreateIfAbsent)
	}
	return receiveUpload(stream, creator.Create)
}

// Download implements the rpc.
func (s *metaService) Download(
	request *providerv1.DownloadRequest, stream grpc.ServerStreamingServer[providerv1.DownloadResponse],
) error {
	if err := ValidateName(request.GetFileIdentifier()); err != nil {
		return ToStatus(err)
	}
	reader, err := s.driver.Download(stream.Context(), request.GetFileIdentifier(), request.GetAttributes())
	if err != nil {
		return ToStatus(err)
	}
	return sendDownload(stream, request.GetFileIdentifier(), reader)
}

// DownloadRange implements the rpc.
func (s *metaService) DownloadRange(
	message *providerv1.DownloadRangeRequest, stream grpc.ServerStreamingServer[providerv1.DownloadResponse],
) error {
	ranger, ok := s.driver.(RangeReader)
	if !ok {
		return unimplemented(CapabilityRangeDownload)
	}
	request := RangeRequest{
		Name:       message.GetFileIdentifier(),
		Attributes: message.GetAttributes(),
		Offset:     message.GetOffset(),
		Length:     message.GetLength(),
	}
	if err := ValidateRangeRequest(request); err != nil {
		return ToStatus(err)
	}
	reader, err := ranger.DownloadRange(stream.Context(), request)
	if err != nil {
		return ToStatus(err)
	}
	return sendDownload(stream, request.Name, reader)
}

// unimplemented is the answer of an rpc that needs an interface which the driver does not have.
func unimplemented(capability Capability) error {
	return ToStatus(fmt.Errorf("the driver does not have the capability %s: %w", capability, ErrUnimplemented))
}

// receiveUpload gives the content of an upload to store.
func receiveUpload(
	stream grpc.ClientStreamingServer[providerv1.UploadRequest, providerv1.Empty],
	store func(ctx context.Context, name string, attributes Attributes, content io.Reader) error,
) error {
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	info := first.GetInfo()
	if info == nil {
		return ToStatus(fmt.Errorf("the first message of an upload must carry info: %w", ErrInvalidArgument))
	}
	if err := ValidateName(info.GetFileIdentifier()); err != nil {
		return ToStatus(err)
	}
	content := &uploadReader{stream: stream}
	if err := store(stream.Context(), info.GetFileIdentifier(), info.GetAttributes(), content); err != nil {
		return ToStatus(err)
	}
	if !errors.Is(content.err, io.EOF) {
		// A driver that stops reading early has stored a part, or has taken a broken stream for a whole one.
		return ToStatus(errors.New("the driver reports success and has not read the content to its end"))
	}
	return stream.SendAndClose(&providerv1.Empty{})
}

// uploadReader gives the chunks of an upload as one stream of bytes.
type uploadReader struct {
	stream grpc.ClientStreamingServer[providerv1.UploadRequest, providerv1.Empty]
	rest   []byte
	err    error
}

// Read gives io.EOF only when the client has closed its side in the regular way. A client that is gone, a deadline that
// has passed and a message that is out of place are other errors.
func (r *uploadReader) Read(buffer []byte) (int, error) {
	if len(buffer) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.receive()
	}
	n := copy(buffer, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *uploadReader) receive() {
	message, err := r.stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		r.err = io.EOF
	case err != nil:
		r.err = fmt.Errorf("receiving the content: %w", FromStatus(err))
	default:
		chunk, ok := message.GetData().(*providerv1.UploadRequest_ChunkData)
		if !ok {
			r.err = fmt.Errorf("a message of an upload after the first carries no chunk_data: %w", ErrInvalidArgument)
			return
		}
		r.rest = chunk.ChunkData
	}
}

// sendDownload sends info, then the content in chunks, and closes the reader.
func sendDownload(
	stream grpc.ServerStreamingServer[providerv1.DownloadResponse], name string, reader io.ReadCloser,
) error {
	sending := sendContent(stream, name, reader)
	if err := reader.Close(); err != nil && sending == nil {
		return ToStatus(fmt.Errorf("closing the content: %w", err))
	}
	return sending
}

func sendContent(
	stream grpc.ServerStreamingServer[providerv1.DownloadResponse], name string, reader io.Reader,
) error {
	err := stream.Send(&providerv1.DownloadResponse{
		Data: &providerv1.DownloadResponse_Info{Info: &providerv1.FileInfo{FileIdentifier: name}},
	})
	if err != nil {
		return err
	}
	buffer := make([]byte, firstChunkBytes)
	for {
		n, end, reading := fill(reader, buffer)
		if n > 0 {
			err := stream.Send(&providerv1.DownloadResponse{
				Data: &providerv1.DownloadResponse_ChunkData{ChunkData: buffer[:n]},
			})
			if err != nil {
				return err
			}
		}
		if reading != nil {
			return ToStatus(fmt.Errorf("reading the content: %w", reading))
		}
		if end {
			return nil
		}
		if len(buffer) < ChunkBytes {
			buffer = make([]byte, ChunkBytes)
		}
	}
}
