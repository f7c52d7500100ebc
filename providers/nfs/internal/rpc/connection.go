// Package rpc is a client of ONC remote procedure calls, version 2 (RFC 5531), over TCP.
//
// A Connection carries many calls at once and matches the replies to them. When it breaks, every call under way ends
// with ErrLost: whether the server has carried it out nobody knows. A Client (client.go) connects again and repeats.
package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// ErrLost means that no answer came, or will come, over a connection.
var ErrLost = errors.New("the connection to the server is lost")

const readBufferBytes = 64 << 10

// Connection is a connection to a server.
type Connection struct {
	conn net.Conn
	// silence is how long the server may say nothing while it owes an answer.
	silence time.Duration
	writing chan struct{} // Holds one value while somebody writes.
	ended   chan struct{} // Closed when nothing more will be read.

	mu       sync.Mutex
	waiting  map[uint32]chan<- []byte // Each has room for its reply. Nil when the connection has ended.
	received uint64                   // How many replies have come.
	broken   error                    // Why it has ended.
}

// newConnection begins to read from a connection. Close ends it.
func newConnection(conn net.Conn, silence time.Duration) *Connection {
	c := &Connection{
		conn: conn, silence: silence, writing: make(chan struct{}, 1), ended: make(chan struct{}),
		waiting: map[uint32]chan<- []byte{},
	}
	go c.read()
	return c
}

// Close ends the connection, the calls under way with it, and returns when nobody reads from it any more.
func (c *Connection) Close() {
	_ = c.conn.Close()
	<-c.ended
}

// isBroken tells whether a call would have no chance.
func (c *Connection) isBroken() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// read hands the replies to those who wait for them, until the connection ends. Replies that nobody waits for any more
// are dropped.
func (c *Connection) read() {
	defer close(c.ended)
	reader := bufio.NewReaderSize(c.conn, readBufferBytes)
	var err error
	for {
		var record []byte
		if record, err = ReadRecord(reader); err != nil {
			break
		}
		id := xdr.NewDecoder(record).Uint32()
		c.mu.Lock()
		c.received++
		reply, waits := c.waiting[id]
		delete(c.waiting, id)
		c.mu.Unlock()
		if waits {
			reply <- record
		}
	}
	_ = c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.broken = nil, err
}

// call sends a message and returns the reply to it, or an error that wraps ErrLost, or the one of the context.
func (c *Connection) call(ctx context.Context, id uint32, message []byte) ([]byte, error) {
	reply := make(chan []byte, 1)
	c.mu.Lock()
	if c.waiting == nil {
		c.mu.Unlock()
		return nil, c.lost()
	}
	c.waiting[id] = reply
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, id)
	}()
	if err := c.send(ctx, message); err != nil {
		return nil, err
	}
	return c.await(ctx, reply)
}

// send writes a message. What is written in part leaves the connection of no use.
func (c *Connection) send(ctx context.Context, message []byte) error {
	head, err := mark(message)
	if err != nil {
		return err
	}
	select {
	case c.writing <- struct{}{}:
	case <-c.ended:
		return c.lost()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.writing }()
	// Whoever gives up while the server takes nothing must not wait for it.
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetWriteDeadline(time.Unix(1, 0)) })
	timer := time.AfterFunc(c.silence, func() { _ = c.conn.SetWriteDeadline(time.Unix(1, 0)) })
	buffers := net.Buffers{head, message}
	_, err = buffers.WriteTo(c.conn)
	inTime := stop()
	inTime = timer.Stop() && inTime
	if err == nil && inTime {
		return nil
	}
	_ = c.conn.Close()
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	return fmt.Errorf("%w: sending a call: %w", ErrLost, errors.Join(err, errSilent))
}

// errSilent is why a connection is given up over which nothing comes.
var errSilent = errors.New("the server has been silent for too long")

// await waits for a reply. A server that sends replies to others is alive, and has its time.
func (c *Connection) await(ctx context.Context, reply <-chan []byte) ([]byte, error) {
	before := c.replies()
	timer := time.NewTimer(c.silence)
	defer timer.Stop()
	for {
		select {
		case record := <-reply:
			return record, nil
		case <-c.ended:
			select {
			case record := <-reply: // It came just before the end.
				return record, nil
			default:
				return nil, c.lost()
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			now := c.replies()
			if now == before {
				c.Close()
				return nil, fmt.Errorf("%w: %w", ErrLost, errSilent)
			}
			before = now
			timer.Reset(c.silence)
		}
	}
}

func (c *Connection) replies() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received
}

// lost returns the error of a connection that has ended.
func (c *Connection) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Errorf("%w: %w", ErrLost, c.broken)
}
