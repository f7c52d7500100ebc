package archive_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

// checkCheckpoint reads a checkpoint, whatever it is.
func checkCheckpoint(t *testing.T, content []byte) {
	t.Helper()
	head, records, err := readCheckpoint(content)
	if err != nil {
		checkRefusal(t, err)
		return
	}
	for _, record := range records {
		if !strings.HasPrefix(record.Frame.Segment, archive.SegmentPrefix(head.Backup.ClusterID, head.Attempt)) {
			t.Errorf("%s is in %s, which is not of attempt %s", record.Key(), record.Frame.Segment, head.Attempt)
		}
	}
}

// FuzzCheckpointLines seals and compresses what it gets, so that the fuzzer comes past both.
func FuzzCheckpointLines(f *testing.F) {
	content, _, _ := aCheckpoint(f)
	lines := decompress(f, content)
	f.Add(lines[:bytes.LastIndexByte(lines[:len(lines)-1], '\n')+1])
	f.Add([]byte(`{"formatVersion":2}` + "\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		sum := sha256.Sum256(lines)
		checkCheckpoint(t, compress(t, fmt.Appendf(bytes.Clone(lines), "{\"digest\":\"sha256:%x\"}\n", sum)))
	})
}

// FuzzTar compresses what it gets into a frame, so that the fuzzer comes to the tar in it.
func FuzzTar(f *testing.F) {
	for name, content := range readGolden(f) {
		if _, ok := archive.ParseSegmentName(name); ok {
			f.Add(decompress(f, content))
		}
	}
	f.Add(make([]byte, 1024))
	f.Fuzz(func(t *testing.T, plain []byte) {
		reader := must(archive.NewFrameReader())(t)
		defer reader.Close()
		end := int64(0)
		err := reader.Entries(compress(t, plain), func(entry archive.Entry, json []byte) error {
			if entry.Offset < end || !bytes.Equal(json, plain[entry.Offset:][:len(json)]) {
				t.Errorf("entry %v at %d after %d is not what is there", entry, entry.Offset, end)
			}
			end = entry.Offset + int64(len(json))
			return nil
		})
		if err != nil {
			checkRefusal(t, err)
		}
	})
}

// TestLiesCostNothing: what a file says of its own size is not what is allocated for it.
func TestLiesCostNothing(t *testing.T) {
	const most = 64 << 20
	golden := readGolden(t)
	frame := func(size uint64) []byte {
		// A frame of one empty raw block whose header promises that many bytes.
		lie := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xc0}, 0x50)
		return append(binary.LittleEndian.AppendUint64(lie, size), 1, 0, 0)
	}
	var huge bytes.Buffer
	writer := tar.NewWriter(&huge)
	if err := writer.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: "core/v1/configmaps/shop/settings.json", Mode: 0o600, Size: 8 << 20,
	}); err != nil {
		t.Fatal(err)
	}
	entries := func(content []byte) error {
		reader := must(archive.NewFrameReader())(t)
		defer reader.Close()
		return reader.Entries(content, func(archive.Entry, []byte) error { return nil })
	}
	index := func(header string) func() error {
		content := compress(t, []byte(header))
		return func() error {
			_, err := readIndex(content)
			return err
		}
	}
	bomb := compress(t, bytes.Repeat([]byte("x"), 128<<20))
	record := must(readIndex(golden[backupID.IndexName()]))(t)[0]
	lies := map[string]func() error{
		"a frame of 8 MiB in 17 bytes":      func() error { return entries(frame(8 << 20)) },
		"a frame of 1 EiB in 17 bytes":      func() error { return entries(frame(1 << 60)) },
		"a tar entry without its content":   func() error { return entries(compress(t, huge.Bytes())) },
		"an index of 2^62 objects":          index(`{"formatVersion":1,"kinds":1,"objects":4611686018427387904}` + "\n"),
		"an index of 10,000 kinds":          index(`{"formatVersion":1,"kinds":10000,"objects":0}` + "\n"),
		"an index of one line of 128 MiB":   func() error { _, err := readIndex(bomb); return err },
		"a report of one line of 128 MiB":   func() error { _, err := readReport(bomb); return err },
		"a checkpoint of a line of 128 MiB": func() error { _, _, err := readCheckpoint(bomb); return err },
		"a frame of 128 MiB":                func() error { return entries(bomb) },
		"a record of 8 MiB": func() error {
			lie := record
			lie.Frame.Length, lie.Length = int64(len(frame(1))), archive.MaxObjectSize
			return archive.ReadFrame(frame(1), []archive.Record{lie}, nothing)
		},
		"a segment of blocks that are not there": func() error {
			block := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50, 0xf8, 0xff, 0x7f}
			for _, err := range archive.Frames(bytes.NewReader(block)) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	for name, read := range lies {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := read()
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("the lie is believed")
			} else {
				checkRefusal(t, err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("%d bytes were allocated", took)
			}
		})
	}
}
