package install_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/install"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestMain(m *testing.M) {
	os.Exit(testcluster.Main(m)) //nolint:forbidigo // The exit code is that of Main.
}

func newClient(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, apiextensionsv1.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	made, err := client.New(testcluster.Config(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func manifests(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../config/crd/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d definitions, %v", len(files), err)
	}
	found := map[string][]byte{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(file)] = content
	}
	return found
}

func definitions(t *testing.T, from client.Client) map[string]apiextensionsv1.CustomResourceDefinitionSpec {
	t.Helper()
	list := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := from.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	specs := map[string]apiextensionsv1.CustomResourceDefinitionSpec{}
	for i := range list.Items {
		specs[list.Items[i].Name] = list.Items[i].Spec
	}
	return specs
}

// TestDefinitions: applied twice they are there once, and what somebody changed in between is as it should be again.
func TestDefinitions(t *testing.T) {
	to := newClient(t)
	waiter, err := cluster.New(testcluster.Config(t), cluster.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	missing, err := install.Missing(newClient(t), manifests(t))
	if diff := cmp.Diff(len(manifests(t)), len(missing)); err != nil || diff != "" {
		t.Errorf("missing before: %v, %v", missing, err)
	}
	if err := install.Definitions(t.Context(), to, waiter, manifests(t)); err != nil {
		t.Fatal(err)
	}
	if missing, err := install.Missing(newClient(t), manifests(t)); err != nil || len(missing) > 0 {
		t.Errorf("missing after: %v, %v", missing, err)
	}
	// Served when the function has returned, without another look.
	for _, list := range []client.ObjectList{&kahuv1.BackupList{}, &kahuv1.RestoreList{}, &kahuv1.BackupLocationList{}, &kahuv1.ProviderList{}} {
		if err := to.List(t.Context(), list); err != nil {
			t.Errorf("%T: %v", list, err)
		}
	}
	before := definitions(t, to)
	changed := &apiextensionsv1.CustomResourceDefinition{}
	if err := to.Get(t.Context(), client.ObjectKey{Name: "backups.kahu.io"}, changed); err != nil {
		t.Fatal(err)
	}
	changed.Spec.Names.ShortNames = []string{"strange"}
	if err := to.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if err := install.Definitions(t.Context(), to, waiter, manifests(t)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, definitions(t, to)); diff != "" {
		t.Error(diff)
	}
}

func TestDefinitionsThatAreNone(t *testing.T) {
	waiter, err := cluster.New(testcluster.Config(t), cluster.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"no YAML": "\t{", "no object": "[]", "empty": "", "another kind": "apiVersion: v1\nkind: Nothing\nmetadata: {name: a}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := install.Definitions(t.Context(), newClient(t), waiter, map[string][]byte{"a.yaml": []byte(content)}); err == nil {
				t.Error("it was applied")
			}
		})
	}
}

func TestNamespace(t *testing.T) {
	to := newClient(t)
	for range 2 {
		if err := install.Namespace(t.Context(), to, "kahu-system"); err != nil {
			t.Fatal(err)
		}
	}
	list := &corev1.NamespaceList{}
	if err := to.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list.Items, func(each corev1.Namespace) bool { return each.Name == "kahu-system" }) {
		t.Error("it is not there")
	}
	if err := install.Namespace(t.Context(), to, "No_Name"); err == nil {
		t.Error("a name that is none was taken")
	}
}
