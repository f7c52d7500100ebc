package provider_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/soda-cdm/kahu/provider"
)

func TestErrorsKeepClassAndMessage(t *testing.T) {
	for class, code := range map[error]codes.Code{
		provider.ErrNotFound:           codes.NotFound,
		provider.ErrAlreadyExists:      codes.AlreadyExists,
		provider.ErrPermissionDenied:   codes.PermissionDenied,
		provider.ErrUnauthenticated:    codes.Unauthenticated,
		provider.ErrResourceExhausted:  codes.ResourceExhausted,
		provider.ErrUnavailable:        codes.Unavailable,
		provider.ErrFailedPrecondition: codes.FailedPrecondition,
		provider.ErrInvalidArgument:    codes.InvalidArgument,
		provider.ErrUnimplemented:      codes.Unimplemented,
		provider.ErrDataLoss:           codes.DataLoss,
		context.Canceled:               codes.Canceled,
		context.DeadlineExceeded:       codes.DeadlineExceeded,
	} {
		t.Run(code.String(), func(t *testing.T) {
			before := fmt.Errorf("storing \"a/b\": é: %w", class)
			sent := provider.ToStatus(before)
			if got := status.Code(sent); got != code {
				t.Errorf("the code is %v, want %v", got, code)
			}
			// Twice, as through a sidecar.
			after := provider.FromStatus(provider.ToStatus(provider.FromStatus(sent)))
			if !errors.Is(after, class) || after.Error() != before.Error() {
				t.Errorf("got %v, want %v", after, before)
			}
		})
	}
}

func TestErrorsWithoutClass(t *testing.T) {
	if provider.ToStatus(nil) != nil || provider.FromStatus(nil) != nil {
		t.Error("nil does not stay nil")
	}
	sent := provider.ToStatus(errors.New("a fault"))
	if status.Code(sent) != codes.Internal {
		t.Errorf("the code is %v, want %v", status.Code(sent), codes.Internal)
	}
	if after := provider.FromStatus(sent); after.Error() != "a fault" || errors.Unwrap(after) != nil {
		t.Errorf("got %v of the class %v", after, errors.Unwrap(after))
	}
	long := provider.ToStatus(fmt.Errorf("%s: %w", strings.Repeat("é", 10_000), provider.ErrNotFound))
	if message := status.Convert(long).Message(); len(message) > 4096 || !strings.HasPrefix(message, "éé") {
		t.Errorf("a long message has %d bytes", len(message))
	}
}

func TestValidateName(t *testing.T) {
	long := strings.Repeat("e", provider.MaxElementBytes)
	for name, test := range map[string]struct {
		text          string
		valid, prefix bool
	}{
		"plain":                   {"a", true, true},
		"folders":                 {"a/b/c", true, true},
		"dots":                    {"a/..b/...", true, true},
		"space":                   {" ", true, true},
		"longest element":         {long, true, true},
		"longest":                 {strings.Repeat(long+"/", 2) + "a/" + long[:254], true, true},
		"empty":                   {"", false, true},
		"slash":                   {"/", false, false},
		"absolute":                {"/a", false, false},
		"folder":                  {"a/", false, true},
		"two slashes":             {"a//b", false, false},
		"two slashes at the end":  {"a//", false, false},
		"dot":                     {".", false, true},
		"dot inside":              {"a/./b", false, false},
		"two dots":                {"..", false, true},
		"two dots at the end":     {"a/..", false, true},
		"leading out":             {"../a", false, false},
		"leading out inside":      {"a/../../b", false, false},
		"leading out as a folder": {"../", false, false},
		"NUL":                     {"a\x00b", false, false},
		"line feed":               {"a\n", false, false},
		"delete":                  {"\x7f", false, false},
		"C1":                      {"a\u0085", false, false},
		"not UTF-8":               {"a\xff", false, false},
		"element too long":        {"a/" + long + "e", false, false},
		"folder too long":         {long + "e/x", false, false},
		"too long":                {strings.Repeat("ab/", 257), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			for what, check := range map[string]struct {
				err  error
				want bool
			}{
				"name":   {provider.ValidateName(test.text), test.valid},
				"prefix": {provider.ValidatePrefix(test.text), test.prefix},
			} {
				if (check.err == nil) != check.want {
					t.Errorf("as a %s: got %v, want valid: %v", what, check.err, check.want)
				}
				if check.err != nil && !errors.Is(check.err, provider.ErrInvalidArgument) {
					t.Errorf("as a %s: the class of %v is not %v", what, check.err, provider.ErrInvalidArgument)
				}
			}
		})
	}
}

// FuzzValidateName shows that valid names are what the file systems and stores behind them can bear, and that the
// beginnings of a valid name are valid prefixes.
func FuzzValidateName(f *testing.F) {
	for _, seed := range []string{"a/b", "../a", "a//b", "é", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if provider.ValidateName(name) != nil {
			return
		}
		if strings.Contains("/"+name+"/", "/../") || strings.Contains("/"+name+"/", "//") ||
			strings.Contains(name, "\x00") || len(name) > provider.MaxNameBytes {
			t.Errorf("%q is valid", name)
		}
		for i := range name { // Between characters.
			if err := provider.ValidatePrefix(name[:i]); err != nil {
				t.Errorf("%q begins with %q: %v", name, name[:i], err)
			}
		}
	})
}

func TestPageTokens(t *testing.T) {
	for _, name := range []string{"", "a", "é/ /%"} {
		got, err := provider.DecodePageToken(provider.EncodePageToken(name))
		if err != nil || got != name {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
	for _, token := range []string{"!", "a/b", provider.EncodePageToken("../a")} {
		if _, err := provider.DecodePageToken(token); !errors.Is(err, provider.ErrInvalidArgument) {
			t.Errorf("token %q: got %v, want %v", token, err, provider.ErrInvalidArgument)
		}
	}
}

// FuzzPageToken shows that a token leads to the name that it was made of, and that no other text is taken for one.
func FuzzPageToken(f *testing.F) {
	for _, seed := range []string{"", "a/b", provider.EncodePageToken("a/b"), provider.EncodePageToken("../a"), "YS9i=", "YS9i\n", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if after, err := provider.DecodePageToken(text); err == nil && after != "" && provider.ValidateName(after) != nil {
			t.Errorf("token %q leads to %q, which is no name", text, after)
		}
		if provider.ValidateName(text) != nil {
			return
		}
		if after, err := provider.DecodePageToken(provider.EncodePageToken(text)); err != nil || after != text {
			t.Errorf("%q came back as %q, %v", text, after, err)
		}
	})
}

func TestAttributesThatNobodyKnows(t *testing.T) {
	for name, test := range map[string]struct {
		given provider.Attributes
		want  string
	}{
		"none":            {nil, ""},
		"all are known":   {provider.Attributes{"bucket": "b", "prefix": ""}, ""},
		"one is not":      {provider.Attributes{"bucket": "b", "prefx": "secret"}, `the attribute "prefx" is not known; those that are: bucket, prefix`},
		"two are not":     {provider.Attributes{"B": "secret", "A": "secret"}, `the attributes "A", "B" are not known; those that are: bucket, prefix`},
		"one has no name": {provider.Attributes{"": "secret"}, `the attribute "" is not known; those that are: bucket, prefix`},
	} {
		err := test.given.Check("bucket", "prefix")
		if (err != nil) != (test.want != "") || err != nil && (!errors.Is(err, provider.ErrInvalidArgument) || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: a value is in the error: %v", name, err)
		}
	}
}
