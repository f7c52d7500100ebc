package nfs_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/testkit/nfsserver"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs"
	"github.com/soda-cdm/kahu/providers/nfs/internal/rpc"
)

// The procedures of NFS that the tests do something to.
const (
	getAttr     = 1
	lookup      = 3
	read        = 6
	write       = 7
	create      = 8
	mkdir       = 9
	remove      = 12
	rename      = 14
	link        = 15
	readDirPlus = 17
	fsInfo      = 19
	commit      = 21
)

// fault is what becomes of an answer: one of those below, or another answer, which is the number of a state.
type fault int

const (
	closed  fault = -iota - 1 // The connection ends before it.
	cut                       // The connection ends in its middle.
	hung                      // It never comes, and nothing else does.
	changed                   // Its last byte is another one.
)

// proxy is between a driver and a server, and loses answers.
type proxy struct {
	t        *testing.T
	listener net.Listener
	target   string

	mu     sync.Mutex
	lose   map[uint32]fault    // The next answer to a procedure.
	states map[uint32][]uint32 // What the server has answered to procedures.
}

// startProxy starts a proxy before a server.
func startProxy(t *testing.T, server *nfsserver.Server) *proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(server.Address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		t: t, listener: listener, target: net.JoinHostPort(server.Address, strconv.Itoa(server.Port)),
		lose: map[uint32]fault{}, states: map[uint32][]uint32{},
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.carry(connection) })
		}
	})
	return p
}

// attributes returns those of a location behind the proxy.
func (p *proxy) attributes(server *nfsserver.Server, more provider.Attributes) provider.Attributes {
	attributes := attributesOf(server, more)
	_, attributes[nfs.AttributePort], _ = net.SplitHostPort(p.listener.Addr().String())
	return attributes
}

// loseNext loses the next answer to a procedure.
func (p *proxy) loseNext(procedure uint32, how fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose[procedure] = how
	clear(p.states)
}

// isLost tells whether the answer was lost.
func (p *proxy) isLost(procedure uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, waits := p.lose[procedure]
	return !waits
}

// answers returns what the server has answered to a procedure.
func (p *proxy) answers(procedure uint32) []uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.states[procedure])
}

// carry carries messages between a client and the server.
func (p *proxy) carry(client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(p.t.Context(), "tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	var mu sync.Mutex
	procedures := map[uint32]uint32{}
	var calls sync.WaitGroup
	calls.Go(func() {
		defer server.Close()
		for {
			call, err := rpc.ReadRecord(client)
			if err != nil {
				return
			}
			mu.Lock()
			procedures[word(call, 0)] = word(call, 5)
			mu.Unlock()
			if _, err := server.Write(marked(call)); err != nil {
				return
			}
		}
	})
	for {
		reply, err := rpc.ReadRecord(server)
		if err != nil {
			break
		}
		mu.Lock()
		procedure := procedures[word(reply, 0)]
		mu.Unlock()
		if !p.deliver(client, procedure, reply) {
			break
		}
	}
	_ = client.Close()
	calls.Wait()
}

// deliver hands a reply to the client, and tells whether the connection goes on.
func (p *proxy) deliver(client net.Conn, procedure uint32, reply []byte) bool {
	p.mu.Lock()
	how, loses := p.lose[procedure]
	delete(p.lose, procedure)
	p.states[procedure] = append(p.states[procedure], word(reply, 6))
	p.mu.Unlock()
	whole := marked(reply)
	switch {
	case !loses:
		_, err := client.Write(whole)
		return err == nil
	case how >= 0:
		const head = 24
		_, err := client.Write(marked(binary.BigEndian.AppendUint32(reply[:head:head], uint32(how))))
		return err == nil
	case how == changed:
		whole[len(whole)-1]++
		_, err := client.Write(whole)
		return err == nil
	case how == cut:
		_, _ = client.Write(whole[:len(whole)/2])
	case how == hung:
		_, _ = io.Copy(io.Discard, client) // Until the client gives up.
	}
	return false
}

func word(message []byte, i int) uint32 {
	if len(message) < 4*i+4 {
		return 0
	}
	return binary.BigEndian.Uint32(message[4*i:])
}

func marked(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))|1<<31), message...)
}

// impatient is a driver that gives up soon.
func impatient(t *testing.T) *nfs.Store {
	t.Helper()
	return newStore(t, nfs.Options{Silence: 300 * time.Millisecond, Patience: 20 * time.Second})
}
