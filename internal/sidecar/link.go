package sidecar

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"

	"github.com/soda-cdm/kahu/provider"
)

const (
	// firstPause and longestPause bound the time between two attempts to reach the driver.
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
	// connectTime bounds one attempt.
	connectTime = 5 * time.Second
)

// link is the connection to the driver.
type link struct {
	connection *grpc.ClientConn
	client     *provider.Client
}

// dial prepares the connection. The driver need not be there.
func dial(endpoint string) (*link, error) {
	connection, err := provider.Dial(endpoint, grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: firstPause, Multiplier: 2, Jitter: 0.2, MaxDelay: longestPause},
		MinConnectTimeout: connectTime,
	}))
	if err != nil {
		return nil, err
	}
	return &link{connection: connection, client: provider.NewClient(connection)}, nil
}

// watch keeps the connection connected, and tells each change of whether it is, until the context ends. What was not
// taken yet is replaced: the last state counts.
func (l *link) watch(ctx context.Context, changes chan<- struct{}) {
	connected := false
	for {
		current := l.connection.GetState()
		if current == connectivity.Idle {
			l.connection.Connect()
		}
		if now := current == connectivity.Ready; now != connected {
			connected = now
			select {
			case changes <- struct{}{}:
			default: // One is waiting to be taken.
			}
		}
		if !l.connection.WaitForStateChange(ctx, current) {
			return
		}
	}
}
