package inspect

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// ReportLine is a line of an answer that shows a report.
type ReportLine struct {
	Time      time.Time     `json:"time"`
	Level     archive.Level `json:"level"`
	Group     string        `json:"group,omitempty"`
	Resource  string        `json:"resource,omitempty"`
	Namespace string        `json:"namespace,omitempty"`
	Name      string        `json:"name,omitempty"`
	Action    string        `json:"action,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Message   string        `json:"message,omitempty"`
}

// ObjectLine is a line of an answer that shows which objects are in a backup. Contents and labels are not shown.
type ObjectLine struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Resource   string      `json:"resource"`
	Namespace  string      `json:"namespace,omitempty"`
	Name       string      `json:"name"`
	Reason     core.Reason `json:"reason"`
	Bytes      int64       `json:"bytes"`
}

// Report returns a page of a backup's report: what happened, line by line.
func Report(ctx context.Context, stored Stored, token string) (inspection.Page, error) {
	manifest, contents, err := stored.open(ctx)
	if err != nil {
		return inspection.Page{}, err
	}
	pager, err := inspection.NewPager([]string{"Report", stored.Backup.String(), string(manifest.Report.Digest)}, token)
	if err != nil {
		return inspection.Page{}, err
	}
	err = contents.Read(ctx, manifest.Report, func(content io.Reader) error {
		for entry, err := range archive.ReadReport(content) {
			if err == nil {
				err = pager.Offer(lineOf(entry))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return inspection.Page{}, fmt.Errorf("reading the report: %w", err)
	}
	return pager.Page()
}

func lineOf(entry archive.ReportEntry) ReportLine {
	return ReportLine{
		Time: entry.Time, Level: entry.Level, Group: entry.Object.Group, Resource: entry.Object.Resource,
		Namespace: entry.Object.Namespace, Name: entry.Object.Name,
		Action: entry.Action, Reason: entry.Reason, Message: entry.Message,
	}
}

// Objects returns a page of which objects are in a backup, and why each is: those that the filters choose, in the
// order of the index. Wrong filters give an InvalidError.
func Objects(
	ctx context.Context, stored Stored, filters selection.Filters, token string,
) (inspection.Page, error) {
	manifest, contents, err := stored.open(ctx)
	if err != nil {
		return inspection.Page{}, err
	}
	selector, err := chooseShown(&manifest, filters)
	if err != nil {
		return inspection.Page{}, err
	}
	wish, err := json.Marshal([]any{filters.IncludeNamespaces, filters.IncludeResources})
	if err != nil {
		return inspection.Page{}, fmt.Errorf("encoding the filters: %w", err)
	}
	pager, err := inspection.NewPager([]string{"Objects", stored.Backup.String(), string(manifest.Index.Digest), string(wish)}, token)
	if err != nil {
		return inspection.Page{}, err
	}
	err = contents.EachRecord(ctx, manifest.Index, func(record archive.Record) error {
		if !selector.Object(record.Kind, record.Namespace, record.Name, record.Labels).In {
			return nil
		}
		return pager.Offer(ObjectLine{
			APIVersion: record.Kind.APIVersion(), Kind: record.Kind.Name, Resource: record.Kind.Resource,
			Namespace: record.Namespace, Name: record.Name, Reason: record.Reason, Bytes: record.Length,
		})
	})
	if err != nil {
		return inspection.Page{}, err
	}
	return pager.Page()
}

// chooseShown compiles filters over the kinds of a backup.
func chooseShown(manifest *archive.Manifest, filters selection.Filters) (*selection.Selector, error) {
	kinds := make([]core.Kind, 0, len(manifest.Kinds))
	for i := range manifest.Kinds {
		kinds = append(kinds, manifest.Kinds[i].Kind)
	}
	selector, problems := selection.Compile(filters, kinds)
	if len(problems) > 0 {
		return nil, &engine.InvalidError{Problems: problems}
	}
	return selector, nil
}

// Lines returns a page of any file of JSON lines in the format of a report that no manifest names, as those of
// restores are. The name is unique to one attempt, and the file is written once.
func Lines(ctx context.Context, files engine.FileReader, name, token string) (inspection.Page, error) {
	pager, err := inspection.NewPager([]string{"Lines", name}, token)
	if err != nil {
		return inspection.Page{}, err
	}
	file, err := files.Open(ctx, name)
	if err != nil {
		return inspection.Page{}, fmt.Errorf("opening %s: %w", name, err)
	}
	defer file.Close() //nolint:errcheck // It was read to its end, or the error that ended the reading counts.
	start := bufio.NewReaderSize(file, seal.SealedStart)
	if begin, peekErr := start.Peek(seal.SealedStart); peekErr == nil && seal.IsSealed(begin) {
		return inspection.Page{}, fmt.Errorf("%s is encrypted: an identity of a recipient of the location opens it, see "+
			"docs/encryption.md: %w", name, core.ErrUnsupported)
	}
	for line, err := range archive.ReadLines(start) {
		if err == nil {
			err = pager.Offer(json.RawMessage(bytes.Clone(line)))
		}
		if err != nil {
			return inspection.Page{}, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return pager.Page()
}
