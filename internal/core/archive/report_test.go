package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

func someEntries() []archive.ReportEntry {
	return []archive.ReportEntry{
		{Time: startTime, Level: archive.LevelInfo, Message: "the run <begins> & goes on"},
		{
			Time: startTime.Add(1500 * time.Microsecond), Level: archive.LevelWarning, Action: "Excluded", Reason: "a rule",
			Object: core.Key{Group: "apps", Resource: "deployments", Namespace: "shop", Name: "web\n"},
		},
		{Time: startTime, Level: archive.LevelError, Object: core.Key{Resource: "nodes", Name: "n"}, Reason: "Denied"},
	}
}

func writeReport(tb testing.TB, entries []archive.ReportEntry) []byte {
	tb.Helper()
	var content bytes.Buffer
	writer := must(archive.NewReportWriter(&content))(tb)
	for _, entry := range entries {
		must(0, writer.Write(entry))(tb)
	}
	must(0, writer.Close())(tb)
	return content.Bytes()
}

func readReport(content []byte) ([]archive.ReportEntry, error) {
	var entries []archive.ReportEntry
	for entry, err := range archive.ReadReport(bytes.NewReader(content)) {
		if err != nil {
			return entries, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func TestReportComesBack(t *testing.T) {
	for name, entries := range map[string][]archive.ReportEntry{"some": someEntries(), "none": nil} {
		got, err := readReport(writeReport(t, entries))
		if diff := cmp.Diff(entries, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestReportOfManyWriters(t *testing.T) {
	var content bytes.Buffer
	writer := must(archive.NewReportWriter(&content))(t)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 500 {
				entry := archive.ReportEntry{Time: startTime, Level: archive.LevelWarning, Message: fmt.Sprint(worker, i)}
				if err := writer.Write(entry); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := readReport(content.Bytes())
	if err != nil || len(entries) != 2000 || writer.Warnings() != 2000 {
		t.Errorf("%d entries, %d warnings, %v", len(entries), writer.Warnings(), err)
	}
}

func TestReportCutsLongTexts(t *testing.T) {
	long := strings.Repeat("x", archive.MaxMessageSize+1)
	entry := archive.ReportEntry{Time: startTime, Level: archive.LevelInfo, Message: long, Object: core.Key{Name: long}}
	entries, err := readReport(writeReport(t, []archive.ReportEntry{entry}))
	if err != nil || len(entries[0].Message) != archive.MaxMessageSize || len(entries[0].Object.Name) != archive.MaxMessageSize {
		t.Errorf("%v", err)
	}
}

func TestReportRefuses(t *testing.T) {
	writer := must(archive.NewReportWriter(&bytes.Buffer{}))(t)
	for _, entry := range []archive.ReportEntry{{Level: archive.LevelInfo}, {Time: startTime}} {
		if err := writer.Write(entry); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%v is written: %v", entry, err)
		}
	}
	content := writeReport(t, someEntries())
	for length := range content {
		if _, err := readReport(content[:length]); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", length, len(content), err)
		}
	}
	good := string(decompress(t, content))
	for name, text := range map[string]string{
		"no header":    strings.SplitAfterN(good, "\n", 2)[1],
		"version 0":    strings.Replace(good, `"formatVersion":1`, `"formatVersion":0`, 1),
		"half a line":  strings.TrimSuffix(good, "\n"),
		"no time":      strings.Replace(good, `"time"`, `"x"`, 1),
		"no level":     strings.Replace(good, `"level"`, `"x"`, 1),
		"empty line":   good + "\n",
		"no JSON":      good + "hello\n",
		"endless line": good + strings.Repeat(" ", archive.MaxLineSize+1),
	} {
		if _, err := readReport(compress(t, []byte(text))); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := readReport(compress(t, []byte("{\"formatVersion\":3}\nwhatever\n")))
	checkNewer(t, err, 3)
	for _, err := range archive.ReadReport(brokenReader{content: bytes.NewReader(content[:20]), err: errCable}) {
		if err != nil && (!errors.Is(err, errCable) || errors.Is(err, core.ErrCorrupt)) {
			t.Error(err)
		}
	}
}
