package sidecar

import (
	"io"
	"strings"

	"github.com/soda-cdm/kahu/provider"
)

// shortestSecret is how long, in bytes, a credential must be to be searched for: a shorter one would be found in any text.
const shortestSecret = 4

// redactor takes credentials out of the words of a driver.
type redactor struct{ secrets []string }

// newRedactor returns the redactor for these credentials. A driver may quote one line of one that has several.
func newRedactor(credentials provider.Attributes) redactor {
	var found redactor
	for _, value := range credentials {
		for _, part := range append([]string{value}, strings.Split(value, "\n")...) {
			if part = strings.TrimSpace(part); len(part) >= shortestSecret {
				found.secrets = append(found.secrets, part)
			}
		}
	}
	return found
}

// clean returns the error with the credentials in its text replaced. Its class stays.
func (r redactor) clean(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // The end of a stream is io.EOF itself.
		return err
	}
	text := err.Error()
	for _, secret := range r.secrets {
		text = strings.ReplaceAll(text, secret, "[credential]")
	}
	if text == err.Error() {
		return err
	}
	return &cleanError{text: text, err: err}
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

	secrets redactor
}

// Read reads.
func (r cleanReader) Read(into []byte) (int, error) {
	n, err := r.ReadCloser.Read(into)
	return n, r.secrets.clean(err)
}
