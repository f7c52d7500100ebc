package leftover_test

import (
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core/leftover"
)

// TestJudge: only where every location says that there is no manifest, the one among them where it would be, is anything removed.
func TestJudge(t *testing.T) {
	at := func(id string, finding leftover.Finding) leftover.Answer {
		return leftover.Answer{Location: "at-" + id, LocationID: id, Finding: finding, Why: "it is away"}
	}
	whole := leftover.Trace{Name: "shop", UID: "u", LocationID: "home"}
	cases := map[string]struct {
		trace   leftover.Trace
		answers []leftover.Answer
		want    leftover.Verdict
		says    string
	}{
		"Nowhere":         {whole, []leftover.Answer{at("home", leftover.Unnamed), at("other", leftover.Unnamed)}, leftover.Remove, "no location"},
		"AtHome":          {whole, []leftover.Answer{at("home", leftover.Named)}, leftover.Release, "at-home"},
		"InACopy":         {whole, []leftover.Answer{at("home", leftover.Unnamed), at("other", leftover.Named)}, leftover.Release, "at-other"},
		"InACopyAlone":    {whole, []leftover.Answer{at("other", leftover.Named)}, leftover.Release, "at-other"},
		"HomeIsAway":      {whole, []leftover.Answer{at("other", leftover.Unknown), at("home", leftover.Unknown)}, leftover.Keep, "at-home has a manifest that names it: it is away"},
		"AnotherIsAway":   {whole, []leftover.Answer{at("home", leftover.Unnamed), at("other", leftover.Unknown)}, leftover.Keep, "at-other"},
		"HomeIsNotKnown":  {whole, []leftover.Answer{at("other", leftover.Unnamed)}, leftover.Keep, "location home"},
		"NoLocations":     {whole, nil, leftover.Keep, "location home"},
		"NobodySaysWhere": {leftover.Trace{Name: "shop", UID: "u"}, []leftover.Answer{at("home", leftover.Unnamed)}, leftover.Keep, "nothing says"},
		"NoIdentity":      {leftover.Trace{Name: "shop", UID: "u"}, []leftover.Answer{at("", leftover.Unnamed)}, leftover.Keep, "nothing says"},
		"NobodySaysWhose": {leftover.Trace{UID: "u", LocationID: "home"}, []leftover.Answer{at("home", leftover.Unnamed)}, leftover.Keep, "nothing says"},
	}
	for name, test := range cases {
		if got, why := leftover.Judge(&test.trace, test.answers); got != test.want || !strings.Contains(why, test.says) {
			t.Errorf("%s: got %d (%s), want %d (%s)", name, got, why, test.want, test.says)
		}
	}
}

// TestAdd: what does not say the same as the others says nothing.
func TestAdd(t *testing.T) {
	first, last := time.Unix(1, 0), time.Unix(9, 0)
	cases := map[string]struct {
		second leftover.Trace
		want   leftover.Trace
	}{
		"Same":             {leftover.Trace{Name: "a", LocationID: "l"}, leftover.Trace{Name: "a", LocationID: "l"}},
		"AnotherName":      {leftover.Trace{Name: "b", LocationID: "l"}, leftover.Trace{LocationID: "l"}},
		"AnotherLocation":  {leftover.Trace{Name: "a", LocationID: "m"}, leftover.Trace{Name: "a"}},
		"NothingIsSaid":    {leftover.Trace{}, leftover.Trace{}},
		"AndSaidOnceAgain": {leftover.Trace{}, leftover.Trace{}},
	}
	for name, test := range cases {
		trace := leftover.Trace{}
		order := leftover.Object{Kind: "VolumeBackupContent", Name: "first"}
		trace.Add(order, "a", "l", last)
		trace.Add(leftover.Object{Kind: "VolumeBackupContent", Name: "second"}, test.second.Name, test.second.LocationID, first)
		if name == "AndSaidOnceAgain" {
			trace.Add(leftover.Object{Kind: "VolumeBackupContent", Name: "third"}, "a", "l", first)
		}
		test.want.Example, test.want.Youngest = order, last
		if trace != test.want {
			t.Errorf("%s: got %+v, want %+v", name, trace, test.want)
		}
	}
}

// TestCut: a work order stays with its Backup, and a snapshot does not.
func TestCut(t *testing.T) {
	trace := leftover.Trace{}
	for _, kind := range []string{"VolumeBackupContent", "VolumeSnapshot", "VolumeBackupContent"} {
		was := trace.Cut
		trace.Add(leftover.Object{Kind: kind}, "a", "l", time.Unix(1, 0))
		if want := was || kind == "VolumeSnapshot"; trace.Cut != want {
			t.Errorf("after a %s: %t", kind, trace.Cut)
		}
	}
}
