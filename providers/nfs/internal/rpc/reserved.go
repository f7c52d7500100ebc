package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// The ports that only a process with the right to use them can connect from; those further down belong to services.
const firstReserved, lastReserved = 665, 1023

// DialReserved connects from a port below 1024. It is a server's sign that who asks is the machine and not one of its
// users.
func DialReserved(ctx context.Context, network, address string) (net.Conn, error) {
	for port := lastReserved; port >= firstReserved; port-- {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{Port: port}}
		conn, err := dialer.DialContext(ctx, network, address)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return conn, err
		}
	}
	return nil, fmt.Errorf("all ports from %d to %d are in use: %w", firstReserved, lastReserved, syscall.EADDRINUSE)
}
