package cli_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cli"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Setup(install))) //nolint:forbidigo // The exit code is that of Main.
}

func install(tb testing.TB, config *rest.Config) {
	tb.Helper()
	cluster.InstallCRDs(tb, config, "../../config/crd")
}

// limit bounds every wait of a test.
const limit = 30 * time.Second

// outcome is what a command did.
type outcome struct {
	code     int
	out, err string
	failure  error
}

// run runs a command against the shared cluster.
func run(t *testing.T, arguments ...string) outcome {
	t.Helper()
	return runAt(t, cluster.Kubeconfig(t), arguments...)
}

func runAt(t *testing.T, kubeconfig string, arguments ...string) outcome {
	t.Helper()
	return runQuiet(t, kubeconfig, 0, arguments...)
}

// runQuiet runs a command that waits so long without news before it looks for the manager.
func runQuiet(t *testing.T, kubeconfig string, quiet time.Duration, arguments ...string) outcome {
	t.Helper()
	var out, progress bytes.Buffer
	command := cli.New(cli.Options{
		Out: &out, Err: &progress, Clock: testclock.NewFakePassiveClock(time.Now().Add(time.Hour)), Version: "test", Quiet: quiet, //nolint:forbidigo // Ages are counted from what the API server writes.
	})
	if len(arguments) == 0 || arguments[0] != "__complete" { // It takes the last argument for the word that is being typed.
		arguments = append(arguments, "--kubeconfig", kubeconfig)
	}
	command.SetArgs(arguments)
	err := command.ExecuteContext(t.Context())
	return outcome{code: cli.ExitCode(err), out: out.String(), err: progress.String(), failure: err}
}

// succeed runs a command that must succeed, and returns its output.
func succeed(t *testing.T, arguments ...string) string {
	t.Helper()
	done := run(t, arguments...)
	if done.failure != nil {
		t.Fatalf("%v: %v", arguments, done.failure)
	}
	return done.out
}

func newClient(t *testing.T) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	made, err := client.NewWithWatch(cluster.Config(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// read fills the object of that name.
func read[T client.Object](t *testing.T, name string, object T) T {
	t.Helper()
	if err := newClient(t).Get(t.Context(), client.ObjectKey{Name: name}, object); err != nil {
		t.Fatal(err)
	}
	return object
}

// when waits in a goroutine until the object is there and then acts on it, as a controller would. The test does not
// end before it.
func when[T client.Object](t *testing.T, name string, list client.ObjectList, act func(ctx context.Context, to client.Client, object T) error) {
	t.Helper()
	whenIt(t, name, list, func(T) bool { return true }, act)
}

// whenIt is when, but waits until the object is as somebody else is to write it.
func whenIt[T client.Object](
	t *testing.T, name string, list client.ObjectList, is func(object T) bool, act func(ctx context.Context, to client.Client, object T) error,
) {
	t.Helper()
	to := newClient(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
	watcher, err := to.Watch(ctx, list, &client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name)})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range watcher.ResultChan() {
			object, ok := event.Object.(T)
			if !ok || event.Type == watch.Deleted || !is(object) {
				continue
			}
			if err := act(ctx, to, object); err != nil {
				t.Errorf("acting on %s: %v", name, err)
			}
			return
		}
		t.Errorf("%s did not come", name)
	}()
	t.Cleanup(func() {
		<-ended
		watcher.Stop()
		cancel()
	})
}

// putLocation makes a location that a command can name.
func putLocation(t *testing.T, name string) {
	t.Helper()
	put(t, &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.BackupLocationSpec{ProviderName: "p"}}, func() {})
}

// putBackup makes a backup that a command can name.
func putBackup(t *testing.T, name string) {
	t.Helper()
	put(t, &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"}}, func() {})
}

// remove deletes an object at the end of the test.
func remove(t *testing.T, object client.Object, name string) {
	t.Helper()
	to := newClient(t)
	t.Cleanup(func() {
		object.SetName(name)
		if err := to.Delete(context.WithoutCancel(t.Context()), object); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
}
