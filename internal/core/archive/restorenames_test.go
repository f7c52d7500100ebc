package archive_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

func TestParseRestoreFile(t *testing.T) {
	id := archive.RestoreID{ClusterID: "11-22", Name: "shop.copy", UID: "33-44"}
	folder := "clusters/11-22/restores/shop.copy/33-44/"
	cases := map[string]struct {
		reason, name string
		ok           bool
	}{
		"Report":     {"a report is a file of a restore", id.ReportName("abc1"), true},
		"Plan":       {"a plan too", id.PlanName("abc1"), true},
		"NoAttempt":  {"an attempt has a name", folder + "report-.jsonl.zst", false},
		"Odd":        {"an attempt has no capitals", folder + "report-A.jsonl.zst", false},
		"Foreign":    {"what Kahu does not write is nobody's", folder + "notes.jsonl.zst", false},
		"OtherKind":  {"nor is a file with another ending", folder + "report-abc1.json", false},
		"Backup":     {"a backup is no restore", "clusters/11-22/backups/shop.copy/33-44/report-abc1.jsonl.zst", false},
		"Deeper":     {"nor is what lies deeper", folder + "x/report-abc1.jsonl.zst", false},
		"OtherPlace": {"nor is what lies elsewhere", "x/11-22/restores/shop.copy/33-44/report-abc1.jsonl.zst", false},
		"Dots":       {"a name has no empty parts", "clusters/11-22/restores/../33-44/report-abc1.jsonl.zst", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, ok := archive.ParseRestoreFile(tc.name)
			if ok != tc.ok || ok && got != id {
				t.Errorf("%s: got %v %t", tc.reason, got, ok)
			}
		})
	}
	if got := id.ReportName("abc1"); got != folder+"report-abc1.jsonl.zst" {
		t.Errorf("the report is %s", got)
	}
}
