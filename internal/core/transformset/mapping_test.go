package transformset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/transformset"
)

func TestImages(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	cases := map[string]struct {
		mapping     string // from=to, separated by spaces
		image, want string
	}{
		"Repository":        {"nginx=r.io/nginx", "nginx", "r.io/nginx"},
		"Tag":               {"nginx=r.io/nginx", "nginx:1.25", "r.io/nginx:1.25"},
		"Digest":            {"nginx=r.io/nginx", "nginx" + digest, "r.io/nginx" + digest},
		"TagAndDigest":      {"nginx=r.io/nginx", "nginx:1.25" + digest, "r.io/nginx:1.25" + digest},
		"OtherRepository":   {"nginx=r.io/nginx", "nginx-alpine", "nginx-alpine"},
		"Registry":          {"quay.io=r.io/quay", "quay.io/a/b:1", "r.io/quay/a/b:1"},
		"RegistryWithPort":  {"old:5000=new:6000", "old:5000/a:1", "new:6000/a:1"},
		"PortIsNoTag":       {"old=new", "old:5000/a:1", "old:5000/a:1"},
		"Path":              {"quay.io/a=r.io/x", "quay.io/a/b:1", "r.io/x/b:1"},
		"PathIsWhole":       {"quay.io/a=r.io/x", "quay.io/ab/b:1", "quay.io/ab/b:1"},
		"DockerHub":         {"docker.io=r.io/hub", "nginx:1", "r.io/hub/library/nginx:1"},
		"DockerHubUser":     {"docker.io=r.io/hub", "bitnami/redis", "r.io/hub/bitnami/redis"},
		"DockerHubLibrary":  {"docker.io/library=r.io/hub", "nginx", "r.io/hub/nginx"},
		"DockerHubFull":     {"nginx=r.io/nginx", "docker.io/library/nginx", "docker.io/library/nginx"},
		"User":              {"bitnami=r.io/b", "bitnami/redis:7", "r.io/b/redis:7"},
		"NotDockerHub":      {"docker.io=r.io/hub", "localhost/a", "localhost/a"},
		"LongestWins":       {"quay.io=a.io quay.io/x=b.io quay.io/x/y=c.io", "quay.io/x/y/z:1", "c.io/z:1"},
		"LongestWinsLoose":  {"docker.io=a.io nginx=b.io/n", "nginx:1", "b.io/n:1"},
		"OnceOnly":          {"a.io=b.io b.io=c.io", "a.io/x", "b.io/x"},
		"ChangePlaces":      {"a.io=b.io b.io=a.io", "b.io/x", "a.io/x"},
		"Nothing":           {"a.io=b.io", "", ""},
		"RegistryUpperCase": {"Registry.Example.org=b.io", "Registry.Example.org/x", "b.io/x"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := compile(t, []transformset.Set{{ImageMapping: mapping(c.mapping)}})
			object := read(t, `{"spec": {"containers": [{"name": "c", "image": "`+c.image+`"}]}}`)
			applied, err := program.Apply(target(), object)
			if err != nil {
				t.Fatal(err)
			}
			want := read(t, `{"spec": {"containers": [{"name": "c", "image": "`+c.want+`"}]}}`)
			if diff := cmp.Diff(want, object); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			if changed := len(applied.Changes) == 1; changed != (c.image != c.want) {
				t.Errorf("changes are %v", applied.Changes)
			}
		})
	}
}

func mapping(text string) map[string]string {
	made := map[string]string{}
	for each := range strings.FieldsSeq(text) {
		from, to, _ := strings.Cut(each, "=")
		made[from] = to
	}
	return made
}

// Images are mapped wherever a pod's spec is, and nowhere else.
func TestImagesEverywhere(t *testing.T) {
	t.Parallel()
	const pod = `{"initContainers": [{"name": "i", "image": "old.io/i"}], "containers": [{"name": "c", "image": "old.io/c"}, {"name": "d"}],
		"ephemeralContainers": [{"name": "e", "image": "old.io/e"}],
		"volumes": [{"name": "v", "image": {"reference": "old.io/v", "pullPolicy": "Always"}}, {"name": "w", "emptyDir": {}}]}`
	cases := map[string]struct {
		object string
		paths  string // of the pod's spec; empty where there is none
	}{
		"Pod":      {`{"spec": POD}`, "spec"},
		"Template": {`{"spec": {"template": {"spec": POD}}}`, "spec.template.spec"},
		"CronJob":  {`{"spec": {"jobTemplate": {"spec": {"template": {"spec": POD}}}}}`, "spec.jobTemplate.spec.template.spec"},
		"PodTemplate": {
			`{"template": {"spec": POD}}`, "template.spec",
		},
		"CustomList":  {`{"spec": {"roles": [{"template": {"spec": POD}}]}}`, "spec.roles[0].template.spec"},
		"NoContainer": {`{"spec": {"containers": ["old.io/c"], "image": "old.io/c"}}`, ""},
		"NoNames":     {`{"spec": {"containers": [{"image": "old.io/c"}]}}`, ""},
		"Text":        {`{"data": {"containers": "old.io/c"}}`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := compile(t, []transformset.Set{{ImageMapping: map[string]string{"old.io": "new.io"}}})
			text := strings.ReplaceAll(c.object, "POD", pod)
			object := read(t, text)
			applied, err := program.Apply(target(), object)
			if err != nil {
				t.Fatal(err)
			}
			var wantPaths []string
			if c.paths != "" {
				text = strings.ReplaceAll(text, "old.io", "new.io")
				for _, path := range []string{
					".containers[0].image", ".initContainers[0].image", ".ephemeralContainers[0].image", ".volumes[0].image.reference",
				} {
					wantPaths = append(wantPaths, c.paths+path)
				}
			}
			if diff := cmp.Diff(read(t, text), object); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantPaths, paths(applied.Changes)); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			if unused := len(program.Warnings()) == 1; unused != (c.paths == "") {
				t.Errorf("warnings are %q", program.Warnings())
			}
		})
	}
}

func TestStorageClasses(t *testing.T) {
	t.Parallel()
	const claim = `{"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "CLASS"}}, "spec": {"storageClassName": "CLASS"}}`
	const spec, annotation = ".spec.storageClassName", ".metadata.annotations['volume.beta.kubernetes.io/storage-class']"
	cases := map[string]struct {
		kind, object string
		paths        []string
	}{
		"Claim":        {"persistentvolumeclaims", claim, []string{spec[1:], annotation[1:]}},
		"Volume":       {"persistentvolumes", claim, []string{spec[1:], annotation[1:]}},
		"NotAClaim":    {"claims.example.org", claim, nil},
		"NoClass":      {"persistentvolumeclaims", `{"spec": {"storageClassName": ""}}`, nil},
		"StorageClass": {"storageclasses.storage.k8s.io", `{"metadata": {"name": "slow"}}`, nil},
		"StatefulSet": {"statefulsets.apps", `{"spec": {"volumeClaimTemplates": [` + claim + `, {"spec": {}}]}}`, []string{
			"spec.volumeClaimTemplates[0]" + spec, "spec.volumeClaimTemplates[0]" + annotation,
		}},
		"Ephemeral": {
			"deployments.apps",
			`{"spec": {"template": {"spec": {"containers": [{"name": "c"}], "volumes": [{"emptyDir": {}}, {"ephemeral": {"volumeClaimTemplate": ` + claim + `}}]}}}}`,
			[]string{
				"spec.template.spec.volumes[1].ephemeral.volumeClaimTemplate" + spec,
				"spec.template.spec.volumes[1].ephemeral.volumeClaimTemplate" + annotation,
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := compile(t, []transformset.Set{{StorageClassMapping: mapping("slow=fast fast=slow")}})
			object := read(t, strings.ReplaceAll(c.object, "CLASS", "slow"))
			applied, err := program.Apply(transformset.Target{Kind: kind(c.kind)}, object)
			if err != nil {
				t.Fatal(err)
			}
			class := "slow"
			if c.paths != nil {
				class = "fast"
			}
			if diff := cmp.Diff(read(t, strings.ReplaceAll(c.object, "CLASS", class)), object); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.paths, paths(applied.Changes)); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}
