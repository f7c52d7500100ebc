package provider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

const (
	// DefaultStopTimeout is how long a server that is told to stop waits for the calls under way.
	DefaultStopTimeout = 10 * time.Second
	// maxStreams is how many calls one connection may have under way; further ones wait at the client.
	maxStreams = 256
	// dialTimeout is how long a socket that is there already may take to show that it is alive.
	dialTimeout = 2 * time.Second
	// socketMode lets the owner alone connect.
	socketMode fs.FileMode = 0o600
)

// Options say what a Server serves, and how.
type Options struct {
	// Driver is what is served: a Driver, a VolumeDriver, or one that is both. Required.
	Driver Identity
	// Credentials secure the transport. Required for TCP; unix sockets need none.
	Credentials credentials.TransportCredentials
	// StopTimeout is how long calls under way may take to end when the server stops; those that are left are then
	// broken off. Zero means DefaultStopTimeout.
	StopTimeout time.Duration
	// GRPC are further options, such as interceptors.
	GRPC []grpc.ServerOption
}

// Server serves a driver over gRPC. It accepts messages of up to MaxMessageBytes, 256 calls at once on each connection,
// and pings that come no more often than every 10 s; a connection that is silent for 30 s is pinged, and closed when
// it does not answer within 10 s.
type Server struct {
	grpc        *grpc.Server
	secured     bool
	stopTimeout time.Duration
}

// NewServer returns a server that has not begun to serve. It serves once.
func NewServer(options Options) *Server {
	all := ServerOptions()
	if options.Credentials != nil {
		all = append(all, grpc.Creds(options.Credentials))
	}
	server := &Server{
		grpc:        grpc.NewServer(append(all, options.GRPC...)...),
		secured:     options.Credentials != nil,
		stopTimeout: options.StopTimeout,
	}
	if server.stopTimeout == 0 {
		server.stopTimeout = DefaultStopTimeout
	}
	Register(server.grpc, options.Driver)
	return server
}

// ServerOptions returns the limits and keepalive parameters of the contract, for a gRPC server that one makes oneself.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessageBytes),
		grpc.MaxSendMsgSize(MaxMessageBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.InitialWindowSize(streamWindowBytes),
		grpc.InitialConnWindowSize(connectionWindowBytes),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(
			keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
	}
}

// Serve listens at unix:///path, host:port or tcp://host:port, and serves until ctx ends; then it stops like
// ServeListener. The socket file of a server that is gone is replaced, that of a living one is not; it can be used by
// its owner alone (mode 0600), and is removed at the end.
func (s *Server) Serve(ctx context.Context, address string) error {
	listener, err := s.listen(ctx, address)
	if err != nil {
		return fmt.Errorf("listening at %s: %w", address, err)
	}
	return s.ServeListener(ctx, listener)
}

// ServeListener serves on a listener, which it closes, until ctx ends. Then it accepts no new calls, waits for those
// under way for as long as the stop timeout, breaks off the rest, and returns nil. Over TCP without credentials the
// listener must be one that strangers cannot reach.
func (s *Server) ServeListener(ctx context.Context, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	s.stop()
	if err := <-served; err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// stop stops gracefully, and after the stop timeout at once.
func (s *Server) stop() {
	stopped := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(stopped)
	}()
	timer := time.NewTimer(s.stopTimeout)
	defer timer.Stop()
	select {
	case <-stopped:
		return
	case <-timer.C:
	}
	s.grpc.Stop()
	<-stopped
}

func (s *Server) listen(ctx context.Context, address string) (net.Listener, error) {
	parsed, err := parseEndpoint(address)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	if parsed.network == "tcp" {
		if !s.secured {
			return nil, errors.New("calls carry the credentials of stores, and are not sent over TCP in the clear: " +
				"give the server credentials, or use a unix socket")
		}
		return config.Listen(ctx, "tcp", parsed.address)
	}
	if err := removeStaleSocket(ctx, parsed.address); err != nil {
		return nil, err
	}
	listener, err := config.Listen(ctx, "unix", parsed.address)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(parsed.address, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// removeStaleSocket removes a socket on which nobody listens any more.
func removeStaleSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is not a socket")
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	connection, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(errors.New("another process listens there"), connection.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
