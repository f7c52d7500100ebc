package archive_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// shell runs a line of docs/format.md as a stranger would, or skips the test where a tool is not there.
func shell(t *testing.T, folder, line string, tools ...string) string {
	t.Helper()
	for _, tool := range append(tools, "sh") {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: %s is not installed, so that what docs/format.md promises was NOT tested", tool)
		}
	}
	command := exec.CommandContext(t.Context(), "sh", "-ec", line)
	command.Dir = folder
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, complaint.String())
	}
	if complaint.Len() > 0 {
		t.Errorf("%s complains: %s", line, complaint.String())
	}
	return output.String()
}

func TestTarReadsASegment(t *testing.T) {
	store := newMemoryStore()
	objects := []core.Object{
		newObject(nodes, "", "node-1", 100), newObject(roles, "", "system:node", 100),
		newObject(roles, "", strings.Repeat("long-", 40), 100), newObject(configMaps, "shop", "large", 2<<20),
	}
	for i := range 2000 {
		objects = append(objects, newObject(deploys, "shop", fmt.Sprintf("web-%05d", i), 1000))
	}
	_, files := packAll(t, store, objects, archive.PackerOptions{})
	folder, names := t.TempDir(), []string{}
	for i, file := range files {
		name := fmt.Sprintf("%d.tar.zst", i)
		must(0, os.WriteFile(filepath.Join(folder, name), store.files[file.Name], 0o600))(t)
		listed := shell(t, folder, "zstd -dc "+name+" | tar t", "zstd", "tar")
		names = append(names, strings.Fields(listed)...)
	}
	want := make([]string, 0, len(objects))
	for _, object := range objects {
		want = append(want, must(archive.EntryName(object.Kind, object.Namespace, object.Name))(t))
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	content := shell(t, folder, "zstd -dc 0.tar.zst | tar xO "+want[1], "zstd", "tar")
	if content != string(objects[1].JSON) {
		t.Errorf("tar gives %s", content)
	}
}

func TestStandardToolsReadABackup(t *testing.T) {
	folder, err := filepath.Abs(filepath.Join(goldenFolder, filepath.FromSlash(backupID.Folder())))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		line string
		want string
	}{
		"digest of a manifest": {
			`test "sha256:$(head -n 1 manifest.json | head -c -1 | sha256sum | cut -d ' ' -f 1)" = ` +
				`"$(tail -n 1 manifest.json | jq -r .digest)" && echo whole`,
			"whole\n",
		},
		"digests of the files": {
			`head -n 1 manifest.json | jq -r '(.index, .report, .segments[]) | (.digest | ltrimstr("sha256:")) + "  ../../../../../" + .name'` +
				` | sha256sum --check --quiet && echo whole`,
			"whole\n",
		},
		"names of all objects": {
			`zstd -dc index.zst | jq -r 'select(.digest) | "\(.namespace // "-") \(.name | @json)"'`,
			"shop \"settings\"\nshop \"web\"\nshop \"w\"\n- \"system:node\\n%\"\n",
		},
		"kinds": {
			`zstd -dc index.zst | jq -r 'select(.resource) | "\(.count) \(.resource)"'`,
			"1 configmaps\n0 nodes\n1 deployments\n1 widgets\n1 clusterroles\n",
		},
		"objects with their kinds": {
			`zstd -dc index.zst | jq -nr 'foreach inputs as $line (null; if $line.resource then $line.resource else . end; ` +
				`if $line.digest then "\(.) \($line.name)" else empty end)' | head -n 3`,
			"configmaps settings\ndeployments web\nwidgets w\n",
		},
		"one object": {
			`record=$(zstd -dc index.zst | jq -nc 'foreach inputs as $line (null; if $line.resource then $line.resource else . end; if $line.digest and . == "deployments" and $line.namespace == "shop" and $line.name == "web" then $line else empty end)')
			field() { printf '%s' "$record" | jq -r ".$1"; }
			tail -c +$(( $(field frameOffset) + 1 )) "../../../../../$(field segment)" | head -c "$(field frameLength)" |
			zstd -dc | tail -c +$(( $(field offset) + 1 )) | head -c "$(field length)" | jq -c .spec`,
			"{\"replicas\":3}\n",
		},
		"report": {
			`zstd -dc report.jsonl.zst | jq -r 'select(.level == "warning") | "\(.action) \(.resource) \(.reason)"'`,
			"Excluded deployments a rule\n",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if got := shell(t, folder, test.line, "zstd", "jq", "sha256sum"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
