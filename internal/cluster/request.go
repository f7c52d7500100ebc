package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	firstWait = 100 * time.Millisecond
	// longestWait is the longest wait between two attempts where the server gives no advice, longestAdvice where it
	// does.
	longestWait   = 5 * time.Second
	longestAdvice = 30 * time.Second
	// maxAnswer bounds an answer that is held as a whole, in bytes: an object, or the description of all kinds.
	maxAnswer = 64 << 20
	// maxRefusal bounds what is read of the explanation of an error.
	maxRefusal = 1 << 20

	acceptJSON = "application/json"
	// The other two ask for less than the object, and take the object from a server that cannot do it.
	acceptMetadata     = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
	acceptMetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)

// request is one request to the API server, which may be sent several times.
//
// A request that only reads, or that names the version which it changes, does no harm when it is sent again: it is,
// after 429, any 5xx but 501, and when the connection fails. A creation is sent again only where it is known that it
// had no effect: after 429, after 503 with Retry-After, after a conflict (over a quota, which counts objects that
// are created side by side) and where no connection came about.
type request struct {
	method string
	path   string
	query  url.Values
	accept string
	body   []byte
	// contentType is that of the body, where it is not JSON as such, which empty means.
	contentType string
	// attempts bounds how often the request is sent, where that is less than the client's own bound; 0 means that one.
	attempts int
	// timeout is the deadline where it is not the client's own, which 0 means.
	timeout time.Duration
}

// answer is the body of an answer with status 2xx. It must be closed.
type answer struct {
	io.ReadCloser

	contentType string
	cancel      context.CancelFunc
}

// Close gives the rest of the answer up.
func (a *answer) Close() error {
	err := a.ReadCloser.Close()
	a.cancel()
	return err
}

// send sends the request until it is answered with 2xx, or fails for good. Errors are of type *failure, or those of
// the context.
func (c *Client) send(ctx context.Context, r request) (*answer, error) {
	attempts := orDefault(r.attempts, c.attempts)
	for attempt := 1; ; attempt++ {
		body, failed := c.sendOnce(ctx, r)
		if failed == nil {
			return body, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if attempt >= attempts || !failed.repeatable(r.method) {
			return nil, failed
		}
		if err := c.sleep(ctx, failed.wait(attempt)); err != nil {
			return nil, err
		}
	}
}

// read sends the request and returns the whole answer.
func (c *Client) read(ctx context.Context, r request) ([]byte, string, error) {
	for attempt := 1; ; attempt++ {
		body, err := c.send(ctx, r)
		if err != nil {
			return nil, "", err
		}
		content, err := readAll(body)
		if err == nil || errors.Is(err, core.ErrUnsupported) {
			return content, body.contentType, err
		}
		failed := broken(err)
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		if attempt >= orDefault(r.attempts, c.attempts) || !failed.repeatable(r.method) {
			return nil, "", failed
		}
		if err := c.sleep(ctx, failed.wait(attempt)); err != nil {
			return nil, "", err
		}
	}
}

// readInto sends the request and decodes the JSON of the answer.
func (c *Client) readInto(ctx context.Context, r request, into any) error {
	content, _, err := c.read(ctx, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		// The error itself is left out, as it can quote content.
		return fmt.Errorf("%w: answer of the API server that cannot be read as %T", core.ErrCorrupt, into)
	}
	return nil
}

func readAll(body *answer) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if closeErr := body.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err == nil && len(content) > maxAnswer {
		err = errAnswerTooLong
	}
	return content, err
}

var errAnswerTooLong = fmt.Errorf("%w: answer of more than %d MiB", core.ErrUnsupported, maxAnswer>>20)

func (c *Client) sendOnce(ctx context.Context, r request) (*answer, *failure) {
	ctx, cancel := context.WithTimeout(ctx, orDefault(r.timeout, c.timeout))
	httpRequest, err := http.NewRequestWithContext(ctx, r.method, c.address(r), bytes.NewReader(r.body))
	if err != nil {
		cancel()
		return nil, &failure{cause: err}
	}
	httpRequest.Header.Set("Accept", orDefault(r.accept, acceptJSON))
	if c.plain {
		// Said by name, as client-go heeds its own setting only on connections with TLS.
		httpRequest.Header.Set("Accept-Encoding", "identity")
	}
	if r.body != nil {
		httpRequest.Header.Set("Content-Type", orDefault(r.contentType, "application/json"))
	}
	response, err := c.http.Do(httpRequest) //nolint:bodyclose // the answer closes it
	if err != nil {
		cancel()
		return nil, broken(err)
	}
	body := &answer{ReadCloser: response.Body, contentType: response.Header.Get("Content-Type"), cancel: cancel}
	if response.StatusCode >= http.StatusOK && response.StatusCode < http.StatusMultipleChoices {
		return body, nil
	}
	return nil, refused(response, body)
}

func (c *Client) address(r request) string {
	address := *c.base
	address.Path = strings.TrimSuffix(address.Path, "/") + r.path
	address.RawQuery = r.query.Encode()
	return address.String()
}

// refused reads what the server says about its status code.
func refused(response *http.Response, body *answer) *failure {
	// Where the explanation breaks off, the code still says what matters.
	content, _ := io.ReadAll(io.LimitReader(body, maxRefusal))
	_ = body.Close()
	failed := &failure{code: response.StatusCode}
	if json.Unmarshal(content, &failed.status) != nil || failed.status.Kind != "Status" {
		failed.status = metav1.Status{Message: plainMessage(response.StatusCode, content)}
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		failed.advised = true
		failed.advice = min(time.Duration(seconds)*time.Second, longestAdvice)
	}
	return failed
}

// plainMessage returns what a person can use of an explanation that has no structure.
func plainMessage(code int, content []byte) string {
	const longest = 1000
	text := strings.ToValidUTF8(strings.TrimSpace(string(content[:min(len(content), longest)])), "")
	if text == "" {
		return "HTTP status " + strconv.Itoa(code) + " " + http.StatusText(code)
	}
	return text
}

// broken describes that no whole answer came.
func broken(err error) *failure {
	// The error of package http repeats the address, which holds long tokens.
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	dialed := new(net.OpError)
	return &failure{cause: err, unsent: errors.As(err, &dialed) && dialed.Op == "dial"}
}

func (c *Client) sleep(ctx context.Context, wait time.Duration) error {
	timer := c.clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C():
		return nil
	}
}
