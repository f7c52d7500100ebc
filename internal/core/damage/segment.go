package damage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// PlaceError says where in a file the first damage is. It is a core.ErrCorrupt.
type PlaceError struct {
	// Offset and Length are the part of the file.
	Offset, Length int64
	// Err says what was found.
	Err error
}

// Error says what was found.
func (e *PlaceError) Error() string { return e.Err.Error() }

// Unwrap returns what was found.
func (e *PlaceError) Unwrap() error { return e.Err }

// CheckSegment reads a whole segment and compares it with its size and digest, with the format, and with the records of
// the index that are in it. It needs the records in the order of archive.ByFrame, and holds one frame at a time. The
// error is the first damage (core.ErrCorrupt), or that of the source. Decrypt returns what was encrypted; the places of
// damage are those before encryption.
func CheckSegment(
	reader *archive.FrameReader, source io.Reader, file archive.File, records []archive.Record,
	decrypt func(source io.Reader) (io.Reader, error),
) error {
	verifying := archive.NewVerifyingReader(source, file)
	plain, err := decrypt(verifying)
	if err != nil {
		return err
	}
	last := false
	for frame, err := range archive.Frames(plain) {
		if err != nil {
			return at(frame, err)
		}
		if last {
			return at(frame, fmt.Errorf("segment %s goes on after the end of its tar: %w", file.Name, core.ErrCorrupt))
		}
		end := slices.IndexFunc(records, func(record archive.Record) bool { return record.Frame.Offset != frame.Offset })
		if end < 0 {
			end = len(records)
		}
		entries, err := checkFrame(reader, frame, records[:end])
		if err != nil {
			return at(frame, err)
		}
		records, last = records[end:], entries == 0
	}
	if err := verifying.Verify(); err != nil {
		return err
	}
	if len(records) > 0 {
		return fmt.Errorf("%s: no frame of segment %s begins at %d: %w",
			records[0].Key(), file.Name, records[0].Frame.Offset, core.ErrCorrupt)
	}
	if !last {
		return fmt.Errorf("segment %s has no end of its tar: %w", file.Name, core.ErrCorrupt)
	}
	return nil
}

func at(frame archive.Frame, err error) error {
	if !errors.Is(err, core.ErrCorrupt) {
		return err
	}
	return &PlaceError{Offset: frame.Offset, Length: int64(len(frame.Compressed)), Err: err}
}

// checkFrame compares a frame with its own tar headers and with the records that are in it, and returns the number of
// its entries. Entries without a record are no damage: a list that began again leaves them behind.
func checkFrame(reader *archive.FrameReader, frame archive.Frame, records []archive.Record) (entries int, err error) {
	if err := checkLengths(frame, records); err != nil {
		return 0, err
	}
	if err := CheckObjects(reader, frame.Compressed, records); err != nil {
		return 0, err
	}
	next := records
	err = reader.Entries(frame.Compressed, func(entry archive.Entry, content []byte) error {
		entries++
		if len(next) == 0 || next[0].Offset != entry.Offset {
			return nil
		}
		record := next[0]
		next = next[1:]
		if record.Key() != entry.Key() || record.Kind.Version != entry.Version || record.Length != int64(len(content)) {
			return fmt.Errorf("the entry at %d is %s in version %s, and the index says %s in %s: %w",
				entry.Offset, entry.Key(), entry.Version, record.Key(), record.Kind.Version, core.ErrCorrupt)
		}
		return nil
	})
	if err == nil && len(next) > 0 {
		err = fmt.Errorf("%s at %d is not where an entry begins: %w", next[0].Key(), next[0].Offset, core.ErrCorrupt)
	}
	return entries, err
}

// checkLengths compares the length of a frame with what the records say of it.
func checkLengths(frame archive.Frame, records []archive.Record) error {
	for i := range records {
		if ref := records[i].Frame; ref.Length != int64(len(frame.Compressed)) {
			return fmt.Errorf("%s: the frame at %d of segment %s is %d bytes long, not %d: %w", records[i].Key(),
				ref.Offset, ref.Segment, len(frame.Compressed), ref.Length, core.ErrCorrupt)
		}
	}
	return nil
}

// CheckObjects compares the objects of the records with their digests, and what their JSON says of itself with the
// records. All of them are in this frame.
func CheckObjects(reader *archive.FrameReader, compressed []byte, records []archive.Record) error {
	return reader.Read(compressed, records, checkObject)
}

// identity is what an object says of itself.
type identity struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		UID       string `json:"uid"`
	} `json:"metadata"`
}

// checkObject compares what an object says of itself with its record. The decoder's own words could quote the content
// of a Secret.
func checkObject(record archive.Record, content []byte) error {
	var found identity
	if json.Unmarshal(content, &found) != nil {
		return fmt.Errorf("%s is not the JSON of an object: %w", record.Key(), core.ErrCorrupt)
	}
	want := identity{APIVersion: record.Kind.APIVersion(), Kind: record.Kind.Name}
	want.Metadata.Name, want.Metadata.Namespace, want.Metadata.UID = record.Name, record.Namespace, string(record.UID)
	if found != want {
		return fmt.Errorf("the JSON of %s is that of a %s %s %s/%s: %w", record.Key(),
			clip(found.APIVersion), clip(found.Kind), clip(found.Metadata.Namespace), clip(found.Metadata.Name), core.ErrCorrupt)
	}
	return nil
}

func clip(text string) string { return text[:min(len(text), 100)] }

// Examine looks for the objects of a damaged segment that can still be read and returns the damage: the frames that have
// objects that cannot, or, where all can, the place that CheckSegment found. Fetch returns a frame as it lies in the
// segment, fewer bytes where the segment ends before.
func Examine(
	reader *archive.FrameReader, file archive.File, records []archive.Record, found error,
	fetch func(frame archive.FrameRef) ([]byte, error),
) ([]Row, error) {
	var rows []Row
	for group := range archive.ByFrame(records) {
		compressed, err := fetch(group[0].Frame)
		if err != nil {
			return nil, err
		}
		if row := examineFrame(reader, compressed, group); row.ObjectsTotal > 0 {
			rows = append(rows, row)
		}
	}
	if len(rows) > 0 {
		return rows, nil
	}
	row := In(file.Name, WrongContent, found.Error())
	if len(records) > 0 {
		row.Message += "; every object in it can be read all the same"
	}
	if place, is := errors.AsType[*PlaceError](found); is {
		row.Offset, row.Length = place.Offset, place.Length
	}
	return []Row{row}, nil
}

// examineFrame reads the objects of a frame, one by one where they cannot all be read.
func examineFrame(reader *archive.FrameReader, compressed []byte, records []archive.Record) Row {
	frame := records[0].Frame
	row := Row{File: frame.Segment, Offset: frame.Offset, Length: frame.Length, Reason: WrongContent}
	if CheckObjects(reader, compressed, records) == nil {
		return row
	}
	for i := range records {
		if err := CheckObjects(reader, compressed, records[i:i+1]); err != nil {
			row.Concern(records[i].Key())
			if row.Message == "" {
				row.Message = err.Error()
			}
		}
	}
	return row
}
