package nesting_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core/nesting"
)

func TestNested(t *testing.T) {
	t.Parallel()
	at := func(provider string, pairs ...string) nesting.Place {
		config := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			config[pairs[i]] = pairs[i+1]
		}
		return nesting.Place{Provider: provider, Config: config}
	}
	for name, test := range map[string]struct {
		a, b nesting.Place
		want bool
	}{
		"the root and a folder":       {at("filesystem"), at("filesystem", "path", "a"), true},
		"a folder in another":         {at("filesystem", "path", "a"), at("filesystem", "path", "a/b/c"), true},
		"beside one another":          {at("filesystem", "path", "a"), at("filesystem", "path", "b"), false},
		"the beginning of a name":     {at("filesystem", "path", "prod"), at("filesystem", "path", "production"), false},
		"the same twice":              {at("filesystem", "path", "a"), at("filesystem", "path", "a/"), false},
		"another provider":            {at("filesystem"), at("nfs", "path", "a"), false},
		"a bucket and a prefix":       {at("s3", "bucket", "x"), at("s3", "bucket", "x", "prefix", "a"), true},
		"a prefix with a slash":       {at("s3", "bucket", "x", "prefix", "a/"), at("s3", "bucket", "x", "prefix", "a/b"), true},
		"another bucket":              {at("s3", "bucket", "x"), at("s3", "bucket", "y", "prefix", "a"), false},
		"another endpoint":            {at("s3", "bucket", "x", "endpoint", "https://a"), at("s3", "bucket", "x", "endpoint", "https://b", "prefix", "a"), false},
		"a slash that is no folder's": {at("s3", "bucket", "x", "endpoint", "https://a"), at("s3", "bucket", "x", "endpoint", "https://a/", "prefix", "a"), false},
		"another path and prefix":     {at("other", "path", "a"), at("other", "path", "a/b", "prefix", "c"), false},
		"an empty configuration":      {at("memory"), at("memory"), false},
	} {
		if got, back := nesting.Nested(test.a, test.b), nesting.Nested(test.b, test.a); got != test.want || back != test.want {
			t.Errorf("%s: %t, the other way round %t; want %t", name, got, back, test.want)
		}
	}
}
