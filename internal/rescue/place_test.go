package rescue_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/rescue"
)

func TestParsePlace(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]rescue.Place{
		"/srv/backups":                      {Provider: "filesystem", Root: "/srv/backups", Config: map[string]string{}},
		"file:///srv/backups":               {Provider: "filesystem", Root: "/srv/backups", Config: map[string]string{}},
		"/srv/backups?path=team/production": {Provider: "filesystem", Root: "/srv/backups", Config: map[string]string{"path": "team/production"}},
		"./s3:/odd":                         {Provider: "filesystem", Root: filepath.Join(here, "s3:", "odd"), Config: map[string]string{}},
		"backups":                           {Provider: "filesystem", Root: filepath.Join(here, "backups"), Config: map[string]string{}},
		"s3://bucket":                       {Provider: "s3", Config: map[string]string{"bucket": "bucket"}},
		"s3://bucket/a/b/?endpoint=https://s3.example.org:9000&region=x": {Provider: "s3", Config: map[string]string{
			"bucket": "bucket", "prefix": "a/b", "endpoint": "https://s3.example.org:9000", "region": "x",
		}},
		"nfs://nas/srv/backups?path=production&uid=7": {Provider: "nfs", Config: map[string]string{
			"server": "nas", "export": "/srv/backups", "path": "production", "uid": "7",
		}},
		"nfs://nas:2050/srv": {Provider: "nfs", Config: map[string]string{"server": "nas", "port": "2050", "export": "/srv"}},
	} {
		got, err := rescue.ParsePlace(address)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", address, err, diff)
		}
	}
}

// TestParsePlaceRefuses: what is wrong is said without what may be secret in it.
func TestParsePlaceRefuses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                                 "--location is missing",
		"gs://bucket":                      "s3://BUCKET",
		"s3:///prefix":                     "s3://BUCKET",
		"s3://key:hush@bucket":             "does not belong into an address",
		"s3://bucket?secretAccessKey=hush": "does not belong into an address",
		"s3://bucket?sessionToken=hush":    "does not belong into an address",
		"nfs://nas":                        "names no export",
		"s3:/bucket/prefix":                "s3://BUCKET",
		"s3:/b?secretAccessKey=hush&endpoint=https://h": "s3://BUCKET",
		"s3:bucket":                            "s3://BUCKET",
		"nas:/srv/backups":                     "nfs://SERVER/EXPORT",
		"s3://bucket/%zz?secretAccessKey=hush": "not an address",
	} {
		_, err := rescue.ParsePlace(address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c", "AWS_ENDPOINT_URL": "https://e", "AWS_REGION": "r",
	}
	place, err := rescue.ParsePlace("s3://bucket?region=mine")
	if err != nil {
		t.Fatal(err)
	}
	place.FromEnvironment(func(name string) string { return environment[name] })
	if want := map[string]string{"accessKeyID": "a", "secretAccessKey": "b", "sessionToken": "c"}; !maps.Equal(place.Credentials, want) {
		t.Errorf("from the environment: %v", place.Credentials)
	}
	if place.Config["region"] != "mine" || place.Config["endpoint"] != "https://e" {
		t.Errorf("from the environment: %v", place.Config)
	}
	if err := place.TakeCredentials([]byte("# of production\naccessKeyID = x\nsecretAccessKey=y=z\n")); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"accessKeyID": "x", "secretAccessKey": "y=z"}; !maps.Equal(place.Credentials, want) {
		t.Errorf("from a file, beside which the environment counts no more: %v", place.Credentials)
	}
	if strings.Contains(place.String(), "y=z") {
		t.Errorf("the name of the place is %s", place.String())
	}
	for _, wrong := range []string{"", "# nothing\n", "hush", "a=b\nhush\n"} {
		if err := place.TakeCredentials([]byte(wrong)); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	folder, err := rescue.ParsePlace("/srv")
	if err != nil {
		t.Fatal(err)
	}
	if folder.FromEnvironment(func(name string) string { return environment[name] }); len(folder.Attributes()) > 0 {
		t.Errorf("a folder got credentials")
	}
}
