package archive_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

func TestNames(t *testing.T) {
	folder := "clusters/" + clusterID + "/backups/nightly/" + backupID.UID + "/"
	segment := archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: 42}
	cases := map[string]struct{ got, want string }{
		"marker":   {archive.MarkerName, "kahu.json"},
		"owner":    {archive.OwnerName(clusterID), "clusters/" + clusterID + "/owner.json"},
		"segments": {archive.SegmentsFolder(clusterID), "clusters/" + clusterID + "/segments/"},
		"segment":  {segment.Name(), "clusters/" + clusterID + "/segments/k3x9q-000042.tar.zst"},
		"prefix":   {archive.SegmentPrefix(clusterID, attempt), "clusters/" + clusterID + "/segments/k3x9q-"},
		"backups":  {archive.BackupsFolder(clusterID), "clusters/" + clusterID + "/backups/"},
		"folder":   {backupID.Folder(), folder},
		"intent":   {backupID.IntentName(), folder + "intent.json"},
		"index":    {backupID.IndexName(), folder + "index.zst"},
		"report":   {backupID.ReportName(), folder + "report.jsonl.zst"},
		"manifest": {backupID.ManifestName(), folder + "manifest.json"},
	}
	for name, test := range cases {
		if test.got != test.want {
			t.Errorf("%s is %q, want %q", name, test.got, test.want)
		}
	}
	if id, ok := archive.ParseManifestName(backupID.ManifestName()); !ok || id != backupID {
		t.Errorf("the manifest's name is taken back as %v, %t", id, ok)
	}
	if id, ok := archive.ParseIntentName(backupID.IntentName()); !ok || id != backupID {
		t.Errorf("the intent's name is taken back as %v, %t", id, ok)
	}
	if id, ok := archive.ParseSegmentName(segment.Name()); !ok || id != segment {
		t.Errorf("the segment's name is taken back as %v, %t", id, ok)
	}
}

func TestParseManifestNameRefuses(t *testing.T) {
	good := backupID.ManifestName()
	cases := map[string]string{
		"empty":              "",
		"other file":         backupID.IndexName(),
		"prefix before":      "x/" + good,
		"slash before":       "/" + good,
		"more behind":        good + "/x",
		"upwards in cluster": strings.Replace(good, clusterID, "..", 1),
		"upwards in name":    strings.Replace(good, "nightly", "..", 1),
		"dot in name":        strings.Replace(good, "nightly", ".", 1),
		"upwards in uid":     strings.Replace(good, backupID.UID, "..", 1),
		"empty cluster":      strings.Replace(good, clusterID, "", 1),
		"empty name":         strings.Replace(good, "nightly", "", 1),
		"upper case name":    strings.Replace(good, "nightly", "Nightly", 1),
		"long name":          strings.Replace(good, "nightly", strings.Repeat("n", 254), 1),
		"control character":  strings.Replace(good, clusterID, "a\x10b", 1),
		"NUL":                strings.Replace(good, clusterID, "a\x00b", 1),
		"other folder":       strings.Replace(good, "clusters", "cluster", 1),
		"other inner folder": strings.Replace(good, "backups", "segments", 1),
	}
	for name, test := range cases {
		if id, ok := archive.ParseManifestName(test); ok {
			t.Errorf("%s: %q is taken for the manifest of %v", name, test, id)
		}
	}
}

func TestParseSegmentNameRefuses(t *testing.T) {
	good := archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: 1}.Name()
	cases := map[string]string{
		"empty":          "",
		"number 0":       strings.Replace(good, "000001", "000000", 1),
		"short number":   strings.Replace(good, "000001", "1", 1),
		"long number":    strings.Replace(good, "000001", "0000001", 1),
		"signed number":  strings.Replace(good, "000001", "+00001", 1),
		"no attempt":     strings.Replace(good, attempt, "", 1),
		"upper case":     strings.Replace(good, attempt, "K3", 1),
		"dots":           strings.Replace(good, attempt, "..", 1),
		"folder":         strings.Replace(good, attempt, "a/b", 1),
		"long attempt":   strings.Replace(good, attempt, strings.Repeat("a", 33), 1),
		"other suffix":   strings.TrimSuffix(good, ".zst"),
		"more behind":    good + "x",
		"cluster upward": strings.Replace(good, clusterID, "..", 1),
	}
	for name, test := range cases {
		if id, ok := archive.ParseSegmentName(test); ok {
			t.Errorf("%s: %q is taken for %v", name, test, id)
		}
	}
}

func TestSegmentNamer(t *testing.T) {
	namer := newNamer(t)
	got := []string{namer.Next(), namer.Next()}
	folder := archive.SegmentsFolder(clusterID)
	if diff := cmp.Diff([]string{folder + "k3x9q-000001.tar.zst", folder + "k3x9q-000002.tar.zst"}, got); diff != "" {
		t.Error(diff)
	}
	for name, ids := range map[string][2]string{
		"cluster": {"../x", attempt}, "no cluster": {"", attempt}, "attempt": {clusterID, "a-b"}, "no attempt": {clusterID, ""},
	} {
		if _, err := archive.NewSegmentNamer(ids[0], ids[1]); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEntryName(t *testing.T) {
	cases := map[string]struct {
		kind            core.Kind
		namespace, name string
		want            string
	}{
		"core":         {configMaps, "shop", "settings", "core/v1/configmaps/shop/settings.json"},
		"group":        {deploys, "shop", "web", "apps/v1/deployments/shop/web.json"},
		"cluster":      {nodes, "", "node-1", "core/v1/nodes/_cluster/node-1.json"},
		"colon":        {roles, "", "system:node", "rbac.authorization.k8s.io/v1/clusterroles/_cluster/system:node.json"},
		"dot json":     {configMaps, "shop", "a.json", "core/v1/configmaps/shop/a.json.json"},
		"three dots":   {roles, "", "...", "rbac.authorization.k8s.io/v1/clusterroles/_cluster/....json"},
		"percent":      {roles, "", "50%2F", "rbac.authorization.k8s.io/v1/clusterroles/_cluster/50%252F.json"},
		"control":      {roles, "", "a\nb\x00", "rbac.authorization.k8s.io/v1/clusterroles/_cluster/a%0Ab%00.json"},
		"backslash":    {roles, "", `..\..`, "rbac.authorization.k8s.io/v1/clusterroles/_cluster/..%5C...json"},
		"other script": {roles, "", "überäll", "rbac.authorization.k8s.io/v1/clusterroles/_cluster/überäll.json"},
	}
	for name, test := range cases {
		got, err := archive.EntryName(test.kind, test.namespace, test.name)
		if err != nil || got != test.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, test.want)
			continue
		}
		want := archive.Entry{
			Group: test.kind.Group, Version: test.kind.Version, Resource: test.kind.Resource,
			Namespace: test.namespace, Name: test.name,
		}
		if entry, ok := archive.ParseEntryName(got); !ok || entry != want {
			t.Errorf("%s: taken back as %v, %t", name, entry, ok)
		}
	}
}

func TestEntryNameRefuses(t *testing.T) {
	group := func(group string) core.Kind {
		return core.Kind{Group: group, Version: "v1", Resource: "things", Namespaced: true}
	}
	cases := map[string]struct {
		kind            core.Kind
		namespace, name string
	}{
		"no name":             {configMaps, "shop", ""},
		"dot":                 {roles, "", "."},
		"dots":                {roles, "", ".."},
		"slash":               {roles, "", "a/b"},
		"upwards":             {configMaps, "shop", "../../x"},
		"long":                {roles, "", strings.Repeat("n", archive.MaxNameSize+1)},
		"no text":             {roles, "", "a\xffb"},
		"namespace upwards":   {configMaps, "..", "x"},
		"namespace slash":     {configMaps, "a/b", "x"},
		"namespace _cluster":  {configMaps, "_cluster", "x"},
		"namespace missing":   {configMaps, "", "x"},
		"namespace too many":  {nodes, "shop", "x"},
		"group core":          {group("core"), "shop", "x"},
		"group upwards":       {group(".."), "shop", "x"},
		"group slash":         {group("a/b"), "shop", "x"},
		"version missing":     {core.Kind{Resource: "things", Namespaced: true}, "shop", "x"},
		"resource missing":    {core.Kind{Version: "v1", Namespaced: true}, "shop", "x"},
		"resource of a part":  {core.Kind{Version: "v1", Resource: "pods/log", Namespaced: true}, "shop", "x"},
		"resource not a word": {core.Kind{Version: "v1", Resource: "a b", Namespaced: true}, "shop", "x"},
	}
	for name, test := range cases {
		if got, err := archive.EntryName(test.kind, test.namespace, test.name); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestParseEntryNameRefuses(t *testing.T) {
	for _, name := range []string{
		"", "/", "core/v1/configmaps/shop", "core/v1/configmaps/shop/", "core/v1/configmaps/shop/.json",
		"core/v1/configmaps/shop/x", "/core/v1/configmaps/shop/x.json", "core/v1/configmaps/../x.json",
		"core/v1/../shop/x.json", "../v1/configmaps/shop/x.json", "core/v1/configmaps/shop/a/x.json",
		"core/v1/configmaps/shop/%2E%2E.json", "core/v1/configmaps/shop/a%2Fb.json", "core/v1/configmaps/shop/a%0ab.json",
		"core/v1/configmaps/shop/a%zz.json", "core/v1/configmaps/shop/..json", "core/v1/configmaps/shop/...json",
		"core/v1/configmaps/shop/a\nb.json", `core/v1/configmaps/shop/a\b.json`, "/v1/configmaps/shop/x.json",
		"core/v1/configmaps//x.json",
	} {
		if entry, ok := archive.ParseEntryName(name); ok {
			t.Errorf("%q is taken for %v", name, entry)
		}
	}
}
