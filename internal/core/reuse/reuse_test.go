package reuse_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reuse"
)

var (
	target = core.Key{Namespace: "shop", Name: "data"}
	other  = core.Key{Namespace: "other", Name: "theirs"}
)

// dynamic is a volume that a driver has made for the claim, static one that a person has made.
func dynamic(retained bool) *reuse.Volume {
	return &reuse.Volume{Name: "pv-1", Claim: target, Storage: "vol-1", Retained: retained, Provisioned: true}
}

func static(retained, many bool) *reuse.Volume {
	return &reuse.Volume{Name: "nfs-1", Claim: target, Storage: "server:/path", Retained: retained, Many: many}
}

// living is the volume as it is in the cluster.
func living(volume *reuse.Volume, phase string, claim core.Key) *reuse.Volume {
	lives := *volume
	lives.Phase, lives.Claim = phase, claim
	return &lives
}

func ofCSI(volume *reuse.Volume) *reuse.Volume {
	volume.CSI = true
	return volume
}

func going(volume *reuse.Volume) *reuse.Volume {
	volume.Going = true
	return volume
}

func TestDecide(t *testing.T) {
	named := func(volume *reuse.Volume, name string) reuse.Volume {
		volume.Name = name
		return *volume
	}
	for name, test := range map[string]struct {
		of   reuse.Case
		want reuse.Verdict
	}{
		"its storage went with it":                 {reuse.Case{Restored: dynamic(false)}, reuse.New},
		"retained":                                 {reuse.Case{Restored: dynamic(true)}, reuse.Same},
		"nobody deletes what no driver made":       {reuse.Case{Restored: static(false, false)}, reuse.Same},
		"a driver of CSI deletes what others made": {reuse.Case{Restored: ofCSI(static(false, false))}, reuse.New},
		"and retains what it is to":                {reuse.Case{Restored: ofCSI(static(true, false))}, reuse.Same},
		"retained by another cluster":              {reuse.Case{Restored: dynamic(true), Elsewhere: true}, reuse.Doubtful},
		"deleted by another cluster":               {reuse.Case{Restored: dynamic(false), Elsewhere: true}, reuse.New},
		"shared with another cluster":              {reuse.Case{Restored: static(true, true), Elsewhere: true}, reuse.Same},
		"a copy of a claim of another cluster":     {reuse.Case{Restored: dynamic(true), Elsewhere: true, Copied: true}, reuse.New},
		"a copy that shares with another cluster":  {reuse.Case{Restored: static(true, true), Elsewhere: true, Copied: true}, reuse.Same},
		"a copy, and the original is gone":         {reuse.Case{Restored: dynamic(true), Copied: true}, reuse.Same},
		"a copy beside the original":               {reuse.Case{Restored: dynamic(true), Copied: true, Living: living(dynamic(true), "Bound", other)}, reuse.New},
		"a copy of a shared one, by its name":      {reuse.Case{Restored: static(true, true), Copied: true, Living: living(static(true, true), "Bound", other)}, reuse.New},
		"a copy, and the original is free":         {reuse.Case{Restored: dynamic(true), Copied: true, Living: living(dynamic(true), "Available", core.Key{})}, reuse.New},
		"a copy that is there":                     {reuse.Case{Restored: dynamic(true), Copied: true, There: true, Living: living(dynamic(true), "Bound", target)}, reuse.Same},
		"bound to the claim that is there":         {reuse.Case{Restored: dynamic(false), There: true, Living: living(dynamic(false), "Bound", target)}, reuse.Same},
		"released":                                 {reuse.Case{Restored: dynamic(true), Living: living(dynamic(true), "Released", target)}, reuse.Again},
		"released a moment ago":                    {reuse.Case{Restored: dynamic(true), Living: living(dynamic(true), "Bound", target)}, reuse.Again},
		"released, with a claim in its place":      {reuse.Case{Restored: dynamic(true), There: true, Living: living(dynamic(true), "Released", target)}, reuse.Same},
		"released, and about to be deleted":        {reuse.Case{Restored: dynamic(false), Living: living(dynamic(false), "Released", target)}, reuse.New},
		"about to be released, and to be deleted":  {reuse.Case{Restored: dynamic(false), Living: living(dynamic(false), "Bound", target)}, reuse.New},
		"released, as nobody can delete it":        {reuse.Case{Restored: static(false, false), Living: living(static(false, false), "Failed", target)}, reuse.Again},
		"its object goes, and the storage stays":   {reuse.Case{Restored: dynamic(true), Living: going(living(dynamic(true), "Released", target))}, reuse.Same},
		"its object goes, and the storage with it": {reuse.Case{Restored: dynamic(false), Living: going(living(dynamic(false), "Released", target))}, reuse.New},
		"free":                                  {reuse.Case{Restored: dynamic(true), Living: living(dynamic(true), "Available", core.Key{})}, reuse.Same},
		"released by somebody else":             {reuse.Case{Restored: dynamic(true), Living: living(dynamic(true), "Released", other)}, reuse.New},
		"of its name, and of other storage":     {reuse.Case{Restored: dynamic(true), Living: &reuse.Volume{Name: "pv-1", Storage: "vol-2", Phase: "Available"}}, reuse.New},
		"of another name, and the same storage": {reuse.Case{Restored: dynamic(true), Others: []reuse.Volume{named(dynamic(true), "pv-2")}}, reuse.New},
		"mounted by one alone, under two names": {reuse.Case{Restored: static(true, false), Others: []reuse.Volume{named(static(true, false), "nfs-2")}}, reuse.New},
		"shared under two names":                {reuse.Case{Restored: static(true, true), Others: []reuse.Volume{named(static(true, true), "nfs-2")}}, reuse.Same},
		"made by an earlier attempt":            {reuse.Case{Restored: dynamic(true), Copied: true, Made: true, Living: living(dynamic(true), "Bound", target)}, reuse.Same},
		"not brought, and gone":                 {reuse.Case{Chosen: true}, reuse.New},
		"not brought, and named by a person":    {reuse.Case{}, reuse.Same},
		"not brought, and there":                {reuse.Case{Chosen: true, Living: living(dynamic(true), "Available", target)}, reuse.Same},
		"not brought, and another's":            {reuse.Case{Chosen: true, Living: living(dynamic(true), "Bound", other)}, reuse.New},
		"not brought, and a copy":               {reuse.Case{Copied: true}, reuse.New},
	} {
		t.Run(name, func(t *testing.T) {
			test.of.Target = target
			got, why := test.of.Decide()
			if got != test.want {
				t.Errorf("%d, and not %d: %s", got, test.want, why)
			}
			if (why != "") != (got == reuse.New || got == reuse.Again) {
				t.Errorf("%d, because %q", got, why)
			}
		})
	}
}

// TestNoStorageForTwo: a volume that somebody else has is given to nobody, whatever else is so, unless it is meant to be shared.
func TestNoStorageForTwo(t *testing.T) {
	for bits := range 1 << 7 {
		is := func(bit int) bool { return bits>>bit&1 == 1 }
		restored := &reuse.Volume{Name: "pv-1", Claim: target, Storage: "vol-1", Retained: is(0), Provisioned: is(1), Many: is(2)}
		of := reuse.Case{Target: target, Restored: restored, Copied: is(3), Elsewhere: is(4), Chosen: is(5), There: is(6)}
		meant := restored.Retained && !restored.Provisioned && restored.Many
		of.Living = living(restored, "Bound", other)
		if got, _ := of.Decide(); got != reuse.New {
			t.Errorf("bound to another claim: %d for %+v", got, of)
		}
		of.Living, of.Others = nil, []reuse.Volume{{Name: "pv-2", Storage: "vol-1", Claim: other, Phase: "Bound"}}
		if got, _ := of.Decide(); got != reuse.New && !meant {
			t.Errorf("the same storage: %d for %+v", got, of)
		}
	}
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestVolumeOf(t *testing.T) {
	got := reuse.VolumeOf(decoded(t, `{"metadata":{"name":"pv-1","deletionTimestamp":"2026-01-01T00:00:00Z",
		"annotations":{"pv.kubernetes.io/provisioned-by":"d"}},"spec":{"accessModes":["ReadWriteMany"],"persistentVolumeReclaimPolicy":"Delete",
		"csi":{"driver":"d","volumeHandle":"h","volumeAttributes":{"a":"b"}},"claimRef":{"namespace":"shop","name":"data","uid":"u"}},
		"status":{"phase":"Released"}}`))
	want := reuse.Volume{
		Name: "pv-1", Claim: target, Phase: "Released", Storage: `["csi","d","h"]`, Provisioned: true, CSI: true, Many: true, Going: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := reuse.VolumeOf(decoded(t, `{"spec":{"accessModes":["ReadWriteMany","ReadWriteOnce"]}}`)); got.Many || !got.Retained || got.Storage != "" {
		t.Errorf("%+v", got)
	}
}

// TestSameStorage: two volumes stand for the same storage by what leads to it, and by nothing else.
func TestSameStorage(t *testing.T) {
	const node = `,"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["%"]}]}]}}`
	at := func(source, name string) string {
		return `{"spec":{` + source + strings.ReplaceAll(node, "%", name) + `}}`
	}
	for name, test := range map[string]struct {
		one, two string
		same     bool
	}{
		"attributes":    {`{"spec":{"csi":{"driver":"d","volumeHandle":"h","readOnly":true}}}`, `{"spec":{"csi":{"driver":"d","volumeHandle":"h"}}}`, true},
		"drivers":       {`{"spec":{"csi":{"driver":"d","volumeHandle":"h"}}}`, `{"spec":{"csi":{"driver":"e","volumeHandle":"h"}}}`, false},
		"sources":       {`{"spec":{"nfs":{"server":"s","path":"/p"}}}`, `{"spec":{"local":{"path":"/p"}}}`, false},
		"one node":      {at(`"hostPath":{"path":"/p"}`, "a"), at(`"hostPath":{"path":"/p"}`, "a"), true},
		"two nodes":     {at(`"local":{"path":"/p"}`, "a"), at(`"local":{"path":"/p"}`, "b"), false},
		"unknown kinds": {`{"spec":{"flexVolume":{"driver":"d","options":{"x":"1"}}}}`, `{"spec":{"flexVolume":{"driver":"d","options":{"x":"2"}}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := reuse.VolumeOf(decoded(t, test.one)).Storage, reuse.VolumeOf(decoded(t, test.two)).Storage
			if one == "" || (one == two) != test.same {
				t.Errorf("%s and %s", one, two)
			}
		})
	}
}

func TestClaimOf(t *testing.T) {
	for text, want := range map[string]struct {
		claim     reuse.Claim
		provision bool
	}{
		`{"spec":{"volumeName":"pv-1"},"metadata":{"annotations":{"pv.kubernetes.io/bound-by-controller":"yes"}}}`: {reuse.Claim{Volume: "pv-1", Chosen: true, NoClass: true}, true},
		`{"spec":{"storageClassName":"fast"}}`:                                            {reuse.Claim{Class: "fast"}, true},
		`{"spec":{"storageClassName":""}}`:                                                {reuse.Claim{}, false},
		`{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"slow"}}}`: {reuse.Claim{Class: "slow"}, true},
	} {
		got := reuse.ClaimOf(decoded(t, text))
		if diff := cmp.Diff(want.claim, got); diff != "" || got.Provisions() != want.provision {
			t.Errorf("%s: %s", text, diff)
		}
	}
}
