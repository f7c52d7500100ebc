package recover_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/testkit/canary"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/internal/testkit/s3server"
)

// TestRecover brings one lost cluster back twice.
func TestRecover(t *testing.T) {
	l := lose(t)
	t.Run("from a place that can only be read", l.testReadOnly)
	t.Run("interrupted", l.testInterrupted)
}

// recovery is the command, with one new cluster and one place.
type recovery struct {
	*lost

	t          *testing.T
	kubeconfig string
	store      string // its address
	log        string // the file
	said       bytes.Buffer
	cluster    client.Client
}

func (l *lost) recovery(t *testing.T, kubeconfig, store string, cluster client.Client) *recovery {
	t.Helper()
	return &recovery{lost: l, t: t, kubeconfig: kubeconfig, store: store, log: filepath.Join(t.TempDir(), "log"), cluster: cluster}
}

// command returns the command, which can be run once.
func (r *recovery) command(ctx context.Context) *exec.Cmd {
	command := exec.CommandContext(ctx, program(r.t, "kahu"), "recover", "--kubeconfig", r.kubeconfig,
		"--identity", r.identity, "--log", r.log, "--location", "s3://backups?endpoint="+r.store)
	command.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+s3server.AccessKey, "AWS_SECRET_ACCESS_KEY="+s3server.SecretKey,
		"TMPDIR="+shortFolder(r.t))
	command.Stdout, command.Stderr = &r.said, &r.said
	command.WaitDelay = 10 * time.Second
	return command
}

// run runs it to its end, and returns what it said.
func (r *recovery) run() (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), waitLimit)
	defer cancel()
	before := r.said.Len()
	err := r.command(ctx).Run()
	return r.said.String()[before:], err
}

// isWhole sees that everything is back, and nothing of the recovery is left but what it did.
func (r *recovery) isWhole(told string) {
	r.t.Helper()
	if diff := cmp.Diff(r.objects, contents(r.t, r.cluster)); diff != "" {
		r.t.Errorf("what was (-) and what is back (+):\n%s", diff)
	}
	if !strings.Contains(told, "BackupLocation production is back and is this place") {
		r.t.Errorf("it says:\n%s", told)
	}
	for _, each := range []client.Object{
		&kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "recovery"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "kahu-recovery-credentials"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "kahu-recovery-identity"}},
	} {
		if err := r.cluster.Get(r.t.Context(), client.ObjectKeyFromObject(each), each); !apierrors.IsNotFound(err) {
			r.t.Errorf("%s is left: %v", each.GetName(), err)
		}
	}
	restores := &kahuv1.RestoreList{}
	check(r.t, r.cluster.List(r.t.Context(), restores))
	if len(restores.Items) != 1 || restores.Items[0].Status.State != kahuv1.StateCompleted || len(restores.Items[0].Status.Failed) > 0 {
		r.t.Errorf("the restores are %+v", restores.Items)
	}
	if told, err := r.run(); err != nil || !strings.Contains(told, "has brought it back already") {
		r.t.Errorf("another run: %v\n%s", err, told)
	}
}

// leaksNothing searches what the command said and logged, and what anybody can read in the new cluster.
func (r *recovery) leaksNothing() {
	r.t.Helper()
	searcher, err := canary.New(map[string]string{
		"the secret key": s3server.SecretKey, "the access key": s3server.AccessKey, "the identity": r.key, "the value of a Secret": secret,
	})
	check(r.t, err)
	logged, err := os.ReadFile(r.log)
	check(r.t, err)
	places := map[string][]byte{"the output": r.said.Bytes(), "the log": logged}
	for name, list := range map[string]client.ObjectList{
		"events": &eventsv1.EventList{}, "backups": &kahuv1.BackupList{}, "restores": &kahuv1.RestoreList{}, "locations": &kahuv1.BackupLocationList{},
	} {
		check(r.t, r.cluster.List(r.t.Context(), list))
		places[name], err = json.Marshal(list)
		check(r.t, err)
	}
	for where, content := range places {
		found, err := searcher.Search(where, bytes.NewReader(content))
		check(r.t, err)
		// Whether backups are seen before the command ends, is chance: whoever manages the cluster afterwards looks for them.
		if len(found) > 0 || len(content) < 500 && where != "backups" { //nolint:mnd // Less than this is nothing.
			r.t.Errorf("in %d bytes of %s: %v", len(content), where, found)
		}
	}
}

// testReadOnly recovers with what can only read, into a cluster in which nobody lives: it is not asked to take anything.
func (l *lost) testReadOnly(t *testing.T) {
	fresh := testcluster.Start(t)
	store := newReadOnly(t, l.store.URL)
	r := l.recovery(t, fresh.Kubeconfig(), store.URL, newClient(t, fresh.Config()))
	stranger := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "somebody"}}
	check(t, r.cluster.Create(t.Context(), stranger))
	if told, err := r.run(); err == nil || !strings.Contains(told, "the cluster is not empty: it has ConfigMap default/somebody.") {
		t.Errorf("it went where somebody lives: %v\n%s", err, told)
	}
	check(t, r.cluster.Delete(t.Context(), stranger))
	told, err := r.run()
	if err != nil {
		t.Fatalf("recovering: %v\n%s", err, told)
	}
	if !strings.Contains(told, "this restore has no report, as its location is read-only") {
		t.Errorf("it does not say that there is no report:\n%s", told)
	}
	r.isWhole(told)
	r.leaksNothing()
	if len(store.asked) > 0 {
		t.Errorf("the store was asked to change: %v", store.asked)
	}
}

// testInterrupted kills the command at several points, each time right before a certain request is carried out.
func (l *lost) testInterrupted(t *testing.T) {
	fresh := testcluster.Start(t)
	before := newGate(t, fresh.Config())
	r := l.recovery(t, before.kubeconfig, l.store.URL, newClient(t, fresh.Config()))
	const kahu = "/apis/kahu.io/v1beta1/"
	for _, point := range []struct {
		name, method, path string
		number             int
		waits              bool // for the lease of the manager that was killed
	}{
		{"installing the definitions", "PATCH", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/", 3, false},
		{"making the location known", "PATCH", kahu + "backuplocations/recovery", 1, false},
		{"beginning the restore", "POST", kahu + "restores", 1, false},
		{"restoring", "POST", "/api/v1/namespaces/shop/configmaps", settings / 3, true},
		{"tidying up", "DELETE", kahu + "backuplocations/recovery", 1, false},
	} {
		r.killed(before, point.method, point.path, point.number)
		if !point.waits {
			r.dropLease()
		}
		t.Logf("killed when it was %s: the application has %d objects", point.name, len(contents(t, r.cluster)))
	}
	told, err := r.run()
	if err != nil {
		t.Fatalf("recovering: %v\n%s", err, told)
	}
	r.isWhole(told)
	r.leaksNothing()
}

// killed runs the command until it makes a certain request, and kills it then.
func (r *recovery) killed(before *gate, method, path string, number int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), waitLimit)
	defer cancel()
	held, gone := before.arm(method, path, number)
	command := r.command(ctx)
	check(r.t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case <-held:
	case err := <-ended:
		r.t.Fatalf("it ended before it made %s %s: %v\n%s", method, path, err, r.said.String())
	}
	check(r.t, command.Process.Kill())
	if err := <-ended; err == nil || errors.Is(err, context.DeadlineExceeded) {
		r.t.Fatalf("it was not killed: %v", err)
	}
	select {
	case <-gone: // Its children have ended with it.
	case <-ctx.Done():
		r.t.Fatalf("the request is still there: %v", ctx.Err())
	}
}

// dropLease takes the lease of the manager that was killed away, so that the next one need not wait for its end.
func (r *recovery) dropLease() {
	r.t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "kahu-manager"}}
	check(r.t, client.IgnoreNotFound(r.cluster.Delete(r.t.Context(), lease)))
}
