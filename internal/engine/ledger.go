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

// missing returns the row as the manifest has it.
func (r Row) missing() archive.Missing {
	return archive.Missing{
		APIVersion: r.Kind.APIVersion(), Kind: r.Kind.Name, Namespace: r.Key.Namespace, Name: r.Key.Name,
		Reason: r.Reason, Message: r.Message,
	}
}

func path(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// ledger collects what a run has to say: rows that are bounded, and the report, which has everything and is
// compressed as it grows.
type ledger struct {
	mu            sync.Mutex
	clock         clock.PassiveClock
	rows          []Row
	rowsTotal     int64
	warnings      []string
	warningsTotal int64
	report        *archive.ReportWriter
	reported      bytes.Buffer
	failure       error
}

func newLedger(passive clock.PassiveClock) (*ledger, error) {
	made := &ledger{clock: passive}
	writer, err := archive.NewReportWriter(&made.reported)
	if err != nil {
		return nil, err
	}
	made.report = writer
	return made, nil
}

// miss writes down something that was asked for and cannot be had.
func (l *ledger) miss(row Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rowsTotal++
	if len(l.rows) < maxRows {
		l.rows = append(l.rows, row)
	}
	l.write(archive.ReportEntry{
		Level: archive.LevelError, Object: row.Key, Action: "Missing", Reason: row.Reason, Message: row.Message,
	})
}

// warn writes down something that a person should know.
func (l *ledger) warn(key core.Key, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warningsTotal++
	if len(l.warnings) < maxRows {
		l.warnings = append(l.warnings, text)
	}
	l.write(archive.ReportEntry{Level: archive.LevelWarning, Object: key, Message: text})
}

// note writes a line into the report alone.
func (l *ledger) note(key core.Key, action, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(archive.ReportEntry{Level: archive.LevelInfo, Object: key, Action: action, Message: message})
}

// write adds to the report while it is open; the first error is kept until it is closed.
func (l *ledger) write(entry archive.ReportEntry) {
	if l.report == nil {
		return
	}
	entry.Time = l.clock.Now().UTC()
	if err := l.report.Write(entry); err != nil && l.failure == nil {
		l.failure = err
	}
}

// close ends the report and returns it, compressed.
func (l *ledger) close() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	report := l.report
	l.report = nil
	if err := report.Close(); err != nil {
		return nil, err
	}
	return l.reported.Bytes(), l.failure
}
