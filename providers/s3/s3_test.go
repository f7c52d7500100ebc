package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/soda-cdm/kahu/internal/testkit/s3server"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/s3"
)

// read returns the content of an object.
func read(t *testing.T, store *s3.Store, name string, attributes provider.Attributes) (string, error) {
	t.Helper()
	reader, err := store.Download(t.Context(), name, attributes)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	return string(content), err
}

func TestAttributesAreChecked(t *testing.T) {
	good := provider.Attributes{
		"endpoint": "https://127.0.0.1:1", "bucket": "backups", "accessKeyID": "id", "secretAccessKey": "canary-of-a-secret",
	}
	for name, test := range map[string]struct {
		change provider.Attributes
		field  string
	}{
		"a misspelled prefix":         {provider.Attributes{"prefx": "canary-of-a-secret"}, `"prefx"`},
		"no bucket":                   {provider.Attributes{"bucket": ""}, "bucket"},
		"a bucket of another name":    {provider.Attributes{"bucket": "UPPER_case"}, "bucket"},
		"a prefix that leads out":     {provider.Attributes{"prefix": "../x"}, "prefix"},
		"a prefix that is long":       {provider.Attributes{"prefix": strings.Repeat("a/", 128) + "a"}, "prefix"},
		"an endpoint without scheme":  {provider.Attributes{"endpoint": "minio:9000"}, "endpoint"},
		"an endpoint with a path":     {provider.Attributes{"endpoint": "https://minio/bucket"}, "endpoint"},
		"an endpoint with a password": {provider.Attributes{"endpoint": "https://me:canary-of-a-secret@minio"}, "endpoint"},
		"half of the credentials":     {provider.Attributes{"secretAccessKey": ""}, "accessKeyID"},
		"a token alone": {
			provider.Attributes{"accessKeyID": "", "secretAccessKey": "", "sessionToken": "canary-of-a-secret"}, "sessionToken",
		},
		"a role and a key":         {provider.Attributes{"roleARN": "arn:aws:iam::1:role/x"}, "roleARN"},
		"no credentials":           {provider.Attributes{"accessKeyID": "", "secretAccessKey": ""}, "accessKeyID"},
		"a role without identity":  {provider.Attributes{"accessKeyID": "", "secretAccessKey": "", "roleARN": "x"}, "roleARN"},
		"a style that is neither":  {provider.Attributes{"pathStyle": "maybe"}, "pathStyle"},
		"a certificate that is no": {provider.Attributes{"caCertificate": "canary-of-a-secret"}, "caCertificate"},
		"an unknown encryption":    {provider.Attributes{"serverSideEncryption": "rot13"}, "serverSideEncryption"},
		"a short customer key": {
			provider.Attributes{"serverSideEncryption": "customer", "customerKey": "Y2FuYXJ5LW9mLWEtc2VjcmV0"}, "customerKey",
		},
		"a lock without days":   {provider.Attributes{"objectLockMode": "COMPLIANCE"}, "objectLockDays"},
		"an unknown lock":       {provider.Attributes{"objectLockMode": "MAYBE", "objectLockDays": "1"}, "objectLockMode"},
		"an unknown checksum":   {provider.Attributes{"checksum": "md5"}, "checksum"},
		"a key for another way": {provider.Attributes{"kmsKeyID": "x"}, "kmsKeyID"},
	} {
		t.Run(name, func(t *testing.T) {
			attributes := maps.Clone(good)
			maps.Copy(attributes, test.change)
			_, err := newStore().Exists(t.Context(), "x", attributes)
			if !errors.Is(err, provider.ErrInvalidArgument) || !strings.Contains(err.Error(), "the attribute "+test.field) {
				t.Errorf("got %v, want an %v that names %s", err, provider.ErrInvalidArgument, test.field)
			}
			if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "Y2FuYXJ5")) {
				t.Errorf("a secret is in the error: %v", err)
			}
		})
	}
}

func TestWhatTheServiceRefuses(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucketName)
	for name, test := range map[string]struct {
		change provider.Attributes
		class  error
		say    string
	}{
		"a bucket that is not there": {provider.Attributes{"bucket": "nowhere"}, provider.ErrFailedPrecondition, "make the bucket"},
		"a wrong secret":             {provider.Attributes{"secretAccessKey": "canary-of-a-secret"}, provider.ErrUnauthenticated, "credentials"},
		"a user that is not known":   {provider.Attributes{"accessKeyID": "canary-of-a-user"}, provider.ErrUnauthenticated, "credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			attributes := attributesOf(server, test.change)
			_, listing := newStore().List(t.Context(), provider.ListRequest{Attributes: attributes})
			storing := newStore().Upload(t.Context(), "x", attributes, strings.NewReader("x"))
			for what, err := range map[string]error{"listing": listing, "storing": storing} {
				if !errors.Is(err, test.class) || !strings.Contains(err.Error(), test.say) {
					t.Errorf("%s: got %v, want a %v that says %q", what, err, test.class, test.say)
				}
				if err != nil && strings.Contains(err.Error(), "canary-of-a-secret") {
					t.Errorf("%s: a secret is in the error: %v", what, err)
				}
			}
		})
	}
}

func TestServiceThatIsGoneComesBack(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucketName)
	store, attributes := newStore(), attributesOf(server, nil)
	if err := store.Upload(t.Context(), "x", attributes, strings.NewReader("before")); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := store.Exists(ctx, "x", attributes); err == nil {
		t.Error("a service that is gone has the object")
	}
	server.Run()
	if content, err := read(t, store, "x", attributes); content != "before" || err != nil {
		t.Errorf("after its return the object has %q, %v", content, err)
	}
}

// proxy stands before a server; change sees every request first, and answers it itself where it returns true.
func proxy(t *testing.T, server *s3server.Server, change func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	made := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change(w, r) {
			return
		}
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.RequestURI = "http", strings.TrimPrefix(server.URL, "http://"), ""
		answer, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(made.Close)
	return made.URL
}

func TestPassingFaultsAreOvercome(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucketName)
	for name, fail := range map[string]func(w http.ResponseWriter){
		"503": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"429": func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) },
		"reset": func(w http.ResponseWriter) {
			connection, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = connection.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			failed := 0
			url := proxy(t, server, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut || failed > 0 {
					return false
				}
				failed++
				fail(w)
				return true
			})
			store, attributes := newStore(), attributesOf(server, provider.Attributes{"endpoint": url})
			if err := store.Upload(t.Context(), name, attributes, strings.NewReader("content")); err != nil {
				t.Fatal(err)
			}
			if content, err := read(t, store, name, attributes); content != "content" || err != nil || failed == 0 {
				t.Errorf("the object has %q, %v, after %d faults", content, err, failed)
			}
		})
	}
}

// TestBrokenUploadLeavesNothing has a content that breaks off after its first part.
func TestBrokenUploadLeavesNothing(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucketName)
	store, attributes := newStore(), attributesOf(server, provider.Attributes{"prefix": "team"})
	broken := errors.New("broken off")
	content := io.MultiReader(bytes.NewReader(make([]byte, 11<<20)), failing{broken})
	if err := store.Upload(t.Context(), "x", attributes, content); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if exists, err := store.Exists(t.Context(), "x", attributes); exists || err != nil {
		t.Errorf("there is an object: %v, %v", exists, err)
	}
	if left := uploads(t, server); len(left) > 0 {
		t.Errorf("parts are left of %q", left)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// client returns a client of the library, to see what the driver does.
func client(t *testing.T, server *s3server.Server) *minio.Core {
	t.Helper()
	core, err := minio.NewCore(strings.TrimPrefix(server.URL, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(s3server.AccessKey, s3server.SecretKey, ""), Region: "us-east-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return core
}

// uploads returns the keys of uploads that have begun and not ended.
func uploads(t *testing.T, server *s3server.Server) []string {
	t.Helper()
	var keys []string
	for upload := range client(t, server).ListIncompleteUploads(t.Context(), bucketName, "", true) {
		if upload.Err != nil {
			t.Fatal(upload.Err)
		}
		keys = append(keys, upload.Key)
	}
	return keys
}

// TestOldLeftoversAreAborted has uploads that a crash cut off, in the location and beside it.
func TestOldLeftoversAreAborted(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucketName)
	for _, key := range []string{"team/x", "other/x"} {
		if _, err := client(t, server).NewMultipartUpload(t.Context(), bucketName, key, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	attributes := attributesOf(server, provider.Attributes{"prefix": "team"})
	for _, step := range []struct {
		later time.Duration
		want  int
	}{{23 * time.Hour, 2}, {25 * time.Hour, 1}} {
		store := s3.New(s3.Options{Now: func() time.Time { return now().Add(step.later) }})
		if err := store.Upload(t.Context(), "y", attributes, strings.NewReader("y")); err != nil {
			t.Fatal(err)
		}
		if left := uploads(t, server); len(left) != step.want {
			t.Errorf("after %s there are the uploads %q, want %d", step.later, left, step.want)
		}
	}
	if left := uploads(t, server); len(left) != 1 || left[0] != "other/x" {
		t.Errorf("at the end there are the uploads %q, want the one beside the location", left)
	}
}

func TestTLS(t *testing.T) {
	certificate, key := certificate(t)
	server := s3server.Start(t, s3server.Options{Certificate: certificate, Key: key}, bucketName)
	trusted, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	attributes := attributesOf(server, provider.Attributes{"caCertificate": string(trusted)})
	store := newStore()
	if err := store.Upload(t.Context(), "x", attributes, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if content, err := read(t, store, "x", attributes); content != "x" || err != nil {
		t.Errorf("the object has %q, %v", content, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := store.Exists(ctx, "x", attributesOf(server, nil)); err == nil {
		t.Error("a service is trusted whose certificate nobody signed")
	}
}

// TestWebIdentity takes a role from a token service that knows one token, and takes it again when it runs out.
func TestWebIdentity(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucketName)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("canary-of-a-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := 0
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		_ = r.ParseForm()
		if r.Form.Get("WebIdentityToken") != "canary-of-a-token" || r.Form.Get("RoleArn") != "arn:aws:iam::1:role/backups" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`+
			`<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>`+
			`<Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			s3server.AccessKey, s3server.SecretKey, now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(sts.Close)
	store := s3.New(s3.Options{Now: now, WebIdentityTokenFile: token})
	attributes := attributesOf(server, provider.Attributes{
		"accessKeyID": "", "secretAccessKey": "", "roleARN": "arn:aws:iam::1:role/backups", "stsEndpoint": sts.URL,
	})
	for range 3 {
		if err := store.Upload(t.Context(), "x", attributes, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("the role was asked for %d times, want once", asked)
	}
	attributes["roleARN"] = "arn:aws:iam::1:role/other"
	_, err := store.Exists(t.Context(), "x", attributes)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a role that is refused: got %v", err)
	}
}

// TestWhatGoesWithRequests looks at the headers of the wishes that the server of the tests does not know.
func TestWhatGoesWithRequests(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, bucketName)
	for name, test := range map[string]struct {
		change provider.Attributes
		header string
		want   string
	}{
		"session token": {
			provider.Attributes{"sessionToken": "of-the-session"}, "X-Amz-Security-Token", "of-the-session",
		},
		"own encryption": {provider.Attributes{"serverSideEncryption": "AES256"}, "X-Amz-Server-Side-Encryption", "AES256"},
		"key service": {
			provider.Attributes{"serverSideEncryption": "aws:kms", "kmsKeyID": "key-1"},
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "key-1",
		},
		"storage class": {provider.Attributes{"storageClass": "STANDARD_IA"}, "X-Amz-Storage-Class", "STANDARD_IA"},
		"checksum":      {nil, "X-Amz-Checksum-Crc32c", "4waSgw=="},
		"no checksum":   {provider.Attributes{"checksum": "none"}, "X-Amz-Checksum-Crc32c", ""},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan string, 1)
			url := proxy(t, server, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				seen <- r.Header.Get(test.header)
				return true
			})
			attributes := attributesOf(server, test.change)
			attributes["endpoint"] = url
			// Of these bytes the checksum is in every table of checksums.
			if err := newStore().Upload(t.Context(), "x", attributes, strings.NewReader("123456789")); err != nil {
				t.Fatal(err)
			}
			if got := <-seen; got != test.want {
				t.Errorf("%s is %q, want %q", test.header, got, test.want)
			}
		})
	}
}

// TestObjectLock has a bucket whose objects cannot be removed for a day.
func TestObjectLock(t *testing.T) {
	server := s3server.Start(t, s3server.Options{Versions: true})
	core := client(t, server)
	if err := core.MakeBucket(t.Context(), bucketName, minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	store := newStore()
	attributes := attributesOf(server, provider.Attributes{"objectLockMode": "COMPLIANCE", "objectLockDays": "1"})
	for name, content := range map[string]string{"small": "precious", "large": strings.Repeat("x", 11<<20)} {
		if err := store.Create(t.Context(), name, attributes, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		found, err := core.StatObject(t.Context(), bucketName, name, minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = core.RemoveObject(t.Context(), bucketName, name, minio.RemoveObjectOptions{VersionID: found.VersionID})
		if err == nil {
			t.Errorf("%s: the version was removed on its first day", name)
		}
		// Deleting hides the object and keeps the version.
		if err := store.Delete(t.Context(), name, attributes); err != nil {
			t.Errorf("deleting %s: %v", name, err)
		}
		if exists, err := store.Exists(t.Context(), name, attributes); exists || err != nil {
			t.Errorf("%s is still there: %v, %v", name, exists, err)
		}
		kept, err := core.StatObject(t.Context(), bucketName, name, minio.StatObjectOptions{VersionID: found.VersionID})
		if err != nil || kept.Size != int64(len(content)) {
			t.Errorf("the version of %s: %v, %v", name, kept.Size, err)
		}
	}
}
