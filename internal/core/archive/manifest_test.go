package archive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

func newManifest() archive.Manifest {
	segment := func(number int) archive.File {
		name := archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: number}.Name()
		return archive.File{Name: name, Size: 1000, Digest: archive.DigestOf([]byte(name))}
	}
	return archive.Manifest{
		FormatVersion: archive.FormatVersion,
		LocationID:    locationID, ID: backupID, Attempt: attempt, Writer: "kahu v0.1.0", ServerVersion: "v1.36.3",
		Started: startTime, Completed: startTime.Add(90 * time.Second),
		MissingCount: 200,
		Missing:      []archive.Missing{{APIVersion: "example.com/v1", Kind: "Widget", Reason: "Unavailable", Message: "the server is <away> & gone"}},
		Warnings:     2,
		Backup:       json.RawMessage(`{"apiVersion":"kahu.io/v1beta1","kind":"Backup","spec":{"includeNamespaces":["<a&b>"]}}`),
		Kinds: []archive.IndexedKind{
			{Kind: configMaps, Count: 3, ListResourceVersion: "12"}, {Kind: deploys, Count: 2}, {Kind: widgets},
		},
		Counts:   archive.Counts{Objects: 5, Selected: 4, Excluded: 7, Vanished: 1},
		Sizes:    archive.Sizes{Objects: 12345, Segments: 2000},
		Index:    archive.File{Name: backupID.IndexName(), Size: 300, Digest: archive.DigestOf([]byte("index"))},
		Report:   archive.File{Name: backupID.ReportName(), Size: 200, Digest: archive.DigestOf([]byte("report"))},
		Segments: []archive.File{segment(1), segment(2)},
	}
}

// withVolumes is newManifest of a backup with the data of a volume.
func withVolumes() archive.Manifest {
	manifest := newManifest()
	manifest.Volumes = []archive.Volume{{
		VolumeNames: archive.VolumeNames{Namespace: "shop", Name: "data-0", PersistentVolume: "pvc-1", StorageClass: "fast"},
		Provider:    "disks", Location: "vault", Way: "Snapshot", Handle: "snap-1", Attributes: map[string]string{"zone": "b"},
		Driver: "disks.example.com", Size: 1 << 30, Mode: "Filesystem", Bytes: new(int64(123)), Cut: startTime.Add(time.Second),
	}}
	return manifest
}

func TestManifestComesBack(t *testing.T) {
	empty := newManifest()
	empty.Complete, empty.MissingCount, empty.Missing = true, 0, []archive.Missing{}
	empty.Kinds, empty.Segments, empty.Volumes = nil, []archive.File{}, nil
	empty.Counts, empty.Sizes = archive.Counts{}, archive.Sizes{}
	for name, manifest := range map[string]archive.Manifest{"full": newManifest(), "of nothing": empty, "with volumes": withVolumes()} {
		encoded := must(archive.EncodeManifest(manifest))(t)
		got, err := archive.DecodeManifest(bytes.NewReader(encoded))
		if diff := cmp.Diff(manifest, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if lines := strings.Split(string(encoded), "\n"); len(lines) != 3 || lines[2] != "" {
			t.Errorf("%s: not two lines: %s", name, encoded)
		}
	}
}

func TestManifestIsNormalised(t *testing.T) {
	manifest := newManifest()
	manifest.FormatVersion = 99
	manifest.Started = manifest.Started.Add(5 * time.Millisecond).In(time.FixedZone("east", 3600))
	manifest.Backup = json.RawMessage("{\n  \"kind\": \"Backup\"\n}")
	manifest.Missing = []archive.Missing{{APIVersion: "v1", Kind: "X", Reason: "y", Message: strings.Repeat("ä", archive.MaxMessageSize)}}
	got := must(archive.DecodeManifest(bytes.NewReader(must(archive.EncodeManifest(manifest))(t))))(t)
	if got.FormatVersion != 1 || got.Started != startTime || string(got.Backup) != `{"kind":"Backup"}` {
		t.Errorf("%d, %v, %s", got.FormatVersion, got.Started, got.Backup)
	}
	message := got.Missing[0].Message
	if len(message) > archive.MaxMessageSize || !strings.HasSuffix(message, "ä...") {
		t.Errorf("a long message became one of %d bytes that ends in %q", len(message), message[len(message)-8:])
	}
	if manifest.Missing[0].Message == message {
		t.Error("the caller's manifest was changed")
	}
}

func TestManifestFindsDamage(t *testing.T) {
	encoded := must(archive.EncodeManifest(newManifest()))(t)
	for i := range encoded {
		damaged := bytes.Clone(encoded)
		damaged[i] ^= 1
		if _, err := archive.DecodeManifest(bytes.NewReader(damaged)); !errors.Is(err, core.ErrCorrupt) {
			// A digit of the version in a file whose second line is damaged too could not be told apart; one flip can.
			t.Errorf("byte %d (%q): %v", i, encoded[i], err)
		}
		if _, err := archive.DecodeManifest(bytes.NewReader(encoded[:i])); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
	for name, more := range map[string]string{
		"a byte": "x", "a line": "x\n", "an empty line": "\n", "another seal": `{"digest":"sha256:0"}` + "\n",
		"too much": strings.Repeat("x", archive.MaxManifestSize),
	} {
		content := append(bytes.Clone(encoded), more...)
		if _, err := archive.DecodeManifest(bytes.NewReader(content)); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s behind: %v", name, err)
		}
	}
}

// seal makes a manifest of any body, as somebody would who means harm or writes a later version.
func seal(body string) []byte {
	return fmt.Appendf(nil, "%s\n{\"digest\":%q}\n", body, archive.DigestOf([]byte(body)))
}

func TestManifestDecoderRefuses(t *testing.T) {
	body, _, _ := strings.Cut(string(must(archive.EncodeManifest(withVolumes()))(t)), "\n")
	segment := archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: 1}.Name()
	cases := map[string]struct {
		before, after string
		want          error
	}{
		"nothing changed":    {"", "", nil},
		"unknown field":      {`"attempt"`, `"color":{"a":[1]},"attempt"`, nil},
		"other warnings":     {`"warnings":2`, `"warnings":3`, nil},
		"version 0":          {`"formatVersion":1`, `"formatVersion":0`, core.ErrCorrupt},
		"version of text":    {`"formatVersion":1`, `"formatVersion":"1"`, core.ErrCorrupt},
		"no version":         {`"formatVersion":1,`, ``, core.ErrCorrupt},
		"volumes":            {`"volumes":[{`, `"volumes":[{"handle":"x"},{`, core.ErrCorrupt},
		"volume twice":       {`"volumes":[{`, `"volumes":[{"namespace":"shop","name":"data-0","provider":"p","way":"Offload","handle":"h","size":1},{`, core.ErrCorrupt},
		"way of a volume":    {`"way":"Snapshot"`, `"way":"Magic"`, core.ErrCorrupt},
		"no handle":          {`"handle":"snap-1"`, `"handle":""`, core.ErrCorrupt},
		"encryption":         {`"encryption":null`, `"encryption":{"epoch":1}`, core.ErrUnsupported},
		"no encryption":      {`,"encryption":null`, ``, nil},
		"no Backup":          {`"backup":{`, `"Xbackup":{`, core.ErrCorrupt},
		"segment elsewhere":  {segment, "clusters/" + clusterID + "/segments/../../x.tar.zst", core.ErrCorrupt},
		"segment of others":  {segment, archive.SegmentID{ClusterID: "other", Attempt: attempt, Number: 1}.Name(), core.ErrCorrupt},
		"segment twice":      {"000002", "000001", core.ErrCorrupt},
		"segment of nothing": {`"size":1000`, `"size":0`, core.ErrCorrupt},
		"negative segment":   {`"size":1000`, `"size":-1000`, core.ErrCorrupt},
		"enormous segment":   {`"size":1000`, `"size":999999999`, core.ErrCorrupt},
		"index elsewhere":    {"index.zst", "../index.zst", core.ErrCorrupt},
		"report elsewhere":   {"report.jsonl.zst", "intent.json", core.ErrCorrupt},
		"no index":           {`"size":300`, `"size":0`, core.ErrCorrupt},
		"digest":             {`"digest":"sha256:`, `"digest":"md5:`, core.ErrCorrupt},
		"complete":           {`"complete":false`, `"complete":true`, core.ErrCorrupt},
		"fewer missing":      {`"missingCount":200`, `"missingCount":0`, core.ErrCorrupt},
		"kinds' counts":      {`"objects":5`, `"objects":6`, core.ErrCorrupt},
		"negative kind":      {`"count":3`, `"count":-3`, core.ErrCorrupt},
		"order of kinds":     {`"group":"apps"`, `"group":"zebra.io"`, core.ErrCorrupt},
		"no time":            {`"completed":"2026`, `"Xcompleted":"2026`, core.ErrCorrupt},
		"bad time":           {`"completed":"2026`, `"completed":"soon`, core.ErrCorrupt},
		"name upwards":       {`"name":"nightly"`, `"name":".."`, core.ErrCorrupt},
		"attempt upwards":    {`"attempt":"k3x9q"`, `"attempt":"../x"`, core.ErrCorrupt},
		"location":           {`"locationID":"5`, `"locationID":"/`, core.ErrCorrupt},
	}
	for name, test := range cases {
		if !strings.Contains(body, test.before) {
			t.Fatalf("%s: %s is not in %s", name, test.before, body)
		}
		altered := strings.Replace(body, test.before, test.after, 1)
		_, err := archive.DecodeManifest(bytes.NewReader(seal(altered)))
		if !errors.Is(err, test.want) || errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, content := range map[string]string{
		"empty": "", "a line break": "\n", "null": "null", "list": "[]", "text": "hello", "nested": strings.Repeat("[", 100_000),
	} {
		for _, data := range [][]byte{[]byte(content), seal(content)} {
			if _, err := archive.DecodeManifest(bytes.NewReader(data)); !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestManifestOfNewerFormat(t *testing.T) {
	for name, content := range map[string][]byte{
		"sealed as now":     seal(`{"formatVersion":7,"everything":"else"}`),
		"sealed otherwise":  []byte("{\"formatVersion\":7}\n{\"blake3\":\"x\"}\nthird line\n"),
		"one line":          []byte(`{"formatVersion":7}`),
		"other line breaks": []byte("{\"formatVersion\":7}\r\n{}"),
	} {
		_, err := archive.DecodeManifest(bytes.NewReader(content))
		t.Run(name, func(t *testing.T) { checkNewer(t, err, 7) })
	}
}

func TestEncodeManifestRefuses(t *testing.T) {
	cases := map[string]func(m *archive.Manifest){
		"no id":          func(m *archive.Manifest) { m.ID = archive.BackupID{} },
		"no attempt":     func(m *archive.Manifest) { m.Attempt = "" },
		"no location":    func(m *archive.Manifest) { m.LocationID = "" },
		"no time":        func(m *archive.Manifest) { m.Completed = time.Time{} },
		"no Backup":      func(m *archive.Manifest) { m.Backup = nil },
		"Backup no JSON": func(m *archive.Manifest) { m.Backup = json.RawMessage("{") },
		"Backup too large": func(m *archive.Manifest) {
			m.Backup = json.RawMessage(`{"x":"` + strings.Repeat("x", archive.MaxManifestSize) + `"}`)
		},
		"complete":          func(m *archive.Manifest) { m.Complete = true },
		"not complete":      func(m *archive.Manifest) { m.Missing, m.MissingCount = nil, 0 },
		"too many missing":  func(m *archive.Manifest) { m.Missing = make([]archive.Missing, archive.MaxMissing+1) },
		"order of kinds":    func(m *archive.Manifest) { m.Kinds[0], m.Kinds[1] = m.Kinds[1], m.Kinds[0] },
		"kind twice":        func(m *archive.Manifest) { m.Kinds[1] = m.Kinds[0] },
		"counts":            func(m *archive.Manifest) { m.Counts.Objects++ },
		"sizes":             func(m *archive.Manifest) { m.Sizes.Segments++ },
		"index not there":   func(m *archive.Manifest) { m.Index = archive.File{} },
		"report not there":  func(m *archive.Manifest) { m.Report = archive.File{} },
		"segment elsewhere": func(m *archive.Manifest) { m.Segments[0].Name = "x" },
	}
	for name, change := range cases {
		manifest := newManifest()
		change(&manifest)
		if _, err := archive.EncodeManifest(manifest); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodersPassOnErrorsOfTheStore(t *testing.T) {
	cause := fmt.Errorf("store: %w", core.ErrUnavailable)
	content := must(archive.EncodeManifest(newManifest()))(t)
	for _, length := range []int{0, 10, len(content)} {
		reader := func() brokenReader { return brokenReader{content: bytes.NewReader(content[:length]), err: cause} }
		_, manifestErr := archive.DecodeManifest(reader())
		_, markerErr := archive.DecodeMarker(reader())
		_, ownerErr := archive.DecodeOwner(reader())
		_, intentErr := archive.DecodeIntent(reader())
		for _, err := range []error{manifestErr, markerErr, ownerErr, intentErr} {
			if !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrCorrupt) {
				t.Errorf("after %d bytes: %v", length, err)
			}
		}
	}
}

func TestManifestFiles(t *testing.T) {
	manifest := newManifest()
	want := []archive.File{manifest.Index, manifest.Report, manifest.Segments[0], manifest.Segments[1]}
	if diff := cmp.Diff(want, manifest.Files()); diff != "" {
		t.Error(diff)
	}
	if file, ok := manifest.Segment(manifest.Segments[1].Name); !ok || file != manifest.Segments[1] {
		t.Errorf("%v, %t", file, ok)
	}
	if _, ok := manifest.Segment(manifest.Index.Name); ok {
		t.Error("the index is taken for a segment")
	}
}
