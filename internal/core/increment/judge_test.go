package increment_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
)

func TestJudge(t *testing.T) {
	run := increment.Run{ID: id("new"), LocationID: "here", Epoch: "e1", Signer: "ed25519:me"}
	candidate := of("old", increment.Full, 1, true)
	fits := func() archive.Manifest {
		made := archive.Manifest{ID: id("old"), LocationID: "here", Attempt: candidate.Attempt, Signer: "ed25519:me"}
		made.Encryption.Epoch = "e1"
		return made
	}
	for name, tc := range map[string]struct {
		change func(m *archive.Manifest)
		want   increment.Reason
	}{
		"Fits":          {func(*archive.Manifest) {}, ""},
		"OtherLocation": {func(m *archive.Manifest) { m.LocationID = "there" }, increment.BaseGone},
		"OtherBackup":   {func(m *archive.Manifest) { m.ID.UID = "x" }, increment.BaseGone},
		"Adopted":       {func(m *archive.Manifest) { m.Attempt = "other" }, increment.BaseAdopted},
		"OtherKey":      {func(m *archive.Manifest) { m.Encryption.Epoch = "e2" }, increment.KeyChanged},
		"NotEncrypted":  {func(m *archive.Manifest) { m.Encryption.Epoch, m.Signer = "", "" }, increment.KeyChanged},
		"OtherSigner":   {func(m *archive.Manifest) { m.Signer = "ed25519:you" }, increment.SignerChanged},
		"ManySegments":  {func(m *archive.Manifest) { m.Segments = make([]archive.File, 10_001) }, increment.TooManySegments},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := fits()
			tc.change(&manifest)
			reason, message := increment.Judge(run, candidate, &manifest)
			if reason != tc.want || (message == "") != (tc.want == "") {
				t.Errorf("got %q, %q, want %q", reason, message, tc.want)
			}
		})
	}
}

func TestProve(t *testing.T) {
	maps := core.Kind{Version: "v1", Name: "ConfigMap", Resource: "configmaps", Namespaced: true}
	custom := core.Kind{Group: "example.com", Version: "v1", Name: "Widget", Resource: "widgets", Custom: true, Definition: "uid/3"}
	type args struct {
		now, base          core.Kind
		server, from, list string
	}
	for name, tc := range map[string]struct {
		args   args
		change func(a *args)
		want   increment.Reason
	}{
		"Same":          {args: args{now: maps, base: maps}, change: func(*args) {}},
		"SameCustom":    {args: args{now: custom, base: custom}, change: func(*args) {}},
		"Version":       {args{now: maps, base: maps}, func(a *args) { a.now.Version = "v2" }, increment.VersionChanged},
		"Scope":         {args{now: maps, base: maps}, func(a *args) { a.now.Namespaced = false }, increment.DefinitionChanged},
		"BecameCustom":  {args{now: maps, base: maps}, func(a *args) { a.now.Custom = true }, increment.DefinitionChanged},
		"Definition":    {args{now: custom, base: custom}, func(a *args) { a.now.Definition = "uid/4" }, increment.DefinitionChanged},
		"NoDefinition":  {args{now: custom, base: custom}, func(a *args) { a.now.Definition, a.base.Definition = "", "" }, increment.DefinitionChanged},
		"OldArchive":    {args{now: custom, base: custom}, func(a *args) { a.base.Definition = "" }, increment.DefinitionChanged},
		"Server":        {args{now: maps, base: maps}, func(a *args) { a.from = "v1.35.0" }, increment.ServerChanged},
		"NotListed":     {args{now: maps, base: maps}, func(a *args) { a.list = "" }, increment.NotListed},
		"UnknownServer": {args{now: maps, base: maps}, func(a *args) { a.server, a.from = "", "" }, increment.ServerChanged},
		"UnknownBefore": {args{now: maps, base: maps}, func(a *args) { a.from = "" }, increment.ServerChanged},
	} {
		t.Run(name, func(t *testing.T) {
			a := tc.args
			a.server, a.from, a.list = "v1.36.0", "v1.36.0", "5"
			tc.change(&a)
			if got := increment.Prove(a.now, a.server, archive.IndexedKind{Kind: a.base, ListResourceVersion: a.list}, a.from); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWentBack(t *testing.T) {
	for _, tc := range []struct {
		base, now string
		want      bool
	}{
		{"5", "5", false},
		{"5", "6", false},
		{"9", "10", false},
		{"10", "9", true},
		{"", "9", true},
		{"9", "", true},
		{"x", "x", true},
		{"5", "-6", true},
	} {
		if got := increment.WentBack(tc.base, tc.now); got != tc.want {
			t.Errorf("%q then %q: got %t", tc.base, tc.now, got)
		}
	}
}
