package port_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/devcluster/internal/port"
)

func take(t *testing.T, preferred int) *port.Hold {
	t.Helper()
	hold, err := port.Take(preferred)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hold.Release() })
	return hold
}

func listen(t *testing.T, number int, config net.ListenConfig) error {
	t.Helper()
	listener, err := config.Listen(t.Context(), "tcp4", fmt.Sprintf("127.0.0.1:%d", number))
	if err == nil {
		err = listener.Close()
	}
	return err
}

// sharing is how the API server listens with --permit-port-sharing.
func sharing() net.ListenConfig {
	return net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return joinControl(c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}), &err)
	}}
}

func joinControl(err error, inner *error) error {
	if err != nil {
		return err
	}
	return *inner
}

func TestHeldPortIsForSharersOnly(t *testing.T) {
	hold := take(t, 0)
	if err := listen(t, hold.Number(), net.ListenConfig{}); err == nil {
		t.Error("a stranger could listen on the held port")
	}
	if err := listen(t, hold.Number(), sharing()); err != nil {
		t.Errorf("the API server could not listen on its port: %v", err)
	}
}

func TestAllConnectionsGoToTheListener(t *testing.T) {
	hold := take(t, 0)
	config := sharing()
	listener, err := config.Listen(t.Context(), "tcp4", fmt.Sprintf("127.0.0.1:%d", hold.Number()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for range 50 {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", listener.Addr().String())
		if err != nil {
			t.Fatalf("a connection was lost to the holder: %v", err)
		}
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = connection.Close(), accepted.Close()
	}
}

func TestPreferredPort(t *testing.T) {
	first, err := port.Take(0)
	if err != nil {
		t.Fatal(err)
	}
	number := first.Number()
	if second := take(t, number); second.Number() == number {
		t.Error("two hold the same port")
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if third := take(t, number); third.Number() != number {
		t.Errorf("got %d, want the preferred %d, which is free", third.Number(), number)
	}
}

func TestTakersAtOnceGetDifferentPorts(t *testing.T) {
	const takers = 64
	var (
		lock  sync.Mutex
		seen  = map[int]bool{}
		group sync.WaitGroup
	)
	ctx, begin := context.WithCancel(t.Context())
	for range takers {
		group.Go(func() {
			<-ctx.Done()
			hold, err := port.Take(0)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = hold.Release() })
			lock.Lock()
			defer lock.Unlock()
			seen[hold.Number()] = true
		})
	}
	begin()
	group.Wait()
	if len(seen) != takers {
		t.Errorf("%d takers got %d ports", takers, len(seen))
	}
}
