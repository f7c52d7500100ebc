package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	// posters is how many bodies the plain create posts at once.
	posters = 16
	// pageLimit is how many objects the plain list asks for at once.
	pageLimit = "500"
)

// post posts all bodies, as the plainest restore would, and returns how many. Answers are thrown away.
func (p *place) post(ctx context.Context, bodies iter.Seq[body]) (int64, error) {
	var count atomic.Int64
	queue := make(chan body, posters)
	posting, ctx := errgroup.WithContext(ctx)
	for range posters {
		posting.Go(func() error {
			for each := range queue {
				if err := p.postOne(ctx, each); err != nil {
					return err
				}
				count.Add(1)
			}
			return nil
		})
	}
	posting.Go(func() error {
		defer close(queue)
		for each := range bodies {
			select {
			case queue <- each:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err := posting.Wait()
	return count.Load(), err
}

func (p *place) postOne(ctx context.Context, each body) error {
	method, contentType := http.MethodPost, "application/json"
	if each.change {
		method, contentType = http.MethodPatch, "application/merge-patch+json"
	}
	request, err := http.NewRequestWithContext(ctx, method, p.config.Host+each.path, bytes.NewReader(each.json))
	if err != nil {
		return fmt.Errorf("posting to %s: %w", each.path, err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := p.http.Do(request)
	if err != nil {
		return fmt.Errorf("posting to %s: %w", each.path, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusCreated || each.change && response.StatusCode == http.StatusOK {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	const most = 1 << 10
	content, _ := io.ReadAll(io.LimitReader(response.Body, most))
	return fmt.Errorf("posting to %s: %s: %s", each.path, response.Status, content)
}

// collection is where the objects of one kind are.
type collection struct{ path, group, resource string }

// collections asks what the server serves that can be listed and created, as a backup does.
func (p *place) collections(ctx context.Context) ([]collection, error) {
	var found []collection
	for _, root := range []string{"/api", "/apis"} {
		var answer struct {
			Items []struct {
				Metadata struct {
					Name string `json:"name"`
				} `json:"metadata"`
				Versions []struct {
					Version   string `json:"version"`
					Resources []struct {
						Resource string   `json:"resource"`
						Verbs    []string `json:"verbs"`
					} `json:"resources"`
				} `json:"versions"`
			} `json:"items"`
		}
		const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
		if err := p.get(ctx, root, accept, &answer); err != nil {
			return nil, err
		}
		for _, each := range answer.Items {
			path := root + "/" + each.Metadata.Name + "/" + each.Versions[0].Version + "/"
			path = strings.ReplaceAll(path, "//", "/")
			for _, resource := range each.Versions[0].Resources {
				if verbs := strings.Join(resource.Verbs, " "); strings.Contains(verbs, "list") && strings.Contains(verbs, "create") {
					found = append(found, collection{path + resource.Resource, each.Metadata.Name, resource.Resource})
				}
			}
		}
	}
	return found, nil
}

// get reads a small JSON document.
func (p *place) get(ctx context.Context, path, accept string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.config.Host+path, nil)
	if err != nil {
		return fmt.Errorf("getting %s: %w", path, err)
	}
	request.Header.Set("Accept", accept)
	response, err := p.http.Do(request)
	if err != nil {
		return fmt.Errorf("getting %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("getting %s: %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// list reads all pages of the collections, so many at once, and throws the bytes away, of which it returns the number.
func (p *place) list(ctx context.Context, from []collection, atOnce int) (int64, error) {
	var total atomic.Int64
	listing, ctx := errgroup.WithContext(ctx)
	listing.SetLimit(atOnce)
	for _, each := range from {
		listing.Go(func() error {
			token := ""
			for {
				size, next, err := p.page(ctx, each.path, token)
				if err != nil {
					return fmt.Errorf("listing %s: %w", each.path, err)
				}
				total.Add(size)
				if token = next; token == "" {
					return nil
				}
			}
		})
	}
	err := listing.Wait()
	return total.Load(), err
}

// page reads one page. Nothing decodes it: the token of the next one is looked for in its first and its last bytes.
func (p *place) page(ctx context.Context, path, token string) (size int64, next string, err error) {
	query := url.Values{"limit": {pageLimit}}
	if token != "" {
		query.Set("continue", token)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.config.Host+path+"?"+query.Encode(), nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Accept", "application/json")
	response, err := p.http.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return 0, "", errors.New(response.Status)
	}
	kept := &ends{}
	size, err = io.CopyBuffer(kept, onlyReader{response.Body}, make([]byte, 256<<10))
	return size, kept.token(), err
}

// onlyReader hides that a body could write itself.
type onlyReader struct{ io.Reader }

// ends keeps the first and the last bytes of what is written to it.
type ends struct{ first, last []byte }

const endBytes = 4 << 10

// Write implements io.Writer.
func (e *ends) Write(content []byte) (int, error) {
	if room := endBytes - len(e.first); room > 0 {
		e.first = append(e.first, content[:min(room, len(content))]...)
	}
	if len(content) >= endBytes {
		e.last = append(e.last[:0], content[len(content)-endBytes:]...)
	} else {
		e.last = append(e.last, content...)
		e.last = e.last[max(0, len(e.last)-endBytes):]
	}
	return len(content), nil
}

// token returns what asks for the next page. No object of the bench holds these words.
func (e *ends) token() string {
	for _, part := range [][]byte{e.first, e.last} {
		if _, after, found := bytes.Cut(part, []byte(`"continue":"`)); found {
			token, _, _ := bytes.Cut(after, []byte(`"`))
			return string(token)
		}
	}
	return ""
}
