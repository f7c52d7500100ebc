package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// Client is a driver at the other end of a connection. It has all the interfaces; what the driver there does not have
// returns ErrUnimplemented. Its errors carry the classes of this package and the driver's words.
//
// A Client adds nothing to a call: no retry, no deadline, no check of the content. A call has ended when its method
// has returned, or, where it returned a reader, when that is closed.
type Client struct {
	identity providerv1.IdentityClient
	meta     providerv1.MetaBackupClient
	volumes  providerv1.VolumeBackupClient
}

// A Client is everything that a driver can be.
var (
	_ Driver      = (*Client)(nil)
	_ Creator     = (*Client)(nil)
	_ Lister      = (*Client)(nil)
	_ Stater      = (*Client)(nil)
	_ RangeReader = (*Client)(nil)
)

// NewClient returns a client on a connection, which stays the caller's to close. Dial makes a fitting one; another one
// must accept messages of MaxMessageBytes.
func NewClient(connection grpc.ClientConnInterface) *Client {
	return &Client{
		identity: providerv1.NewIdentityClient(connection),
		meta:     providerv1.NewMetaBackupClient(connection),
		volumes:  providerv1.NewVolumeBackupClient(connection),
	}
}

// Dial prepares a connection to a driver at unix:///path, host:port or tcp://host:port. It does not wait for the
// driver: the first call connects, and so does any call after the connection was lost. The caller closes it.
//
// Over TCP the options must bring transport credentials, as calls carry the credentials of stores; a unix socket
// needs none.
func Dial(address string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	parsed, err := parseEndpoint(address)
	if err != nil {
		return nil, err
	}
	all := []grpc.DialOption{
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithInitialWindowSize(streamWindowBytes),
		grpc.WithInitialConnWindowSize(connectionWindowBytes),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(MaxMessageBytes), grpc.MaxCallSendMsgSize(MaxMessageBytes)),
	}
	target := "dns:///" + parsed.address
	if parsed.network == "unix" {
		target = "unix://" + parsed.address
		all = append(all, grpc.WithTransportCredentials(insecure.NewCredentials()))
	} else {
		all = append(all, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}))
	}
	connection, err := grpc.NewClient(target, append(all, options...)...)
	if err != nil {
		return nil, fmt.Errorf("preparing a connection to %s: %w", address, err)
	}
	return connection, nil
}

// Info implements Identity.
func (c *Client) Info(ctx context.Context) (Info, error) {
	answer, err := c.identity.GetProviderInfo(ctx, &providerv1.GetProviderInfoRequest{})
	if err != nil {
		return Info{}, FromStatus(err)
	}
	return Info{
		Name: answer.GetProvider(), Version: answer.GetVersion(), Manifest: answer.GetManifest(),
		SupportedVolumeProvisioners: answer.GetSupportedVolumeProvisioners(),
	}, nil
}

// Capabilities implements Identity. Capabilities that this version does not know are left out.
func (c *Client) Capabilities(ctx context.Context) ([]Capability, error) {
	answer, err := c.identity.GetProviderCapabilities(ctx, &providerv1.GetProviderCapabilitiesRequest{})
	if err != nil {
		return nil, FromStatus(err)
	}
	var capabilities []Capability
	for _, message := range answer.GetCapabilities() {
		capability := capabilityFromProto(message)
		if capability != "" && !slices.Contains(capabilities, capability) {
			capabilities = append(capabilities, capability)
		}
	}
	return capabilities, nil
}

// Probe implements Identity.
func (c *Client) Probe(ctx context.Context) (bool, error) {
	answer, err := c.identity.Probe(ctx, &providerv1.ProbeRequest{})
	if err != nil {
		return false, FromStatus(err)
	}
	return answer.GetReady() == nil || answer.GetReady().GetValue(), nil
}

// Exists implements ObjectStore.
func (c *Client) Exists(ctx context.Context, name string, attributes Attributes) (bool, error) {
	if err := ValidateName(name); err != nil {
		return false, err
	}
	answer, err := c.meta.ObjectExists(ctx,
		&providerv1.ObjectExistsRequest{FileIdentifier: name, Attributes: attributes})
	if err != nil {
		return false, FromStatus(err)
	}
	return answer.GetExists(), nil
}

// Delete implements ObjectStore. A driver that answers NotFound has nothing to delete, which is a success.
func (c *Client) Delete(ctx context.Context, name string, attributes Attributes) error {
	if err := ValidateName(name); err != nil {
		return err
	}
	_, err := c.meta.Delete(ctx, &providerv1.DeleteRequest{FileIdentifier: name, Attributes: attributes})
	err = FromStatus(err)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// List implements Lister.
func (c *Client) List(ctx context.Context, request ListRequest) (ListPage, error) {
	if err := ValidateListRequest(request); err != nil {
		return ListPage{}, err
	}
	answer, err := c.meta.ListObjects(ctx, &providerv1.ListObjectsRequest{
		Prefix:     request.Prefix,
		Attributes: request.Attributes,
		PageToken:  request.PageToken,
		PageSize:   int32(min(request.PageSize, MaxPageSize)), //nolint:gosec // between 0 and MaxPageSize
	})
	if err != nil {
		return ListPage{}, FromStatus(err)
	}
	page := ListPage{NextPageToken: answer.GetNextPageToken()}
	for _, object := range answer.GetObjects() {
		page.Objects = append(page.Objects, objectFromProto(object))
	}
	return page, nil
}

// Stat implements Stater.
func (c *Client) Stat(ctx context.Context, name string, attributes Attributes) (ObjectInfo, error) {
	if err := ValidateName(name); err != nil {
		return ObjectInfo{}, err
	}
	answer, err := c.meta.StatObject(ctx,
		&providerv1.StatObjectRequest{FileIdentifier: name, Attributes: attributes})
	if err != nil {
		return ObjectInfo{}, FromStatus(err)
	}
	return objectFromProto(answer.GetObject()), nil
}

// Download implements ObjectStore.
func (c *Client) Download(ctx context.Context, name string, attributes Attributes) (io.ReadCloser, error) {
	if err := ValidateName(name); err != nil {
		return nil, err
	}
	return openDownload(ctx, func(ctx context.Context) (downloadStream, error) {
		return c.meta.Download(ctx, &providerv1.DownloadRequest{FileIdentifier: name, Attributes: attributes})
	})
}

// DownloadRange implements RangeReader.
func (c *Client) DownloadRange(ctx context.Context, request RangeRequest) (io.ReadCloser, error) {
	if err := ValidateRangeRequest(request); err != nil {
		return nil, err
	}
	return openDownload(ctx, func(ctx context.Context) (downloadStream, error) {
		return c.meta.DownloadRange(ctx, &providerv1.DownloadRangeRequest{
			FileIdentifier: request.Name,
			Attributes:     request.Attributes,
			Offset:         request.Offset,
			Length:         request.Length,
		})
	})
}

// Upload implements ObjectStore.
func (c *Client) Upload(ctx context.Context, name string, attributes Attributes, content io.Reader) error {
	return upload(ctx, &providerv1.FileInfo{FileIdentifier: name, Attributes: attributes}, content,
		func(ctx context.Context) (uploadStream, error) { return c.meta.Upload(ctx) })
}

// Create implements Creator.
func (c *Client) Create(ctx context.Context, name string, attributes Attributes, content io.Reader) error {
	return upload(ctx, &providerv1.FileInfo{FileIdentifier: name, Attributes: attributes}, content,
		func(ctx context.Context) (uploadStream, error) { return c.meta.Create(ctx) })
}

// ValidateListRequest returns an error that wraps ErrInvalidArgument if no driver can answer the request.
func ValidateListRequest(request ListRequest) error {
	if request.PageSize < 0 || request.PageSize > math.MaxInt32 {
		return fmt.Errorf("page size %d is out of range: %w", request.PageSize, ErrInvalidArgument)
	}
	return ValidatePrefix(request.Prefix)
}

// ValidateRangeRequest returns an error that wraps ErrInvalidArgument if no driver can answer the request.
func ValidateRangeRequest(request RangeRequest) error {
	if request.Offset < 0 || request.Length < 0 {
		return fmt.Errorf("offset %d and length %d are not both positive or zero: %w",
			request.Offset, request.Length, ErrInvalidArgument)
	}
	return ValidateName(request.Name)
}
