package engine_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/restore/preview"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// counter counts the requests that change the cluster.
type counter struct {
	http.RoundTripper

	writes, tries atomic.Int64
}

func (c *counter) RoundTrip(request *http.Request) (*http.Response, error) {
	switch {
	case request.Method == http.MethodGet:
	case request.URL.Query().Get("dryRun") == metav1.DryRunAll:
		c.tries.Add(1)
	default:
		c.writes.Add(1)
	}
	return c.RoundTripper.RoundTrip(request)
}

// existing is a namespace that was backed up and then changed.
type existing struct {
	*world

	namespace string
	client    kubernetes.Interface
	counted   *counter
	runs      int
}

func (e *existing) run(policy restoreplan.Policy, dryRun bool) (restore.Result, error) {
	e.t.Helper()
	e.runs++
	e.counted.writes.Store(0)
	e.counted.tries.Store(0)
	use := &restore.Runner{Cluster: e.adapter, Clock: clock.RealClock{}, Creators: 4}
	return use.Run(e.t.Context(), restore.Request{
		ID:      archive.RestoreID{ClusterID: clusterID, Name: "over", UID: "uid-" + strings.Repeat("x", e.runs) + e.namespace},
		Attempt: "attempt", Backup: id("existing"), Existing: policy, DryRun: dryRun,
		Filters: selection.Filters{IncludeNamespaces: []string{e.namespace}},
	}, e.files)
}

func newExisting(t *testing.T) *existing {
	t.Helper()
	e := &existing{world: newWorld(t), namespace: testcluster.Namespace(t), counted: &counter{}}
	e.client = kubernetes.NewForConfigOrDie(testcluster.Config(t))
	config := rest.CopyConfig(testcluster.Config(t))
	config.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		e.counted.RoundTripper = next
		return e.counted
	}
	adapter, err := cluster.New(config, cluster.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	e.adapter = adapter
	return e
}

func labelled(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "web"}}
}

// fill makes one object of each kind that has fields of which the cluster owns some.
func (e *existing) fill() {
	t, ctx, ns := e.t, e.t.Context(), e.namespace
	t.Helper()
	yes := true
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
	}
	job := pod.DeepCopy()
	job.Spec.RestartPolicy = corev1.RestartPolicyNever
	failures := []error{}
	note := func(_ any, err error) { failures = append(failures, err) }
	note(e.client.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: labelled("settings"), Data: map[string]string{"key": "value"}}, metav1.CreateOptions{}))
	note(e.client.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: labelled("frozen"), Immutable: &yes, Data: map[string]string{"key": "value"}}, metav1.CreateOptions{}))
	note(e.client.CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: labelled("password"), StringData: map[string]string{"key": "old-secret"}}, metav1.CreateOptions{}))
	note(e.client.CoreV1().Services(ns).Create(ctx, &corev1.Service{ObjectMeta: labelled("web"), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}, Selector: map[string]string{"app": "web"},
	}}, metav1.CreateOptions{}))
	note(e.client.CoreV1().PersistentVolumeClaims(ns).Create(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: labelled("data"), Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}}, metav1.CreateOptions{}))
	note(e.client.AppsV1().Deployments(ns).Create(ctx, &appsv1.Deployment{ObjectMeta: labelled("web"), Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: pod,
	}}, metav1.CreateOptions{}))
	note(e.client.BatchV1().Jobs(ns).Create(ctx, &batchv1.Job{ObjectMeta: labelled("once"), Spec: batchv1.JobSpec{Suspend: &yes, Template: *job}}, metav1.CreateOptions{}))
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
}

// change changes some of it.
func (e *existing) change() {
	t, ctx, ns := e.t, e.t.Context(), e.namespace
	t.Helper()
	yes := true
	maps := e.client.CoreV1().ConfigMaps(ns)
	_, err := maps.Update(ctx, &corev1.ConfigMap{ObjectMeta: labelled("settings"), Data: map[string]string{"key": "other", "more": "x"}}, metav1.UpdateOptions{})
	err = errors.Join(err, maps.Delete(ctx, "frozen", metav1.DeleteOptions{}))
	_, failed := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: labelled("frozen"), Immutable: &yes, Data: map[string]string{"key": "other"}}, metav1.CreateOptions{})
	err = errors.Join(err, failed)
	_, failed = e.client.CoreV1().Secrets(ns).Update(ctx, &corev1.Secret{ObjectMeta: labelled("password"), StringData: map[string]string{"key": "new-secret"}}, metav1.UpdateOptions{})
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
}

func rowsOf(found *preview.Result) map[string]string {
	rows := map[string]string{}
	for _, row := range found.Rows {
		var lines []string
		for _, field := range row.Fields {
			lines = append(lines, field.Line)
		}
		rows[row.Key.Resource+"/"+row.Key.Name] = strings.TrimSpace(string(row.Action) + " " + strings.Join(lines, " "))
	}
	return rows
}

// TestExistingObjects: policies and the dry run on a real API server, whose own word decides.
func TestExistingObjects(t *testing.T) {
	e := newExisting(t)
	e.fill()
	if _, err := e.backup("existing", nil); err != nil {
		t.Fatal(err)
	}

	// Nothing has changed: an update changes nothing, whatever the cluster owns of each object.
	plan, err := e.run(restoreplan.Update, true)
	if err != nil || plan.Preview.Counts[preview.Update] != 0 {
		t.Errorf("a plan for what is equal: %v %v", rowsOf(plan.Preview), err)
	}
	same, err := e.run(restoreplan.Update, false)
	if err != nil || same.Counts.Updated != 0 || same.Counts.Created != 0 || same.FailedTotal != 0 || same.Counts.Existing < 8 {
		t.Fatalf("an update of what is equal: %+v %+v %v", same.Counts, same.Failed, err)
	}

	e.change()
	before := versions(e)
	planned, err := e.run(restoreplan.Update, true)
	if err != nil {
		t.Fatal(err)
	}
	if e.counted.writes.Load() != 0 || e.counted.tries.Load() < 8 {
		t.Errorf("a dry run sent %d writes and %d tries", e.counted.writes.Load(), e.counted.tries.Load())
	}
	if after := versions(e); !slices.Equal(before, after) {
		t.Errorf("a dry run changed the cluster: %v, then %v", before, after)
	}
	rows := rowsOf(planned.Preview)
	for name, want := range map[string]string{
		"configmaps/settings": `Update ~ data.key: "other" -> "value" - data.more: "x"`,
		"secrets/password":    "Update ~ data.key: (hidden) -> (hidden)",
		"configmaps/frozen":   "Conflict",
		"services/web":        "Unchanged", "persistentvolumeclaims/data": "Unchanged",
		"deployments/web": "Unchanged", "jobs/once": "Unchanged", "namespaces/" + e.namespace: "Unchanged",
	} {
		if rows[name] != want {
			t.Errorf("%s is %q, want %q", name, rows[name], want)
		}
	}

	if _, err := e.run(restoreplan.Fail, false); !errors.As(err, new(*restore.ExistsError)) || e.counted.writes.Load() != 0 {
		t.Errorf("got %v after %d writes", err, e.counted.writes.Load())
	}
	updated, err := e.run(restoreplan.Update, false)
	if err != nil || updated.Counts.Updated != 2 || updated.FailedTotal != 1 || updated.Failed[0].Reason != restore.ReasonUpdateRefused ||
		!strings.Contains(updated.Failed[0].Message, "Recreate") {
		t.Errorf("an update: %+v %+v %v", updated.Counts, updated.Failed, err)
	}
	recreated, err := e.run(restoreplan.Recreate, false)
	if err != nil || recreated.Counts.Updated != 1 || recreated.FailedTotal != 0 {
		t.Errorf("recreation: %+v %+v %v", recreated.Counts, recreated.Failed, err)
	}
	frozen, err := e.client.CoreV1().ConfigMaps(e.namespace).Get(t.Context(), "frozen", metav1.GetOptions{})
	if err != nil || frozen.Data["key"] != "value" {
		t.Errorf("got %v %v", frozen.Data, err)
	}
	again, err := e.run(restoreplan.Recreate, false)
	if err != nil || again.Counts.Updated != 0 || again.FailedTotal != 0 {
		t.Errorf("recreation of what is equal: %+v %+v %v", again.Counts, again.Failed, err)
	}
}

// versions returns the versions of all objects of the namespace that nobody but a restore changes.
func versions(e *existing) []string {
	e.t.Helper()
	var found []string
	maps, err := e.client.CoreV1().ConfigMaps(e.namespace).List(e.t.Context(), metav1.ListOptions{})
	secrets, failed := e.client.CoreV1().Secrets(e.namespace).List(e.t.Context(), metav1.ListOptions{})
	services, failedToo := e.client.CoreV1().Services(e.namespace).List(e.t.Context(), metav1.ListOptions{})
	if err := errors.Join(err, failed, failedToo); err != nil {
		e.t.Fatal(err)
	}
	for i := range maps.Items {
		found = append(found, maps.Items[i].Name+maps.Items[i].ResourceVersion)
	}
	for i := range secrets.Items {
		found = append(found, secrets.Items[i].Name+secrets.Items[i].ResourceVersion)
	}
	for i := range services.Items {
		found = append(found, services.Items[i].Name+services.Items[i].ResourceVersion)
	}
	return found
}
