package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

func recordsOf(t *testing.T, held *archive.HeldIndex, kind core.Kind) []archive.Record {
	t.Helper()
	var records []archive.Record
	for record, err := range held.Records(kind.GroupResource()) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	return records
}

func TestHeldIndexGivesBackEveryKind(t *testing.T) {
	records := someRecords(1500)
	records[3].Owners = []core.Owner{{APIVersion: "v1", Kind: "Node", Name: "\"<n>\"", UID: "u"}}
	content, _ := buildIndex(t, records...)
	held := must(archive.HoldIndex(bytes.NewReader(content)))(t)
	for _, kind := range []core.Kind{configMaps, nodes, deploys, roles, widgets, {Group: "none", Resource: "nothings"}} {
		want := slices.DeleteFunc(slices.Clone(records), func(r archive.Record) bool { return r.Kind.Resource != kind.Resource })
		for range 2 { // A list may begin again.
			if diff := cmp.Diff(want, recordsOf(t, held, kind), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", kind, diff)
			}
		}
	}
	held.Drop(configMaps.GroupResource())
	if left := recordsOf(t, held, configMaps); len(left) > 0 {
		t.Errorf("%d records of a kind that was dropped", len(left))
	}
}

func TestHeldIndexBeginsAtANamespace(t *testing.T) {
	records := someRecords(6000)
	content, _ := buildIndex(t, records...)
	held := must(archive.HoldIndex(bytes.NewReader(content)))(t)
	for _, namespace := range []string{"", "a", "ns-0", "ns-3", "ns-4", "zz"} {
		var got []archive.Record
		before := 0
		for record, err := range held.RecordsFrom(configMaps.GroupResource(), namespace) {
			if err != nil {
				t.Fatal(err)
			}
			if record.Namespace+"/" < namespace+"/" {
				before++
				continue
			}
			got = append(got, record)
		}
		want := slices.DeleteFunc(slices.Clone(records), func(r archive.Record) bool {
			return r.Kind.Resource != configMaps.Resource || r.Namespace+"/" < namespace+"/"
		})
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("from %q on (-want +got):\n%s", namespace, diff)
		}
		if before > 500 {
			t.Errorf("from %q on: %d of the namespaces before it come first", namespace, before)
		}
	}
}

func TestHeldIndexFinds(t *testing.T) {
	records := someRecords(1500)
	content, _ := buildIndex(t, records...)
	held := must(archive.HoldIndex(bytes.NewReader(content)))(t)
	for i := 0; i < len(records); i += 97 {
		found, ok, err := held.Find(records[i].Key())
		if diff := cmp.Diff(records[i], found); !ok || err != nil || diff != "" {
			t.Fatalf("%s: %t, %v\n%s", records[i].Key(), ok, err, diff)
		}
	}
	for _, key := range []core.Key{
		{Resource: "configmaps", Namespace: "", Name: ""},
		{Resource: "configmaps", Namespace: "ns-0", Name: "settings-00000a"},
		{Resource: "configmaps", Namespace: "zz", Name: "z"},
		{Resource: "secrets", Namespace: "ns-0", Name: "settings-00000"},
	} {
		if _, ok, err := held.Find(key); ok || err != nil {
			t.Errorf("%s: %t, %v", key, ok, err)
		}
	}
}

func TestHeldIndexRefusesWhatIsNoIndex(t *testing.T) {
	content, _ := buildIndex(t, someRecords(300)...)
	for name, damaged := range map[string][]byte{
		"cut":     content[:len(content)/2],
		"nothing": {},
		"more":    append(slices.Clone(content), compress(t, []byte("{}\n"))...),
	} {
		if _, err := archive.HoldIndex(bytes.NewReader(damaged)); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: got error %v, want %v", name, err, core.ErrCorrupt)
		}
	}
	broken := brokenReader{content: bytes.NewReader(content[:40]), err: errCable}
	if _, err := archive.HoldIndex(broken); !errors.Is(err, errCable) {
		t.Errorf("got error %v, want %v", err, errCable)
	}
}

// TestHeldIndexTellsOfLies: what is wrong in a line is an error of whoever comes to it, and nothing of it is handed out.
func TestHeldIndexTellsOfLies(t *testing.T) {
	records := someRecords(300)
	content, _ := buildIndex(t, records...)
	for name, lie := range map[string][2]string{
		"Digest": {`"digest":"sha256:`, `"digest":"sha257:`},
		"Length": {`"length":`, `"length":-`},
		"Line":   {`"reason":`, `"reason";`},
	} {
		lines := decompress(t, content)
		at := bytes.LastIndex(lines, []byte(lie[0]))
		lied := slices.Concat(lines[:at], []byte(lie[1]), lines[at+len(lie[0]):])
		held, err := archive.HoldIndex(bytes.NewReader(compress(t, lied)))
		if err != nil {
			if !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		last := records[len(records)-1]
		var found error
		count := 0
		for _, err := range held.Records(last.Kind.GroupResource()) {
			if found = err; err == nil {
				count++
			}
		}
		if !errors.Is(found, core.ErrCorrupt) {
			t.Errorf("%s: %d records and the error %v, want %v", name, count, found, core.ErrCorrupt)
		}
	}
}

// TestHeldIndexIsSmall makes sure that what is held grows by a small record for each object.
func TestHeldIndexIsSmall(t *testing.T) {
	const objects = 20_000
	var records []archive.Record
	for i := range objects {
		object := newObject(configMaps, fmt.Sprintf("team-%02d", i/1000), fmt.Sprintf("settings-%05d", i), 1)
		records = append(records, archive.Record{
			Kind: configMaps, Namespace: object.Namespace, Name: object.Name, UID: object.UID, ResourceVersion: fmt.Sprint(100000 + i),
			Reason: core.Selected, Digest: archive.DigestOf([]byte(object.Name)), Frame: newRecord(configMaps, "", "").Frame,
			Offset: int64(512 + 2048*(i%400)), Length: 1300,
		})
	}
	slices.SortFunc(records, compareRecords)
	content, _ := buildIndex(t, records...)
	held := must(archive.HoldIndex(bytes.NewReader(content)))(t)
	if size := archive.HeldSize(held); size > 150*objects {
		t.Errorf("%d bytes are held for %d records", size, objects)
	} else {
		t.Logf("%d bytes a record", size/objects)
	}
}
