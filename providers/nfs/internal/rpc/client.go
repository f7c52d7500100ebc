package rpc

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// Options say what a Client talks to, and how long it is patient.
type Options struct {
	// Address is that of the server, host:port.
	Address string
	// Credential says who calls.
	Credential Credential
	// Dial connects to the server. Required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Silence is how long a server may say nothing at all while it owes an answer, before the connection is given up.
	// Required.
	Silence time.Duration
	// Patience is how long a call is tried, over as many connections as it takes. Required.
	Patience time.Duration
}

const (
	// maxCalls is how many calls a client has under way; further ones wait.
	maxCalls = 64
	// firstPause and maxPause bound how long it waits before it connects again.
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// Client calls a server, over one connection that it makes when it needs it, and again when it breaks.
//
// A call whose connection breaks is sent again, with the same id: the server may therefore carry it out twice, and the
// caller must not be led astray by the answer to the second.
type Client struct {
	options Options
	nextID  atomic.Uint32
	places  chan struct{} // Has a value for each call under way.

	connecting chan struct{} // Holds one value while somebody connects.
	made       atomic.Uint64 // How many connections it has made.
	mu         sync.Mutex
	connection *Connection
}

// NewClient returns a client. It connects with the first call.
func NewClient(options Options) *Client {
	c := &Client{
		options: options, places: make(chan struct{}, maxCalls), connecting: make(chan struct{}, 1),
	}
	var seed [4]byte
	_, _ = rand.Read(seed[:]) // It never fails. Ids of an earlier process must not come again.
	c.nextID.Store(binary.BigEndian.Uint32(seed[:]))
	return c
}

// Disconnect closes the connection. The next call makes another one.
func (c *Client) Disconnect() {
	c.mu.Lock()
	connection := c.connection
	c.connection = nil
	c.mu.Unlock()
	if connection != nil {
		connection.Close()
	}
}

// Connections returns how many connections the client has made. A server that was started anew has another one.
func (c *Client) Connections() uint64 { return c.made.Load() }

// Call calls a procedure and returns the decoder of its results. The error is a RefusedError, or wraps ErrLost when
// there was no answer within the client's patience, xdr.ErrMalformed, or the error of the context.
func (c *Client) Call(ctx context.Context, procedure Procedure, arguments func(*xdr.Encoder)) (*xdr.Decoder, error) {
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	id := c.nextID.Add(1)
	message := encodeCall(id, procedure, c.options.Credential, arguments)
	patient, cancel := context.WithTimeout(ctx, c.options.Patience)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		record, err := c.try(patient, id, message)
		if err == nil {
			reply := xdr.NewDecoder(record)
			_, err = ReadReply(reply)
			return reply, err
		}
		if ended := ctx.Err(); ended != nil {
			return nil, ended
		}
		if !errors.Is(err, ErrLost) && patient.Err() == nil {
			return nil, err
		}
		if Pause(patient, pause) != nil {
			return nil, fmt.Errorf("%w: no answer within %s: %w", ErrLost, c.options.Patience, err)
		}
	}
}

// try sends a message once.
func (c *Client) try(ctx context.Context, id uint32, message []byte) ([]byte, error) {
	connection, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	return connection.call(ctx, id, message)
}

// connect returns the connection, and makes a new one where it is broken.
func (c *Client) connect(ctx context.Context) (*Connection, error) {
	select {
	case c.connecting <- struct{}{}:
		defer func() { <-c.connecting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	connection := c.connection
	c.mu.Unlock()
	if connection != nil && !connection.isBroken() {
		return connection, nil
	}
	dialing, cancel := context.WithTimeout(ctx, c.options.Silence)
	defer cancel()
	conn, err := c.options.Dial(dialing, "tcp", c.options.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	}
	c.made.Add(1)
	connection = newConnection(conn, c.options.Silence)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connection = connection
	return connection, nil
}

// Pause waits, or returns the error of a context that ends before.
func Pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
