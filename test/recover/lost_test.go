package recover_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/internal/testkit/s3server"
)

// secret is the content of a Secret of the application.
const secret = "c4n4ry <\"value\"> of a Secret 7f3a"

// lost is a cluster that was backed up, and what is left of it: a store and a key.
type lost struct {
	store    *s3server.Server
	identity string // the file of the key
	key      string
	objects  map[string]string // what the application had
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(top, "bin", name))
	check(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("run \"make build\" first: %v", err)
	}
	return path
}

func newClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	known := runtime.NewScheme()
	check(t, scheme.AddToScheme(known))
	check(t, kahuv1.AddToScheme(known))
	made, err := client.New(config, client.Options{Scheme: known})
	check(t, err)
	return made
}

// lose backs a cluster up, encrypted, into a store, as its people do.
func lose(t *testing.T) *lost {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	check(t, err)
	l := &lost{
		store: s3server.Start(t, s3server.Options{}, "backups"), key: key.String(), identity: filepath.Join(t.TempDir(), "identity.txt"),
	}
	check(t, os.WriteFile(l.identity, []byte(l.key+"\n"), 0o600))
	cluster := newClient(t, testcluster.Config(t))
	end := l.runKahu(t, "--provider", "s3")
	deploy(t, cluster, application())
	check(t, cluster.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "store"},
		StringData: map[string]string{"accessKeyID": s3server.AccessKey, "secretAccessKey": s3server.SecretKey},
	}))
	l.kahu(t, "location", "create", "production", "--provider", "s3", "--credentials", "store", "--recipient", key.Recipient().String(),
		"--config", "bucket=backups,endpoint="+l.store.URL, "--wait")
	l.kahu(t, "backup", "create", "nightly", "--location", "production", "--volume-data=false", "--wait")
	l.objects = contents(t, cluster)
	if len(l.objects) < settings {
		t.Fatalf("the application has %d objects", len(l.objects))
	}
	end()
	return l
}

// deploy makes objects that are not there yet: another test may have lost the same cluster.
func deploy(t *testing.T, to client.Client, objects []client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := to.Create(t.Context(), object); !apierrors.IsAlreadyExists(err) {
			check(t, err)
		}
	}
}

// application are objects of a namespace.
func application() []client.Object {
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "password"}, StringData: map[string]string{"key": secret}},
	}
	for i := range settings {
		objects = append(objects, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("settings-%03d", i)}, Data: map[string]string{"number": fmt.Sprint(i)},
		})
	}
	return objects
}

// contents returns what the application has in a cluster.
func contents(t *testing.T, of client.Client) map[string]string {
	t.Helper()
	found := map[string]string{}
	maps, secrets := &corev1.ConfigMapList{}, &corev1.SecretList{}
	check(t, of.List(t.Context(), maps, client.InNamespace("shop")))
	check(t, of.List(t.Context(), secrets, client.InNamespace("shop")))
	for i := range maps.Items {
		if name := maps.Items[i].Name; name != "kube-root-ca.crt" { // It is that of the cluster.
			found["ConfigMap "+name] = fmt.Sprint(maps.Items[i].Data)
		}
	}
	for i := range secrets.Items {
		found["Secret "+secrets.Items[i].Name] = fmt.Sprint(secrets.Items[i].Data)
	}
	return found
}

// runKahu runs Kahu beside the cluster, until end is called.
func (l *lost) runKahu(t *testing.T, provider ...string) (end func()) {
	t.Helper()
	var said bytes.Buffer
	command := exec.CommandContext(t.Context(), program(t, "kahu"), append([]string{
		"standalone", "--kubeconfig", testcluster.Kubeconfig(t), "--install-crds", "--state", shortFolder(t),
	}, provider...)...)
	command.Stdout, command.Stderr = &said, &said
	check(t, command.Start())
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = command.Process.Signal(syscall.SIGTERM)
			_ = command.Wait() // It was asked to end.
		}
	}
	t.Cleanup(func() {
		end()
		if t.Failed() {
			t.Logf("Kahu said:\n%s", said.String()[max(0, said.Len()-2000):])
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	wait := exec.CommandContext(ctx, program(t, "kubectl-kahu"), "location", "get", "--kubeconfig", testcluster.Kubeconfig(t))
	for wait.Run() != nil {
		if ctx.Err() != nil {
			t.Fatal("Kahu does not begin")
		}
		pause(ctx) // Its definitions are on their way: there is nothing to watch yet.
		wait = exec.CommandContext(ctx, wait.Path, wait.Args[1:]...)
	}
	return end
}

// kahu runs the command line client in the cluster that will be lost.
func (l *lost) kahu(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	command := exec.CommandContext(ctx, program(t, "kubectl-kahu"), append(args, "--kubeconfig", testcluster.Kubeconfig(t))...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("kubectl kahu %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// shortFolder is one in which sockets can be.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "kahu-") //nolint:usetesting // t.TempDir is too long a path for a socket.
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
