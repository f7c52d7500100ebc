// Package port finds free TCP ports on loopback and keeps them.
//
// The usual way, to listen on port 0, close, and hand the number on, loses the
// port to anybody who asks in between. Here the socket stays bound as long as
// the cluster lives: nobody else is given the port, and the API server binds
// it a second time through SO_REUSEPORT (its flag --permit-port-sharing).
// A socket that is bound and does not listen takes no connections away.
package port

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Hold is a TCP port of 127.0.0.1 that is kept until Release.
type Hold struct {
	socket int
	number int
}

// Take holds the preferred port, or any other free one if that is taken or 0.
// Only processes of the same user that set SO_REUSEPORT can bind a held port.
func Take(preferred int) (*Hold, error) {
	hold, err := take(preferred)
	if preferred != 0 && errors.Is(err, unix.EADDRINUSE) {
		return take(0)
	}
	return hold, err
}

// Number is the port's number.
func (h *Hold) Number() int {
	return h.number
}

// Release gives the port back.
func (h *Hold) Release() error {
	return unix.Close(h.socket)
}

func take(number int) (*Hold, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	number, err = bind(socket, number)
	if err != nil {
		return nil, errors.Join(err, unix.Close(socket))
	}
	return &Hold{socket: socket, number: number}, nil
}

// bind binds exclusively first and permits sharing afterwards: so two holds
// never share a port, and a hold and its API server do.
func bind(socket, number int) (int, error) {
	loopback := [4]byte{127, 0, 0, 1}
	if err := unix.Bind(socket, &unix.SockaddrInet4{Port: number, Addr: loopback}); err != nil {
		return 0, fmt.Errorf("binding 127.0.0.1:%d: %w", number, err)
	}
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, fmt.Errorf("permitting the API server to share the port: %w", err)
	}
	address, err := unix.Getsockname(socket)
	if err != nil {
		return 0, fmt.Errorf("reading the socket's address: %w", err)
	}
	inet, ok := address.(*unix.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("reading the socket's address: %T is not an IPv4 address", address)
	}
	return inet.Port, nil
}
