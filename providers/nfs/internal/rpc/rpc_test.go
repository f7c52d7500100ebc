package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/providers/nfs/internal/rpc"
	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// words returns a message of numbers.
func words(values ...uint32) []byte {
	var e xdr.Encoder
	for _, value := range values {
		e.Uint32(value)
	}
	return e.Bytes()
}

// pieces returns a record of several pieces.
func pieces(parts ...string) []byte {
	var record []byte
	for i, part := range parts {
		mark := uint32(len(part))
		if i == len(parts)-1 {
			mark |= 1 << 31
		}
		record = append(binary.BigEndian.AppendUint32(record, mark), part...)
	}
	return record
}

func TestRecord(t *testing.T) {
	for name, test := range map[string]struct {
		stream []byte
		want   string
		err    error
	}{
		"one piece":        {pieces("hello"), "hello", nil},
		"several pieces":   {pieces("he", "l", "lo"), "hello", nil},
		"an empty one":     {pieces(""), "", nil},
		"an empty end":     {pieces("hello", ""), "hello", nil},
		"an endless one":   {pieces("a", "", "b"), "", xdr.ErrMalformed},
		"a huge piece":     {[]byte{0xff, 0xff, 0xff, 0xff}, "", xdr.ErrMalformed},
		"many pieces":      {bytes.Repeat(pieces(string(make([]byte, 1<<20)), "")[:4+1<<20], 3), "", xdr.ErrMalformed},
		"a mark cut short": {[]byte{0x80, 0}, "", io.ErrUnexpectedEOF},
		"cut short":        {pieces("hello")[:7], "", io.ErrUnexpectedEOF},
		"nothing":          {nil, "", io.EOF},
	} {
		got, err := rpc.ReadRecord(bytes.NewReader(test.stream))
		if !errors.Is(err, test.err) || string(got) != test.want {
			t.Errorf("%s: got %q, %v; want %q, %v", name, got, err, test.want, test.err)
		}
	}
}

func TestReply(t *testing.T) {
	for name, test := range map[string]struct {
		reply                    []byte
		refused, auth, malformed bool
	}{
		"success":                {reply: words(7, 1, 0, 0, 0, 0)},
		"a call":                 {reply: words(7, 0, 0, 0, 0, 0), malformed: true},
		"cut short":              {reply: words(7, 1, 0, 0), malformed: true},
		"neither":                {reply: words(7, 1, 2, 0, 0, 0), malformed: true},
		"another version":        {reply: words(7, 1, 0, 0, 0, 2, 2, 2), refused: true},
		"no such state":          {reply: words(7, 1, 0, 0, 0, 4000000000), refused: true},
		"denied for its version": {reply: words(7, 1, 1, 0, 2, 2), refused: true},
		"denied for who calls":   {reply: words(7, 1, 1, 1, 5), refused: true, auth: true},
		"denied for no reason":   {reply: words(7, 1, 1, 9, 5), refused: true},
		"a long verifier":        {reply: words(7, 1, 0, 0, 401), malformed: true},
	} {
		id, err := rpc.ReadReply(xdr.NewDecoder(test.reply))
		refused, isRefused := errors.AsType[*rpc.RefusedError](err)
		if id != 7 || isRefused != test.refused || errors.Is(err, xdr.ErrMalformed) != test.malformed {
			t.Errorf("%s: got %v", name, err)
		}
		if isRefused && refused.Auth != test.auth {
			t.Errorf("%s: it is %v that who calls is not accepted", name, refused.Auth)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add(words(7, 1, 0, 0, 0, 0))
	f.Add(words(7, 1, 0, 0, 0, 2, 2, 2))
	f.Add(words(7, 1, 1, 1, 5))
	f.Fuzz(func(t *testing.T, reply []byte) {
		d := xdr.NewDecoder(reply)
		if _, err := rpc.ReadReply(d); err == nil && len(reply) < 24 {
			t.Errorf("%d bytes are a reply", len(reply))
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(pieces("hello"))
	f.Add(pieces("he", "l", "lo"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		record, err := rpc.ReadRecord(bytes.NewReader(stream))
		if err == nil && len(record)+4 > len(stream) {
			t.Errorf("%d bytes were read of %d", len(record), len(stream))
		}
	})
}

// answering is a server that a test writes: it gets each call over each connection.
func answering(t *testing.T, answer func(connection net.Conn, number int, call []byte) bool) *rpc.Client {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for number := 0; ; number++ {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer connection.Close()
				for {
					call, err := rpc.ReadRecord(connection)
					if err != nil || !answer(connection, number, call) {
						return
					}
				}
			})
		}
	})
	client := rpc.NewClient(rpc.Options{
		Address: listener.Addr().String(), Dial: (&net.Dialer{}).DialContext,
		Silence: 200 * time.Millisecond, Patience: 5 * time.Second,
	})
	t.Cleanup(func() {
		client.Disconnect()
		_ = listener.Close()
		running.Wait()
	})
	return client
}

// succeed answers a call with a number.
func succeed(connection net.Conn, call []byte, value uint32) bool {
	reply := words(binary.BigEndian.Uint32(call), 1, 0, 0, 0, 0, value)
	_, err := connection.Write(pieces(string(reply)))
	return err == nil
}

// TestCallsAtOnce makes many calls at once, whose answers come in another order and among others.
func TestCallsAtOnce(t *testing.T) {
	const calls = 40
	var mu sync.Mutex
	var waiting [][]byte
	client := answering(t, func(connection net.Conn, _ int, call []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if waiting = append(waiting, call); len(waiting) < calls {
			return true
		}
		for i := range waiting {
			last := waiting[calls-1-i]
			_ = succeed(connection, append([]byte{0xff, 0xff, 0xff, 0xff}, last[4:]...), 0) // An answer to nobody.
			_ = succeed(connection, last, binary.BigEndian.Uint32(last[len(last)-4:]))
		}
		return true
	})
	var all sync.WaitGroup
	for i := range uint32(calls) {
		all.Go(func() {
			reply, err := client.Call(t.Context(), rpc.Procedure{}, func(e *xdr.Encoder) { e.Uint32(i) })
			if err != nil || reply.Uint32() != i {
				t.Errorf("call %d: it has the answer to another one, or %v", i, err)
			}
		})
	}
	all.Wait()
}

// TestSentAgain has connections that break in several ways before one works. The call has the same id each time.
func TestSentAgain(t *testing.T) {
	var mu sync.Mutex
	var ids []uint32
	client := answering(t, func(connection net.Conn, number int, call []byte) bool {
		mu.Lock()
		ids = append(ids, binary.BigEndian.Uint32(call))
		mu.Unlock()
		switch number {
		case 0:
			return false
		case 1:
			_, _ = connection.Write([]byte{0x80, 0, 0, 99, 1})
			return false
		case 2:
			_, _ = connection.Write([]byte{0xff, 0xff, 0xff, 0xff})
			return true
		case 3:
			return true // Silence.
		default:
			return succeed(connection, call, 5)
		}
	})
	reply, err := client.Call(t.Context(), rpc.Procedure{}, nil)
	if err != nil || reply.Uint32() != 5 {
		t.Fatalf("got %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if same := slices.Compact(slices.Clone(ids)); len(ids) != 5 || len(same) != 1 {
		t.Errorf("the call was sent with the ids %v, want five times one", ids)
	}
}

// TestSlowButAlive has a server that lets one call wait for long and answers others meanwhile.
func TestSlowButAlive(t *testing.T) {
	var mu sync.Mutex
	var slow []byte
	count := 0
	client := answering(t, func(connection net.Conn, number int, call []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if number > 0 {
			t.Error("the connection was given up")
		}
		if slow == nil {
			slow = call
			return true
		}
		if count++; count == 10 {
			_ = succeed(connection, slow, 1)
		}
		return succeed(connection, call, 2)
	})
	ended := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		_, err := client.Call(t.Context(), rpc.Procedure{}, func(*xdr.Encoder) { close(begun) })
		ended <- err
	}()
	<-begun
	for range 11 {
		if rpc.Pause(t.Context(), 60*time.Millisecond) != nil {
			t.Fatal("the test has ended")
		}
		if _, err := client.Call(t.Context(), rpc.Procedure{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestEndOfContext(t *testing.T) {
	got := make(chan struct{}, 10)
	client := answering(t, func(net.Conn, int, []byte) bool {
		got <- struct{}{}
		return true
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-got
		cancel()
	}()
	if _, err := client.Call(ctx, rpc.Procedure{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestPatienceEnds(t *testing.T) {
	client := rpc.NewClient(rpc.Options{
		Address: "127.0.0.1:1", Dial: (&net.Dialer{}).DialContext, Silence: time.Second, Patience: 100 * time.Millisecond,
	})
	if _, err := client.Call(t.Context(), rpc.Procedure{}, nil); !errors.Is(err, rpc.ErrLost) {
		t.Errorf("got %v, want %v", err, rpc.ErrLost)
	}
}
