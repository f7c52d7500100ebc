package faultyapiserver

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

const (
	// maxKept bounds an answer that is kept, to be given again when it is stale, in bytes.
	maxKept = 1 << 20
)

// changes tells whether a request changes something if it is carried out.
func changes(request *http.Request) bool {
	return request.Method != http.MethodGet && request.Method != http.MethodHead
}

func isWatch(request *http.Request) bool { return request.URL.Query().Get("watch") != "" }

// refusal returns an answer that carries nothing out, or nil.
func (c *chance) refusal(request *http.Request) *refusal {
	if found := c.tooMany(); found != nil {
		return found
	}
	switch {
	case c.happens("failed", c.faults.Failed):
		return &refusal{code: http.StatusInternalServerError, reason: "InternalError", message: "etcdserver: leader changed"}
	case c.happens("unavailable", c.faults.Unavailable):
		found := &refusal{code: http.StatusServiceUnavailable, reason: "ServiceUnavailable", message: "apiserver is shutting down"}
		if c.number(2) == 0 {
			found.advice = "1"
		}
		return found
	case c.happens("timed out", c.faults.TimedOut):
		return &refusal{code: http.StatusGatewayTimeout, reason: "Timeout", message: "request did not complete within the allotted timeout"}
	}
	query := request.URL.Query()
	switch {
	case query.Get("continue") != "" && c.happens("gone page", c.faults.Gone):
		return expired()
	case (request.Method == http.MethodPut || request.Method == http.MethodPatch) && c.happens("conflict", c.faults.Conflict):
		return &refusal{
			code: http.StatusConflict, reason: "Conflict",
			message: "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version",
		}
	}
	return nil
}

func (c *chance) tooMany() *refusal {
	if !c.happens("too many", c.faults.TooMany) {
		return nil
	}
	found := &refusal{code: http.StatusTooManyRequests, reason: "TooManyRequests", message: "too many requests, please try again later"}
	if c.number(2) == 0 {
		found.advice = "1"
		return found
	}
	c.mu.Lock()
	c.count["too many, no advice"]++
	c.mu.Unlock()
	return found
}

func expired() *refusal {
	return &refusal{
		code: http.StatusGone, reason: "Expired", message: "The provided continue parameter is too old to display a consistent list result.",
	}
}

// stale returns an earlier answer to the same list, if there is one and the list may be of an earlier time.
func (c *chance) stale(request *http.Request) []byte {
	key, may := staleKey(request)
	if !may {
		return nil
	}
	c.mu.Lock()
	content := c.old[key]
	c.mu.Unlock()
	if content == nil || !c.happens("stale", c.faults.Stale) {
		return nil
	}
	return content
}

// staleKey names a list, and tells whether it may be stale. Kahu's own kinds may only where the request says so: an API
// server that lists as of an earlier moment when it is asked for the present is none.
func staleKey(request *http.Request) (key string, may bool) {
	query := request.URL.Query()
	if request.Method != http.MethodGet || isWatch(request) || query.Get("continue") != "" {
		return "", false
	}
	anyAge := query.Get("resourceVersion") == "0"
	return request.URL.RequestURI() + " " + request.Header.Get("Accept"),
		anyAge || query.Get("resourceVersion") == "" && query.Has("limit") && !strings.Contains(request.URL.Path, "/kahu.io/")
}

// answer changes the answer of the API server behind.
func (s *Server) answer(response *http.Response) error {
	request := response.Request
	drawn, is := request.Context().Value(chances{}).(*chance)
	if !is {
		return nil
	}
	switch {
	case isWatch(request) && response.StatusCode == http.StatusOK:
		response.Body = drawn.watch(response)
	case changes(request):
		return drawn.change(response)
	default:
		return drawn.read(response)
	}
	return nil
}

// change lets the answer to a change get lost, which was carried out.
func (c *chance) change(response *http.Response) error {
	content, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	dry := strings.Contains(response.Request.URL.RawQuery, "dryRun=All")
	if response.StatusCode == http.StatusCreated && !dry {
		c.noteCreated(response.Request.URL.Path, content)
	}
	if response.StatusCode >= http.StatusMultipleChoices || dry || !c.happens("lost", c.faults.Lost) {
		return nil
	}
	if c.number(2) == 0 {
		return reset(response.Request.Context())
	}
	late := &refusal{code: http.StatusGatewayTimeout, reason: "Timeout", message: "the backend did not answer in time"}
	encoded := late.status()
	response.StatusCode, response.Status = late.code, http.StatusText(late.code)
	response.Header.Del("Content-Length")
	response.ContentLength = int64(len(encoded))
	response.Body = io.NopCloser(bytes.NewReader(encoded))
	return nil
}

func (c *chance) noteCreated(path string, content []byte) {
	var object struct {
		Metadata struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"metadata"`
	}
	// What is no JSON, or has no identity, such as a review, has no name to tell.
	if json.Unmarshal(content, &object) != nil || object.Metadata.UID == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.created[path+"/"+object.Metadata.Name]++
}

// read breaks an answer off in the middle, and keeps it for later.
func (c *chance) read(response *http.Response) error {
	key, may := staleKey(response.Request)
	if may && response.StatusCode == http.StatusOK {
		content, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return err
		}
		response.Body = io.NopCloser(bytes.NewReader(content))
		c.keep(key, content)
	}
	if response.StatusCode == http.StatusOK && c.happens("cut list", c.faults.Cut) {
		length := 4096
		if response.ContentLength > 0 {
			length = int(response.ContentLength)
		}
		response.Body = &cut{ReadCloser: response.Body, left: c.number(length), end: func() error { return reset(response.Request.Context()) }}
	}
	return nil
}

// keep keeps the first answer to a list.
func (c *chance) keep(key string, content []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.old[key]; !known && len(content) <= maxKept {
		c.old[key] = content
	}
}

// Forget drops what was kept for stale lists: what is listed from now on is not older than this moment.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.old)
}

// cut is an answer that ends with a reset.
type cut struct {
	io.ReadCloser

	left int
	end  func() error
}

// Read implements io.Reader.
func (c *cut) Read(into []byte) (int, error) {
	if c.left <= 0 {
		return 0, c.end()
	}
	n, err := c.ReadCloser.Read(into[:min(len(into), c.left)])
	c.left -= n
	return n, err
}
