package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

func newMarker() archive.Marker {
	return archive.Marker{FormatVersion: 1, LocationID: locationID, Created: startTime}
}

func newOwner() archive.Owner {
	return archive.Owner{FormatVersion: 1, ClusterID: clusterID, Nonce: "3f9c2d7e10", Written: startTime}
}

func newIntent() archive.Intent {
	return archive.Intent{FormatVersion: 1, Backup: backupID, Attempt: attempt, Started: startTime}
}

// smallFile is one of the three small files, seen from outside.
type smallFile struct {
	encode func() ([]byte, error)
	decode func(reader io.Reader) (any, error)
	want   any
	// breaks are replacements in the text after which it must be refused.
	breaks map[string]string
}

func smallFiles() map[string]smallFile {
	based := newIntent()
	based.Base = &archive.BackupID{ClusterID: clusterID, Name: "weekly", UID: "u-1"}
	decodeIntent := func(reader io.Reader) (any, error) { return archive.DecodeIntent(reader) }
	return map[string]smallFile{
		"marker": {
			encode: func() ([]byte, error) { return archive.EncodeMarker(newMarker()) },
			decode: func(reader io.Reader) (any, error) { return archive.DecodeMarker(reader) },
			want:   newMarker(),
			breaks: map[string]string{`"locationID":"5`: `"locationID":"../5`, `"created"`: `"Xcreated"`, `Z"`: `"`},
		},
		"owner": {
			encode: func() ([]byte, error) { return archive.EncodeOwner(newOwner()) },
			decode: func(reader io.Reader) (any, error) { return archive.DecodeOwner(reader) },
			want:   newOwner(),
			breaks: map[string]string{`"clusterID":"0`: `"clusterID":".`, `"nonce":"3f9c2d7e10"`: `"nonce":""`, `"written"`: `"x"`},
		},
		"intent": {
			encode: func() ([]byte, error) { return archive.EncodeIntent(newIntent()) },
			decode: decodeIntent,
			want:   newIntent(),
			breaks: map[string]string{`"nightly"`: `"a/b"`, `"attempt":"k`: `"attempt":"-`, `"started"`: `"x"`, `"base":null`: `"base":{}`},
		},
		"intent with a base": {
			encode: func() ([]byte, error) { return archive.EncodeIntent(based) },
			decode: decodeIntent,
			want:   based,
			breaks: map[string]string{`"weekly"`: `".."`, `"base":{"clusterID":"0`: `"base":{"clusterID":"1`},
		},
	}
}

func TestSmallFilesComeBack(t *testing.T) {
	for name, file := range smallFiles() {
		encoded := must(file.encode())(t)
		got, err := file.decode(bytes.NewReader(encoded))
		if diff := cmp.Diff(file.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		added := strings.Replace(string(encoded), "{", `{"color":"blue",`, 1)
		if _, err := file.decode(strings.NewReader(added)); err != nil {
			t.Errorf("%s with an unknown field: %v", name, err)
		}
	}
}

func TestSmallFilesRefuse(t *testing.T) {
	for name, file := range smallFiles() {
		good := string(must(file.encode())(t))
		contents := map[string]string{
			"empty": "", "two lines": good + good, "a byte behind": good + "x", "an empty line behind": good + "\n",
			"version 0": strings.Replace(good, `"formatVersion":1`, `"formatVersion":0`, 1),
			"too long":  strings.Replace(good, "{", `{"x":"`+strings.Repeat("x", archive.MaxSmallFileSize)+`",`, 1),
			"null":      "null\n", "list": "[]\n",
		}
		for before, after := range file.breaks {
			if !strings.Contains(good, before) {
				t.Fatalf("%s: %s is not in %s", name, before, good)
			}
			contents[before+" -> "+after] = strings.Replace(good, before, after, 1)
		}
		for i := range good {
			contents["truncated after "+good[:i]] = good[:i]
		}
		for what, content := range contents {
			if _, err := file.decode(strings.NewReader(content)); !errors.Is(err, core.ErrCorrupt) || errors.Is(err, core.ErrInvalid) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		_, err := file.decode(strings.NewReader(strings.Replace(good, `"formatVersion":1`, `"formatVersion":12`, 1)))
		t.Run(name, func(t *testing.T) { checkNewer(t, err, 12) })
	}
}

func TestSmallFilesAreNotWrittenWrong(t *testing.T) {
	marker := func(change func(*archive.Marker)) func() ([]byte, error) {
		file := newMarker()
		change(&file)
		return func() ([]byte, error) { return archive.EncodeMarker(file) }
	}
	owner := func(change func(*archive.Owner)) func() ([]byte, error) {
		file := newOwner()
		change(&file)
		return func() ([]byte, error) { return archive.EncodeOwner(file) }
	}
	intent := func(change func(*archive.Intent)) func() ([]byte, error) {
		file := newIntent()
		change(&file)
		return func() ([]byte, error) { return archive.EncodeIntent(file) }
	}
	cases := map[string]func() ([]byte, error){
		"marker without time":          marker(func(m *archive.Marker) { m.Created = time.Time{} }),
		"marker without id":            marker(func(m *archive.Marker) { m.LocationID = "" }),
		"owner without time":           owner(func(o *archive.Owner) { o.Written = time.Time{} }),
		"owner without nonce":          owner(func(o *archive.Owner) { o.Nonce = "" }),
		"owner without cluster":        owner(func(o *archive.Owner) { o.ClusterID = "" }),
		"intent without time":          intent(func(i *archive.Intent) { i.Started = time.Time{} }),
		"intent without attempt":       intent(func(i *archive.Intent) { i.Attempt = "" }),
		"intent without backup":        intent(func(i *archive.Intent) { i.Backup.UID = "" }),
		"intent with uses and no base": intent(func(i *archive.Intent) { i.Uses = []string{"a"} }),
		"intent with many uses": intent(func(i *archive.Intent) {
			i.Base, i.Uses = &backupID, slices.Repeat([]string{"a"}, archive.MaxUses+1)
		}),
		"intent with a use that is none": intent(func(i *archive.Intent) { i.Base, i.Uses = &backupID, []string{"../x"} }),
		"intent on others' base":         intent(func(i *archive.Intent) { i.Base = &archive.BackupID{ClusterID: "x", Name: "y", UID: "z"} }),
	}
	for name, encode := range cases {
		if _, err := encode(); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIntentsFit: an intent that uses as much as it may is not too long for its file.
func TestIntentsFit(t *testing.T) {
	t.Parallel()
	full := newIntent()
	full.Base = &backupID
	for i := range archive.MaxUses {
		full.Uses = append(full.Uses, fmt.Sprintf("%032d", i))
	}
	for i := range archive.MaxAttempts {
		full.Earlier = append(full.Earlier, fmt.Sprintf("%032d", 5000+i))
	}
	content, err := archive.EncodeIntent(full)
	if err != nil || len(content) > archive.MaxSmallFileSize {
		t.Fatalf("%d bytes: %v", len(content), err)
	}
	read, err := archive.DecodeIntent(bytes.NewReader(content))
	if err != nil || len(read.Attempts()) != 1+archive.MaxUses+archive.MaxAttempts {
		t.Errorf("%d attempts: %v", len(read.Attempts()), err)
	}
}
