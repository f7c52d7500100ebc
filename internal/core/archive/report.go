package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/soda-cdm/kahu/internal/core"
)

// Level says how much an entry of a report matters.
type Level string

// The levels of a report.
const (
	// LevelInfo is what went as it should.
	LevelInfo Level = "info"
	// LevelWarning is what a person should know although nothing is missing.
	LevelWarning Level = "warning"
	// LevelError is what is missing, and why.
	LevelError Level = "error"
)

// ReportEntry is one line of a report: what happened to an object, or a message about the run.
type ReportEntry struct {
	// Time is when it happened.
	Time time.Time
	// Level says how much it matters.
	Level Level
	// Object is the object; the zero value for a message about the run.
	Object core.Key
	// Action is what was done, in one word: BackedUp, Excluded, Skipped, Created.
	Action string
	// Reason is why, short enough to be grouped by.
	Reason string
	// Message is for people, and cut at MaxMessageSize bytes.
	Message string
}

// reportHeader is the first line of a report.
type reportHeader struct {
	FormatVersion int `json:"formatVersion"`
}

// reportLine is how an entry is written.
type reportLine struct {
	Time      time.Time `json:"time"`
	Level     Level     `json:"level"`
	Group     string    `json:"group,omitempty"`
	Resource  string    `json:"resource,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name,omitempty"`
	Action    string    `json:"action,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Message   string    `json:"message,omitempty"`
}

// ReportWriter writes a report as a stream. It is safe for concurrent use.
type ReportWriter struct {
	mutex      sync.Mutex
	compressor *zstd.Encoder
	encoder    *json.Encoder
	warnings   int64
}

// NewReportWriter begins a report. Close must be called at the end; it does not close the target.
func NewReportWriter(target io.Writer) (*ReportWriter, error) {
	compressor, err := newStreamEncoder(target, inStep)
	if err != nil {
		return nil, err
	}
	writer := &ReportWriter{compressor: compressor, encoder: newLineEncoder(compressor)}
	if err := writer.encoder.Encode(reportHeader{FormatVersion: FormatVersion}); err != nil {
		return nil, fmt.Errorf("beginning report: %w", err)
	}
	return writer, nil
}

// Write appends an entry. Its texts are cut at MaxMessageSize bytes each. An entry without time or level gives
// core.ErrInvalid.
func (w *ReportWriter) Write(entry ReportEntry) error {
	if entry.Time.IsZero() || entry.Level == "" {
		return invalid("writing report: %s has no time or no level", entry.Object)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if entry.Level == LevelWarning {
		w.warnings++
	}
	line := reportLine{
		Time: entry.Time.UTC(), Level: entry.Level,
		Group: entry.Object.Group, Resource: entry.Object.Resource,
		Namespace: entry.Object.Namespace, Name: cut(entry.Object.Name),
		Action: cut(entry.Action), Reason: cut(entry.Reason), Message: cut(entry.Message),
	}
	if err := w.encoder.Encode(line); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// Warnings returns the number of entries of LevelWarning so far.
func (w *ReportWriter) Warnings() int64 {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.warnings
}

// Close writes what is left of the report.
func (w *ReportWriter) Close() error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if err := w.compressor.Close(); err != nil {
		return fmt.Errorf("ending report: %w", err)
	}
	return nil
}

// ReadReport returns all entries of a report; the error, if any, is in the last pair: core.ErrCorrupt,
// NewerFormatError, or one of the source. Read through a VerifyingReader: a report does not say how long it is.
func ReadReport(source io.Reader) iter.Seq2[ReportEntry, error] {
	return func(yield func(ReportEntry, error) bool) {
		lines, err := newLineReader("report", source)
		if err != nil {
			yield(ReportEntry{}, err)
			return
		}
		defer lines.close()
		if err := beginReport(lines); err != nil {
			yield(ReportEntry{}, err)
			return
		}
		for {
			entry, err := nextReportEntry(lines)
			if errors.Is(err, errEnd) {
				return
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

func beginReport(lines *lineReader) error {
	var header reportHeader
	err := lines.decode(&header)
	if errors.Is(err, errEnd) {
		return lines.corrupt(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	return checkFormat("report", header.FormatVersion)
}

func nextReportEntry(lines *lineReader) (ReportEntry, error) {
	var line reportLine
	if err := lines.decode(&line); err != nil {
		return ReportEntry{}, err
	}
	if line.Level == "" || line.Time.IsZero() {
		return ReportEntry{}, lines.corrupt(errors.New("an entry without time or level"))
	}
	return ReportEntry{
		Time: line.Time, Level: line.Level,
		Object: core.Key{Group: line.Group, Resource: line.Resource, Namespace: line.Namespace, Name: line.Name},
		Action: line.Action, Reason: line.Reason, Message: line.Message,
	}, nil
}

// ReadLines returns all lines after the header of a file that is written as a report is, each a JSON object and valid
// until the next one is asked for; the error, if any, is in the last pair.
func ReadLines(source io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		lines, err := newLineReader("file of lines", source)
		if err != nil {
			yield(nil, err)
			return
		}
		defer lines.close()
		if err := beginReport(lines); err != nil {
			yield(nil, err)
			return
		}
		for {
			line, err := nextValid(lines)
			if errors.Is(err, errEnd) {
				return
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// nextValid returns the next line, which must be JSON.
func nextValid(lines *lineReader) ([]byte, error) {
	line, err := lines.next()
	if err == nil && !json.Valid(line) {
		return nil, lines.corrupt(errors.New("a line that is no JSON"))
	}
	return line, err
}
