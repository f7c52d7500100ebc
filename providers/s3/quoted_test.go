package s3_test

import (
	"errors"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/s3"
)

// newQuotingService refuses every request in words that quote all that it said of who asks.
func newQuotingService(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("Content-Type", "application/xml")
		answer.WriteHeader(http.StatusForbidden)
		said := request.Header.Get("Authorization") + " and " + request.Header.Get("X-Amz-Security-Token")
		_, _ = fmt.Fprintf(answer, "<Error><Code>AccessDenied</Code><Message>no: %s</Message></Error>", html.EscapeString(said))
	}))
	t.Cleanup(server.Close)
	return server
}

// TestQuotedCredentials: what a service quotes of who asks is in no error, be the credentials those of the location or of a role.
func TestQuotedCredentials(t *testing.T) {
	const key, session = "canary-of-a-key", "canary/of+a=session&<token>"
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("web"), 0o600); err != nil {
		t.Fatal(err)
	}
	sts := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(answer, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`+
			`<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>%s</SessionToken>`+
			`<Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			key, html.EscapeString(session), now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(sts.Close)
	store := s3.New(s3.Options{Now: now, WebIdentityTokenFile: token})
	place := provider.Attributes{"endpoint": newQuotingService(t).URL, "bucket": "backups"}
	for name, who := range map[string]provider.Attributes{
		"keys": {"accessKeyID": key, "secretAccessKey": "x-secret", "sessionToken": session},
		"role": {"roleARN": "arn:aws:iam::1:role/backups", "stsEndpoint": sts.URL},
	} {
		attributes := provider.Attributes{}
		for _, some := range []provider.Attributes{place, who} {
			maps.Copy(attributes, some)
		}
		_, err := read(t, store, "x", attributes)
		written := store.Upload(t.Context(), "x", attributes, strings.NewReader("x"))
		for _, err := range []error{err, written} {
			if !errors.Is(err, provider.ErrPermissionDenied) || !strings.Contains(err.Error(), "[credential]") ||
				strings.Contains(err.Error(), key) || strings.Contains(err.Error(), session) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
}
