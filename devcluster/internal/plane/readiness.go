package plane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
)

// probe asks an API server, as the administrator, whether it can be used.
type probe struct {
	client *http.Client
	server string
	clock  clock.Clock
}

func newProbe(layout Layout, server string, timers clock.Clock) (probe, error) {
	config, err := clientcmd.BuildConfigFromFlags("", layout.Kubeconfig())
	if err != nil {
		return probe{}, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.Proxy = http.ProxyURL(nil)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return probe{}, fmt.Errorf("making a client: %w", err)
	}
	return probe{client: client, server: server, clock: timers}, nil
}

// untilServing waits until /readyz says ok. Nothing can be watched before the
// server listens, so this asks again and again, at most ten times a second.
func (p probe) untilServing(ctx context.Context) error {
	const longest = 100 * time.Millisecond
	wait := 10 * time.Millisecond
	var last error
	for {
		err := p.ask(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil { // else it tells of the wait's own end
			last = err
		}
		timer := p.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for the API server: %w", cause(ctx, last))
		case <-timer.C():
		}
		wait = min(wait*3/2, longest)
	}
}

func (p probe) ask(ctx context.Context) error {
	response, err := p.get(ctx, "/readyz")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read to its end below
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// untilDefaults waits until the namespace default has its service account:
// then the controllers run. The watch begins with what is there already.
func (p probe) untilDefaults(ctx context.Context) error {
	response, err := p.get(ctx, "/api/v1/namespaces/default/serviceaccounts?watch=true&fieldSelector=metadata.name%3Ddefault")
	if err != nil {
		return fmt.Errorf("watching for the default service account: %w", cause(ctx, err))
	}
	defer func() { _ = response.Body.Close() }() // a watch has no end to read to
	var event struct {
		Type string `json:"type"`
	}
	if err := json.NewDecoder(response.Body).Decode(&event); err != nil {
		return fmt.Errorf("watching for the default service account: %w", cause(ctx, err))
	}
	if event.Type != "ADDED" {
		return fmt.Errorf("watching for the default service account: got the event %q", event.Type)
	}
	return nil
}

func (p probe) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("GET %s: %s", path, response.Status), response.Body.Close())
	}
	return response, nil
}

// cause is why a wait ended: a component's end, or the wait's own with the last answer before it.
func cause(ctx context.Context, last error) error {
	reason := context.Cause(ctx)
	if reason == nil {
		return last
	}
	if ended := (*EndedError)(nil); errors.As(reason, &ended) || last == nil || errors.Is(last, reason) {
		return reason
	}
	return fmt.Errorf("%w (the last answer: %w)", reason, last)
}
