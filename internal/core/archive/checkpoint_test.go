package archive_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// aCheckpoint returns a checkpoint of the config maps and of a kind without objects, and the records in it.
func aCheckpoint(tb testing.TB) (content []byte, head archive.Checkpoint, records []archive.Record) {
	tb.Helper()
	builder := must(archive.NewIndexBuilder(2_000))(tb)
	all := someRecords(30)
	if err := errors.Join(builder.Begin(configMaps, "77"), builder.Begin(roles, "78"), builder.Add(all...)); err != nil {
		tb.Fatal(err)
	}
	named := map[string]bool{}
	for _, record := range all {
		if record.Kind.GroupResource() == configMaps.GroupResource() {
			records = append(records, record)
		}
		if name := record.Frame.Segment; !named[name] {
			named[name] = true
			head.Segments = append(head.Segments, archive.File{Name: name, Size: 5, Digest: archive.DigestOf([]byte(name))})
		}
	}
	head.Backup, head.Attempt, head.ServerVersion = backupID, attempt, "v1.36.0"
	head.Kinds = []archive.CheckpointKind{
		{IndexedKind: archive.IndexedKind{Kind: configMaps}, Excluded: 3, Vanished: 1, Notes: []archive.CheckpointNote{
			{Namespace: "ns-1", Name: "gone", Action: "Terminating", Message: "why"},
		}},
		{IndexedKind: archive.IndexedKind{Kind: widgets}},
	}
	var target bytes.Buffer
	if err := builder.WriteCheckpoint(&target, head); err != nil {
		tb.Fatal(err)
	}
	// What was written says what the builder knows.
	head.FormatVersion = archive.FormatVersion
	head.Kinds[0].Count, head.Kinds[0].ListResourceVersion = int64(len(records)), "77"
	head.Kinds[1].Count = 2
	for _, record := range all {
		if record.Kind.GroupResource() == widgets.GroupResource() {
			records = append(records, record)
		}
	}
	return target.Bytes(), head, records
}

func readCheckpoint(content []byte) (head archive.Checkpoint, records []archive.Record, err error) {
	reader, err := archive.NewCheckpointReader(bytes.NewReader(content), "")
	if err != nil {
		return archive.Checkpoint{}, nil, err
	}
	defer reader.Close()
	for record, err := range reader.Records() {
		if err != nil {
			return archive.Checkpoint{}, nil, err
		}
		records = append(records, record)
	}
	return reader.Checkpoint(), records, nil
}

func TestCheckpointGivesBackWhatWasWritten(t *testing.T) {
	content, want, wantRecords := aCheckpoint(t)
	head, records, err := readCheckpoint(content)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, head); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(wantRecords, records); diff != "" {
		t.Error(diff)
	}
}

// TestCheckpointIsSealed changes every byte of a checkpoint, and what was compressed, in turn: none is taken for whole.
func TestCheckpointIsSealed(t *testing.T) {
	content, _, _ := aCheckpoint(t)
	refuse := func(what string, at int, damaged []byte) {
		t.Helper()
		if _, _, err := readCheckpoint(damaged); !errors.Is(err, core.ErrCorrupt) && !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("%s %d: got %v", what, at, err)
		}
	}
	for at := range content {
		flipped := slices.Clone(content)
		flipped[at] ^= 4
		if _, _, err := readCheckpoint(flipped); err == nil {
			// zstd has bits that mean nothing, such as that of a reserved field.
			if !bytes.Equal(decompress(t, flipped), decompress(t, content)) {
				t.Errorf("byte %d: a change was not found", at)
			}
		}
		refuse("cut at", at, content[:at])
	}
	plain := decompress(t, content)
	for at := 0; at < len(plain); at += 61 {
		flipped := slices.Clone(plain)
		flipped[at] ^= 1
		refuse("line byte", at, compress(t, flipped))
	}
	lines := bytes.SplitAfter(plain, []byte("\n"))
	refuse("without its seal", 0, compress(t, bytes.Join(lines[:len(lines)-2], nil)))
	refuse("followed by more", 0, compress(t, append(slices.Clone(plain), "{}\n"...)))
}

func TestCheckpointNames(t *testing.T) {
	name := backupID.CheckpointName(attempt, 7)
	if want := backupID.Folder() + "checkpoint-k3x9q-000007.zst"; name != want {
		t.Errorf("%s, not %s", name, want)
	}
	if found, number, ok := backupID.ParseCheckpointName(name); !ok || found != attempt || number != 7 {
		t.Errorf("parsed %s %d %t", found, number, ok)
	}
	for _, wrong := range []string{
		"", backupID.IndexName(), backupID.IndexNameOf(attempt), backupID.CheckpointName(attempt, 0), backupID.CheckpointName("UP", 1),
		name + "x", "x" + name, backupID.Folder() + "checkpoint-k3x9q-7.zst", backupID.Folder() + "checkpoint-k3x9q-+00007.zst",
	} {
		if _, _, ok := backupID.ParseCheckpointName(wrong); ok {
			t.Errorf("%q is taken for one", wrong)
		}
	}
}

// TestManifestOfALaterAttempt: its files bear its name, and no other's.
func TestManifestOfALaterAttempt(t *testing.T) {
	manifest := newManifest()
	manifest.Index.Name, manifest.Report.Name = backupID.IndexNameOf(attempt), backupID.ReportNameOf(attempt)
	content := must(archive.EncodeManifest(manifest))(t)
	if read := must(archive.DecodeManifest(bytes.NewReader(content)))(t); read.Index != manifest.Index {
		t.Errorf("the index is %v", read.Index)
	}
	for name, wrong := range map[string]func(*archive.Manifest){
		"Other": func(m *archive.Manifest) { m.Index.Name = backupID.IndexNameOf("other") },
		"Mixed": func(m *archive.Manifest) { m.Index.Name = backupID.IndexName() },
	} {
		t.Run(name, func(t *testing.T) {
			manifest := manifest
			wrong(&manifest)
			if _, err := archive.EncodeManifest(manifest); !errors.Is(err, core.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzCheckpoint(f *testing.F) {
	content, _, _ := aCheckpoint(f)
	f.Add(decompress(f, content))
	f.Fuzz(func(t *testing.T, plain []byte) {
		head, records, err := readCheckpoint(compress(t, plain))
		if err != nil {
			return
		}
		if head.Backup.Check() != nil || len(records) > len(plain) {
			t.Errorf("accepted %+v with %d records", head, len(records))
		}
	})
}
