package canary_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// proxy stands before the store. It lets everything pass until it is told otherwise.
type proxy struct {
	*httptest.Server

	mode atomic.Int32
}

// What a proxy does.
const (
	passing       int32 = iota
	refusingFiles       // new files are refused, in words that quote all that the request said of who asks
	refusing            // everything is refused so
	cutting             // connections end when a new file comes
)

func newProxy(t *testing.T, before string) *proxy {
	t.Helper()
	target, err := url.Parse(before)
	check(t, err)
	pass := httputil.NewSingleHostReverseProxy(target)
	made := &proxy{}
	made.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		writes := request.Method == http.MethodPut || request.Method == http.MethodPost
		switch mode := made.mode.Load(); {
		case mode == refusing, mode == refusingFiles && writes:
			quote(answer, request)
		case mode == cutting && writes:
			panic(http.ErrAbortHandler)
		default:
			pass.ServeHTTP(answer, request)
		}
	}))
	t.Cleanup(made.Close)
	return made
}

// quote refuses a request as a service does that wants to help: with what it was asked.
func quote(answer http.ResponseWriter, request *http.Request) {
	answer.Header().Set("Content-Type", "application/xml")
	answer.WriteHeader(http.StatusForbidden)
	_, _ = fmt.Fprintf(answer, "<Error><Code>SignatureDoesNotMatch</Code><Message>this is not signed well: %s</Message><Resource>/</Resource></Error>",
		html.EscapeString(fmt.Sprintf("Authorization: %s, token %s", request.Header.Get("Authorization"), request.Header.Get("X-Amz-Security-Token"))))
}
