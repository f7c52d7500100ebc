package workload_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/soda-cdm/kahu/devcluster/internal/workload"
)

// TestLedgerHoldsStillWithAllFoldersAgreeing quiesces a ledger some times while it writes, and looks at its folders.
func TestLedgerHoldsStillWithAllFoldersAgreeing(t *testing.T) {
	a, b, quiet := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "quiet")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	var out, errs bytes.Buffer
	go func() {
		ended <- workload.Main(ctx, []string{"ledger", "--every", "0s", "--quiesce", quiet, a, b}, &out, &errs)
	}()
	last := ""
	for range 5 {
		must(t, "quiesce", quiet)
		counts := must(t, "agree", a, b)
		if again := must(t, "agree", a, b); again != counts || counts == last {
			t.Errorf("first %q, then %q, before %q", counts, again, last)
		}
		last = counts
		must(t, "unquiesce", quiet)
		for grows := must(t, "checksum", a); grows == must(t, "checksum", a); {
		}
	}
	cancel()
	if code := <-ended; code != 0 || out.String() != "0 records are there\n" {
		t.Errorf("it ends with %d: %s%s", code, out.String(), errs.String())
	}
	must(t, "agree", a, b)
}

func TestDisagreementIsFound(t *testing.T) {
	for name, spoil := range map[string]func(content string) string{
		"a record less":   func(content string) string { return content[:strings.LastIndex(content[:len(content)-1], "\n")+1] },
		"half a record":   func(content string) string { return content[:len(content)-4] },
		"another content": func(content string) string { return strings.Replace(content, "record", "recorb", 1) },
		"another order": func(content string) string {
			lines := strings.SplitAfter(content, "\n")
			lines[0], lines[1] = lines[1], lines[0]
			return strings.Join(lines, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := t.TempDir(), t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 9500*1000)
				defer cancel()
				if code := workload.Main(ctx, []string{"ledger", a, b}, t.Output(), t.Output()); code != 0 {
					t.Fatal(code)
				}
			})
			if counts := must(t, "agree", a, b); !strings.HasPrefix(counts, "10 ") {
				t.Fatalf("there are %s", counts)
			}
			path := filepath.Join(b, "ledger")
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(spoil(string(content))), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, errs, code := run(t, "agree", a, b); code != 1 {
				t.Errorf("it ends with %d: %s%s", code, out, errs)
			}
		})
	}
}

func TestQuiesceGivesUpAndLeavesNothing(t *testing.T) {
	quiet := filepath.Join(t.TempDir(), "quiet")
	if _, errs, code := run(t, "quiesce", "--limit", "20ms", quiet); code != 1 || !strings.Contains(errs, "does not hold still") {
		t.Errorf("it ends with %d: %s", code, errs)
	}
	if _, err := os.Stat(quiet); err == nil {
		t.Error("the file is still there")
	}
	must(t, "unquiesce", quiet)
}
