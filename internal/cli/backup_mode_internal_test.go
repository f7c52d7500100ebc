package cli

import (
	"testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestModeTexts shows what is said of how a backup was made.
func TestModeTexts(t *testing.T) {
	t.Parallel()
	made := &kahuv1.BackupIncrement{
		BaseName: "monday", UnchangedObjects: 990, ReadObjects: 10, WrittenObjects: 8, WrittenBytes: 2048, ReferredBytes: 4096,
	}
	refused := &kahuv1.BackupIncrement{Reason: "NoBase", Message: "there is no earlier backup", WrittenBytes: 5}
	cases := map[string]struct {
		wish                kahuv1.BackupMode
		status              kahuv1.BackupStatus
		mode, column, share string
	}{
		"nothing": {"", kahuv1.BackupStatus{}, "", "Full", ""},
		"full":    {"", kahuv1.BackupStatus{Mode: "Full"}, "Full", "Full", ""},
		"to be":   {"Auto", kahuv1.BackupStatus{}, "Auto, as it is wished for", "Auto", ""},
		"built on": {
			"Auto",
			kahuv1.BackupStatus{Mode: "Incremental", Incremental: made},
			"Incremental, on monday: 990 unchanged, 10 read, 8 of them written", "Incremental",
			"2.0 KiB written by this backup, 4.0 KiB by earlier ones",
		},
		"refused": {
			"Auto",
			kahuv1.BackupStatus{Mode: "Full", Incremental: refused},
			"Full, where Auto was asked for (NoBase): there is no earlier backup", "Full", "",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backup := &kahuv1.Backup{Spec: kahuv1.BackupSpec{Mode: tc.wish}, Status: tc.status}
			if got := modeText(backup); got != tc.mode {
				t.Errorf("mode %q, want %q", got, tc.mode)
			}
			if got := modeColumn(backup); got != tc.column {
				t.Errorf("column %q, want %q", got, tc.column)
			}
			if got := sharedText(&backup.Status); got != tc.share {
				t.Errorf("segments %q, want %q", got, tc.share)
			}
		})
	}
}
