package provider_test

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/soda-cdm/kahu/provider"
)

// TestRedactor: whatever way a credential is quoted, it is not in the text, and the class of the error is what it was.
func TestRedactor(t *testing.T) {
	t.Parallel()
	const secret, key, lines = `sec/ret+"token"&<7f3a>`, "AKIA7F3A", "first line of a key\nsecond line of a key"
	redactor := provider.NewRedactor(secret, key, lines, "", "abc")
	for name, text := range map[string]string{
		"as it is": secret, "quoted": strconv.Quote(secret), "in a query": url.QueryEscape(secret), "in HTML": html.EscapeString(secret),
		"another": key, "a line": "second line of a key",
	} {
		err := redactor.Clean(fmt.Errorf("the service says %s, and abc: %w", text, provider.ErrPermissionDenied))
		if !strings.Contains(err.Error(), "[credential]") || strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "abc") {
			t.Errorf("%s: it says %s", name, err)
		}
		if !errors.Is(err, provider.ErrPermissionDenied) {
			t.Errorf("%s: the class is lost: %v", name, err)
		}
	}
	plain := errors.New("nothing to hide")
	if redactor.Clean(plain) != plain || redactor.Clean(nil) != nil || redactor.Clean(io.EOF) != io.EOF { //nolint:errorlint // They stay what they are.
		t.Error("an error without credentials is another one")
	}
	content := redactor.CleanReader(io.NopCloser(iotest.ErrReader(errors.New("cut at " + key))))
	if _, err := io.ReadAll(content); err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("the error of a content says %v", err)
	}
}
