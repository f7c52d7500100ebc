package engine

import (
	"bytes"
	"sync"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Reasons of rows that tell what is missing from a backup, or was not restored.
const (
	// ReasonKindUnlistable: the objects of a kind could not be listed.
	ReasonKindUnlistable = "KindUnlistable"
	// ReasonObjectUnreadable: an object could not be read.
	ReasonObjectUnreadable = "ObjectUnreadable"
	// ReasonObjectRefused: the API server refused an object.
	ReasonObjectRefused = "ObjectRefused"
	// ReasonTransformFailed: a transform could not be applied to an object.
	ReasonTransformFailed = "TransformFailed"
	// ReasonVolumeWithoutProvider: no provider can back up the data of a bound claim.
	ReasonVolumeWithoutProvider = "VolumeWithoutProvider"
)

// Row is an object, or a whole kind, that a run could not deal with.
type Row struct {
	// Kind is the kind; Key names the object, or only the kind's resource where all of its objects are meant.
	Kind core.Kind
	Key  core.Key
	// Reason is one of the reasons of this package, Message says what happened and what to do.
	Reason, Message string
}

// Missing returns the row as the manifest has it.
func (r Row) Missing() archive.Missing {
	return archive.Missing{
		APIVersion: r.Kind.APIVersion(), Kind: r.Kind.Name, Namespace: r.Key.Namespace, Name: r.Key.Name,
		Reason: r.Reason, Message: r.Message,
	}
}

// Ledger collects what a run has to say: rows that are bounded, and the report, which has everything and is
// compressed as it grows.
type Ledger struct {
	// Rows and Warnings are the first of each, and the totals count all. They are for when the run is over.
	Rows          []Row
	RowsTotal     int64
	Warnings      []string
	WarningsTotal int64

	mu       sync.Mutex
	clock    clock.PassiveClock
	report   *archive.ReportWriter
	reported bytes.Buffer
	failure  error
}

// NewLedger returns an empty ledger.
func NewLedger(passive clock.PassiveClock) (*Ledger, error) {
	made := &Ledger{clock: passive}
	writer, err := archive.NewReportWriter(&made.reported)
	if err != nil {
		return nil, err
	}
	made.report = writer
	return made, nil
}

// Miss writes down something that was asked for and cannot be had.
func (l *Ledger) Miss(row Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.RowsTotal++
	if len(l.Rows) < MaxRows {
		l.Rows = append(l.Rows, row)
	}
	l.write(archive.ReportEntry{
		Level: archive.LevelError, Object: row.Key, Action: "Missing", Reason: row.Reason, Message: row.Message,
	})
}

// Warn writes down something that a person should know.
func (l *Ledger) Warn(key core.Key, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.WarningsTotal++
	if len(l.Warnings) < MaxRows {
		l.Warnings = append(l.Warnings, text)
	}
	l.write(archive.ReportEntry{Level: archive.LevelWarning, Object: key, Message: text})
}

// Note writes a line into the report alone.
func (l *Ledger) Note(key core.Key, action, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(archive.ReportEntry{Level: archive.LevelInfo, Object: key, Action: action, Message: message})
}

// write adds to the report while it is open; the first error is kept until it is closed.
func (l *Ledger) write(entry archive.ReportEntry) {
	if l.report == nil {
		return
	}
	entry.Time = l.clock.Now().UTC()
	if err := l.report.Write(entry); err != nil && l.failure == nil {
		l.failure = err
	}
}

// Close ends the report and returns it, compressed.
func (l *Ledger) Close() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	report := l.report
	l.report = nil
	if err := report.Close(); err != nil {
		return nil, err
	}
	return l.reported.Bytes(), l.failure
}
