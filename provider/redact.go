package provider

import (
	"html"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shortestSecret is how long, in bytes, a credential must be to be searched for: a shorter one would be found in any text.
const shortestSecret = 4

// redacted stands in a text where a credential was.
const redacted = "[credential]"

// Redactor takes credentials out of the texts of errors, for a driver whose service may quote what it was asked. Kahu does
// the same with all that comes from a driver: what the driver itself logs is the driver's.
type Redactor struct{ secrets []string }

// NewRedactor returns a redactor for these credentials, the empty ones left out. Each is found as it is, and as programs
// quote it; each line of one that has several is one, too.
func NewRedactor(credentials ...string) Redactor {
	var found Redactor
	for _, value := range credentials {
		for _, part := range append([]string{value}, strings.Split(value, "\n")...) {
			if part = strings.TrimSpace(part); len(part) >= shortestSecret {
				found.secrets = append(found.secrets, part, strings.Trim(strconv.Quote(part), `"`), url.QueryEscape(part), html.EscapeString(part))
			}
		}
	}
	// The longest first: another one may be a part of it.
	slices.SortFunc(found.secrets, func(a, b string) int { return len(b) - len(a) })
	found.secrets = slices.Compact(found.secrets)
	return found
}

// Clean returns the error with the credentials in its text replaced. Its class stays.
func (r Redactor) Clean(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // The end of a stream is io.EOF itself.
		return err
	}
	text := err.Error()
	for _, secret := range r.secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	if text == err.Error() {
		return err
	}
	return &cleanError{text: text, err: err}
}

// CleanReader returns a reader of the same content whose errors are clean.
func (r Redactor) CleanReader(content io.ReadCloser) io.ReadCloser {
	return cleanReader{ReadCloser: content, secrets: r}
}

// cleanError is an error with another text.
type cleanError struct {
	text string
	err  error
}

// Error returns the text without credentials.
func (e *cleanError) Error() string { return e.text }

// Unwrap returns the error, for its class.
func (e *cleanError) Unwrap() error { return e.err }

// cleanReader cleans the errors of a stream.
type cleanReader struct {
	io.ReadCloser

	secrets Redactor
}

// Read reads.
func (r cleanReader) Read(into []byte) (int, error) {
	n, err := r.ReadCloser.Read(into)
	return n, r.secrets.Clean(err)
}
