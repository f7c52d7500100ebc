package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Setup(prepare))) //nolint:forbidigo // the exit code is Main's
}

// prepare makes what all tests of this binary would find in the shared cluster.
func prepare(tb testing.TB, config *rest.Config) {
	tb.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	maps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("default")
	if _, err := maps.Create(tb.Context(), configMap("prepared"), metav1.CreateOptions{}); err != nil {
		tb.Fatal(err)
	}
}

func TestSetupComesFirstAndOnce(t *testing.T) {
	for range 2 { // a second preparation would fail, as the object is there
		maps := resource(t, cluster.Config(t), "", "configmaps").Namespace("default")
		if _, err := maps.Get(t.Context(), "prepared", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	}
}

func resource(t *testing.T, config *rest.Config, group, plural string) dynamic.NamespaceableResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural})
}

func configMap(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name},
	}}
}

// uid is what tells clusters apart.
func uid(t *testing.T, config *rest.Config) string {
	t.Helper()
	system, err := resource(t, config, "", "namespaces").Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(system.GetUID())
}

func TestNamespacesAreApart(t *testing.T) {
	maps := resource(t, cluster.Config(t), "", "configmaps")
	first, second := cluster.Namespace(t), cluster.Namespace(t)
	if first == second {
		t.Fatalf("both are %s", first)
	}
	if !strings.HasPrefix(first, "testnamespacesareapart-") {
		t.Errorf("%s is not named after the test", first)
	}
	if _, err := maps.Namespace(first).Create(t.Context(), configMap("here"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := maps.Namespace(second).Get(t.Context(), "here", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("looking for it in the other namespace: %v, want not found", err)
	}
	for _, namespace := range []string{first, second} {
		if _, err := maps.Namespace(namespace).Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{}); err != nil {
			t.Errorf("what every namespace has is not there yet: %v", err)
		}
	}
}

func TestNamespaceEndsWithItsTest(t *testing.T) {
	var name string
	t.Run("with a name that is far too long for a namespace, and Letters: which it cannot hold", func(t *testing.T) {
		name = cluster.Namespace(t)
	})
	namespace, err := resource(t, cluster.Config(t), "", "namespaces").Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if namespace.GetDeletionTimestamp() == nil {
		t.Errorf("%s is not being deleted", name)
	}
}

func TestStartGivesAnotherCluster(t *testing.T) {
	var folder string
	t.Run("while it runs", func(t *testing.T) {
		other := cluster.Start(t)
		folder = filepath.Dir(other.Kubeconfig())
		if uid(t, other.Config()) == uid(t, cluster.Config(t)) {
			t.Error("it is the shared cluster")
		}
		name := cluster.NamespaceIn(t, other.Config())
		_, err := resource(t, cluster.Config(t), "", "namespaces").Get(t.Context(), name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			t.Errorf("looking for its namespace in the shared cluster: %v, want not found", err)
		}
	})
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
}

func TestConfigIsACopy(t *testing.T) {
	config := cluster.Config(t)
	if config.QPS >= 0 {
		t.Errorf("requests are limited to %v per second", config.QPS)
	}
	config.Host = "https://elsewhere.example"
	if again := cluster.Config(t); again.Host == config.Host {
		t.Error("a test has changed the config of another")
	}
	named, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if uid(t, named) != uid(t, cluster.Config(t)) {
		t.Error("config and kubeconfig are of different clusters")
	}
}

const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]ss.testkit.example}
spec:
  group: testkit.example
  names: {plural: %[1]ss, singular: %[1]s, kind: %[2]s}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
  - {name: v2, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
`

func TestInstallCRDs(t *testing.T) {
	folder := t.TempDir()
	files := map[string]string{
		"two.yaml":  fmt.Sprintf(definition, "apple", "Apple") + "---\n" + fmt.Sprintf(definition, "pear", "Pear"),
		"notes.txt": "not a manifest",
		"other.yml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: left-out}\n",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := cluster.Config(t)
	namespace := cluster.Namespace(t)
	for range 2 { // what is there already is no error
		cluster.InstallCRDs(t, config, folder)
	}
	for plural, kind := range map[string]string{"apples": "Apple", "pears": "Pear"} {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "testkit.example/v1", "kind": kind, "metadata": map[string]any{"name": "one"},
		}}
		client := resource(t, config, "testkit.example", plural).Namespace(namespace)
		if _, err := client.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Errorf("%s are not served: %v", plural, err)
		}
	}
}

// TestMissingBinary runs this test binary again with a devcluster that is not there.
func TestMissingBinary(t *testing.T) {
	cases := map[string]struct {
		run  string
		want string
		ok   bool
	}{
		"a test that needs a cluster says what to do": {run: "^TestConfigIsACopy$", want: `run "make devcluster" first`},
		"nobody asks for a cluster":                   {run: "^$", ok: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", c.run)
			command.Env = append(os.Environ(), "KAHU_DEVCLUSTER=/nowhere/devcluster")
			out, err := command.CombinedOutput()
			if (err == nil) != c.ok || !strings.Contains(string(out), c.want) {
				t.Errorf("got %v: %s", err, out)
			}
		})
	}
}
