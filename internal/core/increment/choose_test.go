package increment_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
)

const cluster = "11111111-2222-3333-4444-555555555555"

var now = time.Date(2026, time.March, 8, 0, 0, 0, 0, time.UTC)

func id(name string) archive.BackupID {
	return archive.BackupID{ClusterID: cluster, Name: name, UID: "uid-of-" + name}
}

// of returns a candidate of so many hours ago.
func of(name string, mode increment.Mode, hours int, alike bool) increment.Candidate {
	return increment.Candidate{
		ID: id(name), Mode: mode, Attempt: "attempt" + name, Started: now.Add(-time.Duration(hours) * time.Hour), Alike: alike,
	}
}

func TestChoose(t *testing.T) {
	const hours = 24
	f, i1, i2, d := of("f", increment.Full, 4, true), of("i1", increment.Incremental, 3, true),
		of("i2", increment.Incremental, 2, true), of("d", increment.Differential, 1, true)
	other := of("other", increment.Full, 0, false)
	type want struct {
		Mode   increment.Mode
		Reason increment.Reason
		Bases  []string
	}
	cases := map[string]struct {
		reason     string
		wish       increment.Wish
		candidates []increment.Candidate
		want       want
	}{
		"Nothing": {
			reason: "A full backup is made where nothing is wished for, with no word about it.",
			wish:   increment.Wish{}, candidates: []increment.Candidate{f}, want: want{Mode: increment.Full},
		},
		"Full": {
			reason: "The same where it is wished for.",
			wish:   increment.Wish{Mode: increment.Full}, candidates: []increment.Candidate{f}, want: want{Mode: increment.Full},
		},
		"First": {
			reason: "The first backup is full.",
			wish:   increment.Wish{Mode: increment.Incremental}, want: want{Mode: increment.Full, Reason: increment.NoBase},
		},
		"Incremental": {
			reason: "The youngest one is the base, whatever it is; the next ones are tried if it cannot be.",
			wish:   increment.Wish{Mode: increment.Incremental}, candidates: []increment.Candidate{i1, d, f, i2},
			want: want{Mode: increment.Incremental, Bases: []string{"d", "i2", "i1"}},
		},
		"Differential": {
			reason: "The youngest full one is the base.",
			wish:   increment.Wish{Mode: increment.Differential}, candidates: []increment.Candidate{i1, d, f, i2},
			want: want{Mode: increment.Differential, Bases: []string{"f"}},
		},
		"DifferentialFirst": {
			reason: "Without a full one there is nothing to differ from.",
			wish:   increment.Wish{Mode: increment.Differential}, candidates: []increment.Candidate{i1},
			want: want{Mode: increment.Full, Reason: increment.NoBase},
		},
		"Alike": {
			reason: "A backup of other objects is no base where there is one of the same.",
			wish:   increment.Wish{Mode: increment.Incremental}, candidates: []increment.Candidate{other, f},
			want: want{Mode: increment.Incremental, Bases: []string{"f"}},
		},
		"Other": {
			reason: "It is one where there is no other.",
			wish:   increment.Wish{Mode: increment.Incremental}, candidates: []increment.Candidate{other},
			want: want{Mode: increment.Incremental, Bases: []string{"other"}},
		},
		"AutoFirst": {
			reason: "Auto begins with a full one.",
			wish:   increment.Wish{Mode: increment.Auto}, candidates: []increment.Candidate{i1},
			want: want{Mode: increment.Full, Reason: increment.FullDue},
		},
		"Auto": {
			reason:     "And goes on with incremental ones.",
			wish:       increment.Wish{Mode: increment.Auto, Every: increment.Every{Backups: 4, Age: 5 * time.Hour}},
			candidates: []increment.Candidate{i1, f, i2},
			want:       want{Mode: increment.Incremental, Bases: []string{"i2", "i1", "f"}},
		},
		"Damaged": {
			reason: "Nothing is left to build on.",
			wish:   increment.Wish{Mode: increment.Incremental, Damaged: []increment.Candidate{f, i1}},
			want:   want{Mode: increment.Full, Reason: increment.BaseDamaged},
		},
		"DamagedAuto": {
			reason: "That the full one is damaged is said, and not that there is none.",
			wish:   increment.Wish{Mode: increment.Auto, Damaged: []increment.Candidate{f}}, candidates: []increment.Candidate{i1},
			want: want{Mode: increment.Full, Reason: increment.BaseDamaged},
		},
		"DamagedDifferential": {
			reason: "One that is not full could not be the base anyway.",
			wish:   increment.Wish{Mode: increment.Differential, Damaged: []increment.Candidate{i2}}, candidates: []increment.Candidate{i1},
			want: want{Mode: increment.Full, Reason: increment.NoBase},
		},
		"DamagedOthers": {
			reason: "What is sound can be the base.",
			wish:   increment.Wish{Mode: increment.Auto, Damaged: []increment.Candidate{d, i2}}, candidates: []increment.Candidate{f},
			want: want{Mode: increment.Incremental, Bases: []string{"f"}},
		},
		"AutoNumber": {
			reason:     "One of four is full: three came since.",
			wish:       increment.Wish{Mode: increment.Auto, Every: increment.Every{Backups: 4, Age: hours * time.Hour}},
			candidates: []increment.Candidate{i1, f, i2, d},
			want:       want{Mode: increment.Full, Reason: increment.FullDue},
		},
		"AutoAge": {
			reason:     "The full one is as old as it may be.",
			wish:       increment.Wish{Mode: increment.Auto, Every: increment.Every{Age: 4 * time.Hour}},
			candidates: []increment.Candidate{i1, f},
			want:       want{Mode: increment.Full, Reason: increment.FullDue},
		},
		"AutoUnbounded": {
			reason: "Without bounds it is never due.",
			wish:   increment.Wish{Mode: increment.Auto}, candidates: []increment.Candidate{i1, f},
			want: want{Mode: increment.Incremental, Bases: []string{"i1", "f"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.wish.Now = now
			choice := increment.Choose(tc.wish, tc.candidates)
			got := want{Mode: choice.Mode, Reason: choice.Reason}
			for _, base := range choice.Bases {
				got.Bases = append(got.Bases, base.ID.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if (choice.Message == "") != (choice.Reason == "") {
				t.Errorf("reason %q with message %q", choice.Reason, choice.Message)
			}
		})
	}
}

// TestAutoIsFullEverySoOften goes through many backups: of each four in a row, exactly one is full.
func TestAutoIsFullEverySoOften(t *testing.T) {
	var made []increment.Candidate
	for i := range 40 {
		choice := increment.Choose(increment.Wish{Mode: increment.Auto, Every: increment.Every{Backups: 4}, Now: now}, made)
		if want := i%4 == 0; (choice.Mode == increment.Full) != want {
			t.Errorf("backup %d is %s: %s", i, choice.Mode, choice.Message)
		}
		made = append(made, of(string(rune('a'+i)), choice.Mode, 1000-i, true))
	}
}
