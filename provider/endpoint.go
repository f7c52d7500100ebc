package provider

import (
	"fmt"
	"strings"
	"time"
)

const (
	// ChunkBytes is the largest piece of content in one message, in both directions.
	ChunkBytes = 1 << 20
	// MaxMessageBytes is the largest message that server and client accept.
	MaxMessageBytes = 4 << 20

	// How much content one call and one connection may have on its way, so that a long line is kept full.
	streamWindowBytes     = 4 << 20
	connectionWindowBytes = 16 << 20

	// A connection without traffic is probed after pingAfter, and given up pingTimeout later. A client pings over TCP
	// only: a unix socket tells when the other side dies, and a driver that is not ours may close a connection
	// that is pinged. A server bears pings that come no more often than minPingInterval.
	pingAfter       = 30 * time.Second
	pingTimeout     = 10 * time.Second
	minPingInterval = 10 * time.Second
)

// endpoint is a parsed address.
type endpoint struct {
	// network is "unix" or "tcp".
	network string
	// address is a path for unix, host:port for tcp.
	address string
}

// parseEndpoint understands unix:///path, tcp://host:port and host:port.
func parseEndpoint(text string) (endpoint, error) {
	if path, ok := strings.CutPrefix(text, "unix://"); ok {
		if !strings.HasPrefix(path, "/") {
			return endpoint{}, fmt.Errorf("endpoint %q: the path of a unix socket is absolute (unix:///path): %w",
				text, ErrInvalidArgument)
		}
		return endpoint{network: "unix", address: path}, nil
	}
	address := strings.TrimPrefix(text, "tcp://")
	if !strings.Contains(address, ":") || strings.Contains(address, "/") {
		return endpoint{}, fmt.Errorf("endpoint %q is neither unix:///path nor host:port: %w",
			text, ErrInvalidArgument)
	}
	return endpoint{network: "tcp", address: address}, nil
}
