package cli_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

var no = false

func TestBackupCreate(t *testing.T) {
	cases := map[string]struct {
		flags []string
		want  kahuv1.BackupSpec
	}{
		"everything": {nil, kahuv1.BackupSpec{}},
		"references": {
			[]string{
				"--reference", "from=shops.example.com,path=spec.stores[*].claim,kind=PersistentVolumeClaim,namespacePath=spec.stores[*].space",
				"--reference", "from=Shop,path=spec.issuerRef,optional=true",
			},
			kahuv1.BackupSpec{References: []kahuv1.Reference{
				{
					From: "shops.example.com", Path: "spec.stores[*].claim", Kind: "PersistentVolumeClaim",
					NamespacePath: "spec.stores[*].space",
				},
				{From: "Shop", Path: "spec.issuerRef", Optional: true},
			}},
		},
		"objects only": {[]string{"--volume-data=false"}, kahuv1.BackupSpec{EnableVolumeBackup: &no}},
		"mode":         {[]string{"--mode", "incremental"}, kahuv1.BackupSpec{Mode: kahuv1.BackupModeIncremental}},
		"auto": {
			[]string{"--mode", "Auto", "--full-every", "24,48h"},
			kahuv1.BackupSpec{Mode: kahuv1.BackupModeAuto, FullEvery: kahuv1.FullEvery{Backups: 24, Age: metav1.Duration{Duration: 48 * time.Hour}}},
		},
		"kept": {[]string{"--retain"}, kahuv1.BackupSpec{DeletionPolicy: kahuv1.DeletionPolicyRetain}},
		"namespaces": {
			[]string{"--include-namespaces", "a,b", "--include-namespaces", "c", "--exclude-namespaces", "d"},
			kahuv1.BackupSpec{IncludeNamespaces: []string{"a", "b", "c"}, ExcludeNamespaces: []string{"d"}},
		},
		"resources": {
			[]string{"--include-resources", "Deployment,Secret/password,apps.example/~^web/.*$,~[.]apps$,~^config/^tls", "--exclude-resources", "events"},
			kahuv1.BackupSpec{
				IncludeResources: []kahuv1.ResourceFilter{
					{Kind: "Deployment"},
					{Kind: "Secret", Name: "password"},
					{Kind: "apps.example", Name: "^web/.*$", IsRegex: true},
					{Kind: "[.]apps$", IsRegex: true},
					{Kind: "^config", Name: "^tls", IsRegex: true},
				},
				ExcludeResources: []kahuv1.ResourceFilter{{Kind: "events"}},
			},
		},
		"labels": {
			[]string{"-l", "app=web,tier in (a,b),!old"},
			kahuv1.BackupSpec{Label: &metav1.LabelSelector{
				MatchLabels: map[string]string{"app": "web"},
				MatchExpressions: []metav1.LabelSelectorRequirement{
					{Key: "old", Operator: metav1.LabelSelectorOpDoesNotExist},
					{Key: "tier", Operator: metav1.LabelSelectorOpIn, Values: []string{"a", "b"}},
				},
			}},
		},
	}
	putLocation(t, "default")
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			remove(t, &kahuv1.Backup{}, "made")
			test.want.MetadataLocation = "default"
			done := run(t, append([]string{"backup", "create", "made", "--location", "default"}, test.flags...)...)
			if done.failure != nil {
				t.Fatal(done.failure)
			}
			if want := "backup made created; `kubectl kahu backup describe made` shows how it goes\n"; done.out != want || done.err != "" {
				t.Errorf("got %q and %q", done.out, done.err)
			}
			got := read(t, "made", &kahuv1.Backup{}).Spec
			if test.want.DeletionPolicy == "" {
				got.DeletionPolicy = ""
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRestoreCreate(t *testing.T) {
	yes := true
	cases := map[string]struct {
		flags []string
		want  kahuv1.RestoreSpec
	}{
		"everything": {nil, kahuv1.RestoreSpec{}},
		"filters": {
			[]string{
				"--include-namespaces", "a", "--exclude-namespaces", "b", "--include-resources", "Secret/x", "--exclude-resources", "Pod",
				"--selector", "a=b",
			},
			kahuv1.RestoreSpec{
				IncludeNamespaces: []string{"a"}, ExcludeNamespaces: []string{"b"},
				IncludeResources: []kahuv1.ResourceFilter{{Kind: "Secret", Name: "x"}}, ExcludeResources: []kahuv1.ResourceFilter{{Kind: "Pod"}},
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
			},
		},
		"prefix": {
			[]string{"--resource-prefix", "blue-"}, kahuv1.RestoreSpec{ResourcePrefix: "blue-"},
		},
		"mapping": {
			[]string{"--namespace-mapping", "a=b,c=d"}, kahuv1.RestoreSpec{NamespaceMapping: map[string]string{"a": "b", "c": "d"}},
		},
		"transforms": {
			[]string{"--transform-set", "a,b", "--map-image", "docker.io=r.io/hub", "--map-storage-class", "slow=fast"},
			kahuv1.RestoreSpec{
				TransformSets: []string{"a", "b"}, ImageMapping: kahuv1.ImageMapping{"docker.io": "r.io/hub"},
				StorageClassMapping: kahuv1.StorageClassMapping{"slow": "fast"},
			},
		},
		"existing, in any case": {
			[]string{"--existing", "rEcreate"}, kahuv1.RestoreSpec{ExistingResourcePolicy: kahuv1.ExistingResourcePolicyRecreate},
		},
		"cluster scope":    {[]string{"--cluster-scope"}, kahuv1.RestoreSpec{IncludeClusterResource: &yes}},
		"no cluster scope": {[]string{"--cluster-scope=false"}, kahuv1.RestoreSpec{IncludeClusterResource: &no}},
		"kept": {
			[]string{"--preserve-node-ports", "--preserve-cluster-ips", "--allow-incomplete", "--allow-unknown-signer"},
			kahuv1.RestoreSpec{PreserveNodePort: true, PreserveClusterIPAddr: true, AllowIncomplete: true, AllowUnknownSigner: true},
		},
	}
	putBackup(t, "nightly")
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			remove(t, &kahuv1.Restore{}, "made")
			test.want.BackupName = "nightly"
			succeed(t, append([]string{"restore", "create", "made", "--backup", "nightly"}, test.flags...)...)
			if diff := cmp.Diff(test.want, read(t, "made", &kahuv1.Restore{}).Spec); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLocationCreate(t *testing.T) {
	remove(t, &kahuv1.BackupLocation{}, "made")
	succeed(t, "location", "create", "made", "--provider", "filesystem.kahu.io", "--config", "path=team-a,mode=x", "--credentials", "keys",
		"--compression", "balanced")
	want := kahuv1.BackupLocationSpec{
		ProviderName: "filesystem.kahu.io", Config: map[string]string{"path": "team-a", "mode": "x"},
		CredentialsSecretRef: kahuv1.SecretReference{Name: "keys"},
		Compression:          kahuv1.LocationCompression{Level: kahuv1.CompressionBalanced},
	}
	if diff := cmp.Diff(want, read(t, "made", &kahuv1.BackupLocation{}).Spec); diff != "" {
		t.Error(diff)
	}
}

// TestCreatePrintsWhatItMade: what -o prints is the object, and can be created again.
func TestCreatePrintsWhatItMade(t *testing.T) {
	putLocation(t, "default")
	for _, format := range []string{"json", "yaml"} {
		t.Run(format, func(t *testing.T) {
			remove(t, &kahuv1.Backup{}, "made")
			printed := &kahuv1.Backup{}
			if err := yaml.UnmarshalStrict([]byte(succeed(t, "backup", "create", "made", "--location", "default", "-o", format)), printed); err != nil {
				t.Fatal(err)
			}
			if printed.Kind != "Backup" || printed.APIVersion != "kahu.io/v1beta1" || printed.Spec.MetadataLocation != "default" || printed.UID == "" {
				t.Errorf("got %+v", printed)
			}
			if len(printed.ManagedFields) > 0 {
				t.Error("managed fields are printed")
			}
		})
	}
}

func TestWrongCommandLines(t *testing.T) {
	cases := map[string][]string{
		"no such command":           {"frobnicate"},
		"no such command of a kind": {"backup", "frobnicate"},
		"no such flag":              {"backup", "get", "--frobnicate"},
		"no name":                   {"backup", "create", "--location", "default"},
		"two names":                 {"backup", "create", "a", "b", "--location", "default"},
		"no location":               {"backup", "create", "a"},
		"no backup":                 {"restore", "create", "a"},
		"a cluster of no location":  {"restore", "create", "a", "--backup", "b", "--backup-cluster", "c"},
		"no provider":               {"location", "create", "a"},
		"a selector that is none":   {"backup", "create", "a", "--location", "default", "-l", "a in"},
		"a mapping that is none":    {"restore", "create", "a", "--backup", "b", "--namespace-mapping", "a"},
		"a level that is none":      {"location", "create", "a", "--provider", "b", "--compression", "tiny"},
		"a config that is none":     {"location", "create", "a", "--provider", "b", "--config", "a"},
		"a time that is none":       {"backup", "create", "a", "--location", "default", "--timeout", "soon"},
		"an empty filter":           {"backup", "create", "a", "--location", "default", "--include-namespaces", ""},
		"a filter that has a gap":   {"restore", "create", "a", "--backup", "b", "--include-namespaces", "a,,b"},
		"no such mode":              {"backup", "create", "a", "--location", "default", "--mode", "synthetic"},
		"never full":                {"backup", "create", "a", "--location", "default", "--mode", "auto", "--full-every", "0"},
		"an empty selector":         {"backup", "create", "a", "--location", "default", "--selector", ""},
		"no such format":            {"backup", "get", "-o", "xml"},
		"no name to describe":       {"backup", "describe"},
		"no name to delete":         {"backup", "delete"},
	}
	for name, arguments := range cases {
		t.Run(name, func(t *testing.T) {
			// No cluster is asked: there is none behind this file.
			done := runAt(t, t.TempDir()+"/none", arguments...)
			if done.code != 2 || done.out != "" {
				t.Errorf("code %d, %v, output %q", done.code, done.failure, done.out)
			}
		})
	}
}

func TestRefusedOrNotReached(t *testing.T) {
	putLocation(t, "default")
	cases := map[string]outcome{
		"no kubeconfig":           runAt(t, t.TempDir()+"/none", "backup", "get"),
		"no such backup":          run(t, "backup", "describe", "none"),
		"no such backup to get":   run(t, "backup", "get", "none"),
		"no such restore":         run(t, "restore", "describe", "none"),
		"nothing to delete":       run(t, "backup", "delete", "none"),
		"a name that is refused":  run(t, "backup", "create", "No_Name", "--location", "default"),
		"a context that is not":   run(t, "backup", "get", "--context", "none"),
		"no such restore to wait": run(t, "backup", "delete", "none", "--wait"),
	}
	for name, done := range cases {
		t.Run(name, func(t *testing.T) {
			if done.code != 1 || done.out != "" {
				t.Errorf("code %d, %v, output %q", done.code, done.failure, done.out)
			}
		})
	}
}

// TestNothingIsMadeOfATypingError: a wish that names what is not there makes no object that fails, and whose name is taken.
func TestNothingIsMadeOfATypingError(t *testing.T) {
	putLocation(t, "there")
	putBackup(t, "there")
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"location":         {[]string{"backup", "create", "made", "--location", "typo"}, `no BackupLocation "typo" exists`},
		"copy":             {[]string{"backup", "create", "made", "--location", "there", "--copy-to", "typo"}, `no BackupLocation "typo" exists`},
		"later copy":       {[]string{"backup", "copy", "there", "--to", "typo"}, `no BackupLocation "typo" exists`},
		"backup":           {[]string{"restore", "create", "made", "--backup", "typo"}, `no Backup "typo" exists`},
		"location to look": {[]string{"restore", "create", "made", "--backup", "any", "--location", "typo"}, `no BackupLocation "typo" exists`},
	} {
		t.Run(name, func(t *testing.T) {
			remove(t, &kahuv1.Backup{}, "made")
			remove(t, &kahuv1.Restore{}, "made")
			check(t, run(t, test.arguments...), 1, "", "", test.want)
			for _, object := range []client.Object{&kahuv1.Backup{}, &kahuv1.Restore{}} {
				if err := newClient(t).Get(t.Context(), client.ObjectKey{Name: "made"}, object); !apierrors.IsNotFound(err) {
					t.Errorf("a %T was made: %v", object, err)
				}
			}
		})
	}
	if wishes := read(t, "there", &kahuv1.Backup{}).Spec.Copies; len(wishes) > 0 {
		t.Errorf("copies are wished for at %v", wishes)
	}
}

func TestHelpSucceeds(t *testing.T) {
	for _, arguments := range [][]string{{}, {"backup"}, {"restore", "create", "--help"}, {"--version"}} {
		if done := runAt(t, "", arguments...); done.code != 0 || done.out == "" {
			t.Errorf("%v: code %d, output %q", arguments, done.code, done.out)
		}
	}
}
