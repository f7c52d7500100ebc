package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/locate"
	"github.com/soda-cdm/kahu/provider"
)

const (
	// connectionsLimit is how many connections a Pool keeps. The one that was not asked for the longest is closed first.
	connectionsLimit = 64
	// connectTimeout bounds one attempt to connect, and reconnectPause the time between two.
	connectTimeout = 5 * time.Second
	reconnectPause = 2 * time.Second
)

var (
	errClosed     = errors.New("the pool of connections is closed")
	errClientOnly = errors.New("these credentials are a client's")
)

// Endpoint is where a meta-service can be reached: the address, and the name that its certificate must carry.
type Endpoint struct {
	// Address is host:port.
	Address string
	// ServerName is the DNS name in the server's certificate.
	ServerName string
}

// TLSSource returns the configuration of one handshake with the server of that name. It is asked for every handshake,
// so that renewed certificates are used.
type TLSSource func(serverName string) (*tls.Config, error)

// Pool holds connections to meta-services, one for each endpoint. Connections are made when the first call needs
// them, and made again when they were lost. It can be used by many goroutines at once.
type Pool struct {
	source  TLSSource
	options Options
	dial    []grpc.DialOption

	mutex sync.Mutex
	links map[Endpoint]*link // Nil once the pool is closed; guarded by mutex.
	turns uint64             // Counts the uses of links; guarded by mutex.
	moves map[spot]*moving   // Where each location was found last; guarded by mutex.
}

// spot is a location behind a meta-service that proves its name, wherever it is.
type spot struct{ location, serverName string }

// spotsLimit is how many of them a Pool keeps. When there are more, Stores that were made before do not move any more.
const spotsLimit = 1024

// link is a connection with what the Stores that use it share.
type link struct {
	connection *grpc.ClientConn
	client     *provider.Client
	abilities  *abilities
	places     places
	used       uint64 // The turn in which it was last asked for.
}

// NewPool returns a pool without connections. The options are those of its Stores: Prefix and Attributes must be empty,
// and the limit of transfers counts for each endpoint; dial are further options of its connections, such as
// interceptors. The caller closes the pool.
func NewPool(source TLSSource, options Options, dial ...grpc.DialOption) *Pool {
	return &Pool{source: source, options: options.completed(), dial: dial, links: map[Endpoint]*link{}, moves: map[spot]*moving{}}
}

// Location returns the Store of the backup location of that name, behind the meta-service at that endpoint. It makes no
// call: whether the location and the driver are there shows when the Store is used. The Stores of a location move with
// it: when a meta-service of the same name is asked for at another endpoint, they go on there.
func (p *Pool) Location(name string, endpoint Endpoint) (*Store, error) {
	if name == "" || endpoint.Address == "" || endpoint.ServerName == "" {
		return nil, fmt.Errorf("reaching location %q at %q as %q: a name is empty: %w",
			name, endpoint.Address, endpoint.ServerName, core.ErrInvalid)
	}
	to, err := p.link(endpoint)
	if err != nil {
		return nil, fmt.Errorf("reaching location %s at %s: %w", name, endpoint.Address, err)
	}
	options := p.options
	options.Attributes = locate.Attributes(name)
	moving := p.move(spot{name, endpoint.ServerName}, to)
	return newStore(moving, moving, to.places, options), nil
}

// move notes where a location is now.
func (p *Pool) move(at spot, to *link) *moving {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	found := p.moves[at]
	if found == nil {
		if len(p.moves) >= spotsLimit {
			clear(p.moves)
		}
		found = &moving{}
		p.moves[at] = found
	}
	found.link.Store(to)
	return found
}

// Close closes all connections. Calls that are under way fail.
func (p *Pool) Close() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var errs []error
	for _, each := range p.links {
		errs = append(errs, each.connection.Close())
	}
	p.links = nil
	return errors.Join(errs...)
}

// link returns the connection to the endpoint.
func (p *Pool) link(endpoint Endpoint) (*link, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.links == nil {
		return nil, errClosed
	}
	p.turns++
	if found := p.links[endpoint]; found != nil {
		found.used = p.turns
		return found, nil
	}
	connection, err := provider.Dial(endpoint.Address, slices.Concat(p.dial, []grpc.DialOption{
		grpc.WithTransportCredentials(&renewedTLS{source: p.source, serverName: endpoint.ServerName}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: firstPause, Multiplier: 2, Jitter: 0.2, MaxDelay: reconnectPause},
			MinConnectTimeout: connectTimeout,
		}),
	})...)
	if err != nil {
		return nil, classed(err)
	}
	client := provider.NewClient(connection)
	made := &link{
		connection: connection,
		client:     client,
		abilities:  &abilities{provider: client, clock: p.options.Clock},
		places:     newPlaces(p.options.Transfers),
		used:       p.turns,
	}
	p.evict()
	p.links[endpoint] = made
	return made, nil
}

// evict makes room for one more connection: a meta-service that comes back elsewhere leaves its old one behind.
func (p *Pool) evict() {
	if len(p.links) < connectionsLimit {
		return
	}
	var oldest Endpoint
	least := p.turns
	for endpoint, each := range p.links {
		if each.used < least {
			oldest, least = endpoint, each.used
		}
	}
	_ = p.links[oldest].connection.Close() // Nobody is left to be told.
	delete(p.links, oldest)
}

// renewedTLS are transport credentials that ask for their configuration at every handshake.
type renewedTLS struct {
	source     TLSSource
	serverName string
}

// ClientHandshake implements credentials.TransportCredentials. gRPC verifies the authority that it is given and not the
// name in the configuration; its own authority is the address, which proves nothing.
func (r *renewedTLS) ClientHandshake( //nolint:ireturn // The interface of gRPC wants its own.
	ctx context.Context, _ string, connection net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	config, err := r.source(r.serverName)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the client's certificate: %w", err)
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, r.serverName, connection)
}

// ServerHandshake implements credentials.TransportCredentials.
func (r *renewedTLS) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) { //nolint:ireturn // The interface of gRPC wants its own.
	return nil, nil, errClientOnly
}

// Info implements credentials.TransportCredentials.
func (r *renewedTLS) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (r *renewedTLS) Clone() credentials.TransportCredentials { //nolint:ireturn // The interface of gRPC wants its own.
	return &renewedTLS{source: r.source, serverName: r.serverName}
}

// OverrideServerName implements credentials.TransportCredentials. The name stays as it is: it is what we trust.
func (r *renewedTLS) OverrideServerName(string) error { return nil }
