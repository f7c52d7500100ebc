package copyplan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
)

var now = time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)

func wish(location, token string) copyplan.Wish {
	return copyplan.Wish{Location: location, Token: token}
}

func TestPermit(t *testing.T) {
	t.Parallel()
	plain, sealed := archive.Manifest{}, archive.Manifest{Encryption: archive.Encryption{Scheme: archive.SchemeAge, Epoch: "e1"}}
	from, to := copyplan.Place{Name: "main", ID: "1"}, copyplan.Place{Name: "offsite", ID: "2"}
	encrypted := copyplan.Place{Name: "offsite", ID: "2", Encrypted: true, Epoch: "e2"}
	same := copyplan.Place{Name: "offsite", ID: "2", Encrypted: true, Epoch: "e1"}
	for name, test := range map[string]struct {
		manifest archive.Manifest
		to       copyplan.Place
		refused  string
		noted    bool
	}{
		"PlainToPlain":         {manifest: plain, to: to},
		"PlainToEncrypted":     {manifest: plain, to: encrypted, refused: copyplan.NotEncrypted},
		"EncryptedToPlain":     {manifest: sealed, to: to, noted: true},
		"EncryptedToEncrypted": {manifest: sealed, to: encrypted, noted: true},
		"SameKey":              {manifest: sealed, to: same},
		"SamePlace":            {manifest: plain, to: copyplan.Place{Name: "other", ID: "1"}, refused: copyplan.SamePlace},
		"SamePlaceEncrypted":   {manifest: plain, to: copyplan.Place{ID: "1", Encrypted: true}, refused: copyplan.SamePlace},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := copyplan.Permit(&test.manifest, from, test.to)
			refused, _ := errors.AsType[*copyplan.RefusedError](err)
			if (refused == nil) != (test.refused == "") || refused != nil && refused.Reason != test.refused {
				t.Fatalf("got %v", err)
			}
			if noted := copyplan.Note(&test.manifest, from, test.to) != ""; err == nil && noted != test.noted {
				t.Errorf("noted: %t", noted)
			}
		})
	}
}

// TestOrder: the intent goes first, every other file after it, and none twice.
func TestOrder(t *testing.T) {
	t.Parallel()
	id := archive.BackupID{ClusterID: "c", Name: "n", UID: "u"}
	manifest := archive.Manifest{
		ID: id, Intent: archive.File{Name: id.IntentName(), Size: 1}, Index: archive.File{Name: id.IndexName(), Size: 2},
		Report: archive.File{Name: id.ReportName(), Size: 3}, Segments: []archive.File{{Name: "a", Size: 4}, {Name: "b", Size: 5}},
	}
	batches := copyplan.Order(&manifest)
	if len(batches) != 2 || len(batches[0]) != 1 || batches[0][0].Name != id.IntentName() || len(batches[1]) != 4 {
		t.Errorf("got %v", batches)
	}
	if size := copyplan.Size(&manifest); size != 15 {
		t.Errorf("size %d", size)
	}
	manifest.Intent = archive.File{} // As early releases wrote it.
	if batches := copyplan.Order(&manifest); len(batches) != 1 || len(batches[0]) != 4 {
		t.Errorf("got %v", batches)
	}
}

func TestLack(t *testing.T) {
	t.Parallel()
	manifest := archive.Manifest{Index: archive.File{Name: "i", Size: 1}, Report: archive.File{Name: "r", Size: 2}, Segments: []archive.File{{Name: "s", Size: 3}}}
	for name, test := range map[string]struct {
		found  map[string]int64
		first  string
		number int64
	}{
		"Nothing": {found: map[string]int64{"i": 1, "r": 2, "s": 3, "other": 4}},
		"One":     {found: map[string]int64{"i": 1, "r": 2}, first: "s", number: 1},
		"Short":   {found: map[string]int64{"i": 1, "r": 2, "s": 2}, first: "s", number: 1},
		"All":     {first: "i", number: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if first, number := copyplan.Lack(&manifest, test.found); first != test.first || number != test.number {
				t.Errorf("got %q and %d", first, number)
			}
		})
	}
}

func TestSync(t *testing.T) {
	t.Parallel()
	made := copyplan.Row{Wish: wish("a", ""), Phase: copyplan.Made, Tries: 2}
	waiting := copyplan.Row{Wish: wish("a", ""), Phase: copyplan.Waiting, Tries: 1, Due: now}
	fresh := copyplan.Row{Wish: wish("a", "")}
	leaving := copyplan.Row{Wish: wish("a", ""), Phase: copyplan.Leaving, Tries: 1}
	for name, test := range map[string]struct {
		wishes []copyplan.Wish
		rows   []copyplan.Row
		want   []copyplan.Row
	}{
		"Nothing":          {},
		"New":              {wishes: []copyplan.Wish{wish("a", "")}, want: []copyplan.Row{fresh}},
		"Kept":             {wishes: []copyplan.Wish{wish("a", "")}, rows: []copyplan.Row{made}, want: []copyplan.Row{made}},
		"AskedAgain":       {wishes: []copyplan.Wish{wish("a", "2")}, rows: []copyplan.Row{made}, want: []copyplan.Row{{Wish: wish("a", "2")}}},
		"MadeAndTakenBack": {rows: []copyplan.Row{made}},
		"NeverBegun":       {rows: []copyplan.Row{fresh}},
		"TakenBack":        {rows: []copyplan.Row{waiting}, want: []copyplan.Row{leaving}},
		"TakenBackTwice":   {rows: []copyplan.Row{leaving}, want: []copyplan.Row{leaving}},
		"WantedWhileItGoes": {
			wishes: []copyplan.Wish{wish("a", "2")}, rows: []copyplan.Row{leaving}, want: []copyplan.Row{leaving},
		},
		"Several": {
			wishes: []copyplan.Wish{wish("b", ""), wish("a", "")}, rows: []copyplan.Row{made},
			want: []copyplan.Row{made, {Wish: wish("b", "")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, copyplan.Sync(test.wishes, test.rows)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	later := copyplan.Row{Wish: wish("later", ""), Due: now.Add(time.Minute)}
	soon := copyplan.Row{Wish: wish("soon", ""), Due: now.Add(time.Second)}
	due := copyplan.Row{Wish: wish("due", ""), Due: now}
	running := copyplan.Row{Wish: wish("running", ""), Phase: copyplan.Running}
	leaving := copyplan.Row{Wish: wish("leaving", ""), Phase: copyplan.Leaving}
	made := copyplan.Row{Wish: wish("made", ""), Phase: copyplan.Made}
	for name, test := range map[string]struct {
		rows []copyplan.Row
		at   int
		wait time.Duration
	}{
		"Nothing":      {at: -1},
		"AllMade":      {rows: []copyplan.Row{made}, at: -1},
		"Due":          {rows: []copyplan.Row{made, later, due}, at: 2},
		"FailedPasses": {rows: []copyplan.Row{later, {Wish: wish("new", "")}}, at: 1},
		"Wait":         {rows: []copyplan.Row{later, soon}, at: -1, wait: time.Second},
		"RunningFirst": {rows: []copyplan.Row{due, leaving, running}, at: 2},
		"LeavingFirst": {rows: []copyplan.Row{due, leaving}, at: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if at, wait := copyplan.Next(test.rows, now); at != test.at || wait != test.wait {
				t.Errorf("got %d after %s", at, wait)
			}
		})
	}
}

// TestEnded: what will not pass ends a copy at once, everything else after so many tries, whose pauses grow up to a limit.
func TestEnded(t *testing.T) {
	t.Parallel()
	source := func(class error) error {
		return fmt.Errorf("sending: %w", &copyplan.SourceError{File: "f", Err: fmt.Errorf("x: %w", class)})
	}
	for name, test := range map[string]struct {
		err   error
		tries int
		want  copyplan.Phase
	}{
		"Made":              {tries: 1, want: copyplan.Made},
		"Unavailable":       {err: core.ErrUnavailable, tries: 1, want: copyplan.Waiting},
		"DeniedMayBeMended": {err: core.ErrDenied, tries: copyplan.MaxTries - 1, want: copyplan.Waiting},
		"TooOften":          {err: core.ErrUnavailable, tries: copyplan.MaxTries, want: copyplan.GivenUp},
		"Damaged":           {err: source(core.ErrCorrupt), tries: 1, want: copyplan.GivenUp},
		"Gone":              {err: source(core.ErrNotFound), tries: 1, want: copyplan.GivenUp},
		"SourceUnavailable": {err: source(core.ErrUnavailable), tries: 1, want: copyplan.Waiting},
		"TargetDamages":     {err: core.ErrCorrupt, tries: 1, want: copyplan.Waiting},
		"Refused":           {err: &copyplan.RefusedError{Reason: copyplan.Differs, Message: "x"}, tries: 1, want: copyplan.GivenUp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := copyplan.Ended(copyplan.Row{Wish: wish("a", ""), Phase: copyplan.Running, Tries: test.tries}, test.err, "Reason", now)
			if row.Phase != test.want || row.Reason != "Reason" || (row.Message == "") != (test.err == nil) {
				t.Errorf("got %+v", row)
			}
			if waits := !row.Due.IsZero(); waits != (test.want == copyplan.Waiting) {
				t.Errorf("due %s", row.Due)
			}
		})
	}
	var sum time.Duration
	for tries := 1; tries < copyplan.MaxTries; tries++ {
		if copyplan.Pause(tries) > copyplan.Pause(tries+1) || copyplan.Pause(tries) > 30*time.Minute {
			t.Errorf("after %d tries %s", tries, copyplan.Pause(tries))
		}
		sum += copyplan.Pause(tries)
	}
	if sum < 4*time.Hour || sum > 8*time.Hour {
		t.Errorf("all pauses together are %s", sum)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	made := copyplan.Row{Wish: wish("a", ""), Phase: copyplan.Made, Tries: 1, Reason: "Copied"}
	failing := copyplan.Row{Wish: wish("b", ""), Tries: 1, Reason: "Away", Message: "it is away"}
	given := copyplan.Row{Wish: wish("c", ""), Phase: copyplan.GivenUp, Tries: 1, Reason: "Damaged", Message: "it is damaged"}
	queued := copyplan.Row{Wish: wish("d", ""), Reason: "Queued"}
	first := copyplan.Row{Wish: wish("e", ""), Phase: copyplan.Running, Tries: 1}
	for name, test := range map[string]struct {
		rows []copyplan.Row
		want copyplan.Verdict
	}{
		"Made":    {[]copyplan.Row{made}, copyplan.Verdict{Made: 1}},
		"GoingOn": {[]copyplan.Row{made, queued, first}, copyplan.Verdict{Made: 1}},
		"Failing": {[]copyplan.Row{made, failing}, copyplan.Verdict{Made: 1, Failing: 1, Reason: "Away", Message: "to b: it is away"}},
		"GivenUpIsWorse": {
			[]copyplan.Row{failing, given},
			copyplan.Verdict{GivenUp: 1, Failing: 1, Reason: "Damaged", Message: "to b: it is away; to c: it is damaged"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, copyplan.Judge(test.rows)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryWishSettles plays wishes that come and go and tries that end anyhow: rows are those of the wishes, one each, a
// copy that is wanted is made or given up in the end, and nothing is tried without bound.
func TestEveryWishSettles(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var wishes []copyplan.Wish
		var rows []copyplan.Row
		at := now
		for step := range 400 {
			if step < 100 && random.IntN(5) == 0 {
				wishes = nil
				for _, location := range []string{"a", "b", "c"} {
					if random.IntN(2) == 0 {
						wishes = append(wishes, wish(location, fmt.Sprint(random.IntN(2))))
					}
				}
			}
			rows = copyplan.Sync(wishes, rows)
			next, wait := copyplan.Next(rows, at)
			at = at.Add(wait)
			if next < 0 {
				continue
			}
			switch row := &rows[next]; row.Phase {
			case copyplan.Waiting:
				row.Phase = copyplan.Running
				row.Tries++
			case copyplan.Running:
				errs := []error{nil, core.ErrUnavailable, core.ErrUnavailable, &copyplan.SourceError{Err: core.ErrCorrupt}}
				*row = copyplan.Ended(*row, errs[random.IntN(len(errs))], "Reason", at)
			case copyplan.Leaving, copyplan.Made, copyplan.GivenUp:
				rows = append(rows[:next:next], rows[next+1:]...)
			}
		}
		if len(rows) != len(wishes) {
			t.Fatalf("seed %d: %d rows for %d wishes: %+v", seed, len(rows), len(wishes), rows)
		}
		for _, row := range rows {
			if row.Phase != copyplan.Made && row.Phase != copyplan.GivenUp || row.Tries > copyplan.MaxTries {
				t.Fatalf("seed %d: %+v", seed, row)
			}
		}
	}
}

// TestSeen: a copy that was made and is gone says so and is not made again by itself; one that was found again is made; what
// is there or not says nothing of all others.
func TestSeen(t *testing.T) {
	wish := copyplan.Wish{Location: "offsite"}
	gone, changed := copyplan.Seen(copyplan.Row{Wish: wish, Phase: copyplan.Made, Tries: 1}, false)
	if !changed || gone.Phase != copyplan.GivenUp || gone.Reason != copyplan.Gone || gone.Message == "" || gone.Tries != 1 {
		t.Fatalf("gone: %+v", gone)
	}
	if at, wait := copyplan.Next([]copyplan.Row{gone}, time.Unix(1e10, 0)); at >= 0 || wait != 0 {
		t.Error("it is made again, though somebody may have deleted it")
	}
	if verdict := copyplan.Judge([]copyplan.Row{gone}); verdict.Made != 0 || verdict.Reason != copyplan.Gone {
		t.Errorf("the verdict is %+v", verdict)
	}
	asked := copyplan.Sync([]copyplan.Wish{{Location: "offsite", Token: "again"}}, []copyplan.Row{gone})
	if at, _ := copyplan.Next(asked, time.Unix(1e10, 0)); at != 0 {
		t.Errorf("it is asked for again, and not made: %+v", asked)
	}
	if back, changed := copyplan.Seen(gone, true); !changed || back.Phase != copyplan.Made {
		t.Errorf("back: %+v", back)
	}
	for name, row := range map[string]copyplan.Row{
		"waits": {Phase: copyplan.Waiting}, "goes on": {Phase: copyplan.Running}, "leaves": {Phase: copyplan.Leaving},
		"was given up": {Phase: copyplan.GivenUp, Reason: copyplan.Differs},
	} {
		for _, there := range []bool{true, false} {
			if _, changed := copyplan.Seen(row, there); changed {
				t.Errorf("one that %s is changed when it is there: %t", name, there)
			}
		}
	}
	for row, there := range map[copyplan.Row]bool{gone: false, {Wish: wish, Phase: copyplan.Made}: true} {
		if _, changed := copyplan.Seen(row, there); changed {
			t.Errorf("%+v is as it was, and changed", row)
		}
	}
}
