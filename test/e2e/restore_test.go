package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func only(namespace string) func(spec *kahuv1.BackupSpec) {
	return func(spec *kahuv1.BackupSpec) {
		spec.IncludeNamespaces = []string{namespace}
		spec.EnableVolumeBackup = new(false)
	}
}

// TestRestoreCounts restores over what is there, then what is missing, then again.
func TestRestoreCounts(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	backup := w.completedBackup("counts", only(namespace))

	existing := w.completedRestore("over", "counts", nil).Status.Counts
	if existing.Created+existing.Updated != 0 || existing.SkippedExisting+existing.SkippedControlled != backup.Status.Counts.Objects {
		t.Errorf("over what is there: %+v of %d objects", existing, backup.Status.Counts.Objects)
	}

	changed := &corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}
	w.get(changed)
	changed.Data["a"] = "changed since"
	if err := w.client.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	w.remove(&corev1.Secret{ObjectMeta: in(namespace, "credentials")})
	one := w.completedRestore("one", "counts", nil).Status.Counts
	if one.Created != 1 || one.Updated != 0 {
		t.Errorf("one object was missing: %+v", one)
	}
	secret := &corev1.Secret{ObjectMeta: in(namespace, "credentials")}
	if !w.get(secret) || string(secret.Data["password"]) != "hush" {
		t.Errorf("the secret is not as it was")
	}
	if w.get(changed); changed.Data["a"] != "changed since" {
		t.Errorf("what was there was changed to %v", changed.Data)
	}

	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	all := w.completedRestore("all", "counts", nil)
	if counts := all.Status.Counts; counts.Created+counts.Updated+counts.SkippedExisting+counts.SkippedControlled != backup.Status.Counts.Objects ||
		all.Status.Progress.ItemsRestored != all.Status.Progress.TotalItems || all.Status.Progress.TotalItems != backup.Status.Counts.Objects {
		t.Errorf("all of it: %+v, %+v of %d objects", counts, all.Status.Progress, backup.Status.Counts.Objects)
	}
	again := w.completedRestore("again", "counts", nil).Status.Counts
	if again.Created+again.Updated != 0 {
		t.Errorf("restored twice: %+v", again)
	}
}

func TestRestorePartAndMapped(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	w.completedBackup("parts", only(namespace))
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	part := w.completedRestore("part", "parts", func(spec *kahuv1.RestoreSpec) {
		spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "ConfigMap", Name: "settings"}}
	})
	if !w.get(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}) || w.get(&corev1.ConfigMap{ObjectMeta: in(namespace, "unrelated")}) ||
		w.get(&appsv1.Deployment{ObjectMeta: in(namespace, "web")}) {
		t.Error("the part is not what was asked for")
	}
	if part.Status.Counts.Created != 2 || part.Status.Counts.SkippedExcluded == 0 {
		t.Errorf("a config map and its namespace: %+v", part.Status.Counts)
	}

	needed := w.completedRestore("needed", "parts", func(spec *kahuv1.RestoreSpec) {
		spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "Deployment"}}
	})
	for _, object := range []client.Object{
		&appsv1.Deployment{ObjectMeta: in(namespace, "web")}, &corev1.Secret{ObjectMeta: in(namespace, "credentials")},
		&corev1.ServiceAccount{ObjectMeta: in(namespace, "runner")},
	} {
		if !w.get(object) {
			t.Errorf("%T %s did not come with the deployment: %+v", object, object.GetName(), needed.Status.Counts)
		}
	}

	copied := namespace + "-copy"
	t.Cleanup(func() { w.drop(&corev1.Namespace{ObjectMeta: named(copied)}) })
	w.completedRestore("mapped", "parts", func(spec *kahuv1.RestoreSpec) {
		spec.NamespaceMapping = kahuv1.NamespaceMapping{namespace: copied}
	})
	found := &corev1.ConfigMap{ObjectMeta: in(copied, "settings")}
	if !w.get(found) || found.Data["a"] != "b" || !w.get(&appsv1.Deployment{ObjectMeta: in(copied, "web")}) {
		t.Errorf("the copy is not whole: %v", found.Data)
	}
}

// TestRestoreControlled: what a controller makes again is not created, and owner references point to living owners.
func TestRestoreControlled(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	await(w.api, &appsv1.Deployment{ObjectMeta: in(namespace, "web")}, func(deployment *appsv1.Deployment) bool {
		return deployment.Status.Replicas == 1
	})
	cron := newCronJob(namespace, "cron")
	w.create(cron)
	job := &batchv1.Job{ObjectMeta: in(namespace, "cron-1"), Spec: newJobSpec()}
	job.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))}
	service := &corev1.Service{
		ObjectMeta: in(namespace, "web"),
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}},
	}
	owner := &corev1.ConfigMap{ObjectMeta: in(namespace, "owner")}
	w.create(job, service, owner)
	owned := &corev1.ConfigMap{ObjectMeta: in(namespace, "owned")}
	owned.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.UID},
	}
	orphan := &corev1.ConfigMap{ObjectMeta: in(namespace, "orphan")}
	w.create(owned, orphan)
	await(w.api, &corev1.Endpoints{ObjectMeta: in(namespace, "web")}, func(*corev1.Endpoints) bool { return true }) //nolint:staticcheck // Clusters still have them.

	contents := w.contents(w.completedBackup("controlled", only(namespace)))
	var controlled int64
	for object := range contents {
		for _, kind := range []string{"pods ", "replicasets.apps ", "endpoints ", "endpointslices.discovery.k8s.io ", "jobs.batch "} {
			if strings.HasPrefix(object, kind) {
				controlled++
			}
		}
	}
	if controlled < 4 {
		t.Fatalf("the backup has %d objects with controllers: %v", controlled, contents)
	}
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	restore := w.completedRestore("controlled", "controlled", nil)
	if restore.Status.Counts.SkippedControlled != controlled {
		t.Errorf("%d objects were left to their controllers, wanted %d: %v", restore.Status.Counts.SkippedControlled, controlled, restore.Status.Warnings)
	}
	if w.get(&batchv1.Job{ObjectMeta: in(namespace, "cron-1")}) {
		t.Error("the job of the cron job was created")
	}
	if !w.get(owner) || !w.get(owned) || len(owned.OwnerReferences) != 1 || owned.OwnerReferences[0].UID != owner.UID {
		t.Errorf("owner %s, references %+v", owner.UID, owned.OwnerReferences)
	}
}

// TestRestoreDropsLostOwners: a reference to an owner that is not restored is dropped, or the garbage collector would
// take the object.
func TestRestoreDropsLostOwners(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	owner := &corev1.ConfigMap{ObjectMeta: in(namespace, "owner")}
	w.create(owner)
	owned := &corev1.ConfigMap{ObjectMeta: in(namespace, "owned")}
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.UID}}
	w.create(owned)
	w.completedBackup("owners", only(namespace))
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	restore := w.completedRestore("owners", "owners", func(spec *kahuv1.RestoreSpec) {
		spec.ExcludeResources = []kahuv1.ResourceFilter{{Kind: "ConfigMap", Name: "owner"}}
	})
	if !w.get(owned) || len(owned.OwnerReferences) != 0 {
		t.Errorf("references are %+v", owned.OwnerReferences)
	}
	if !strings.Contains(fmt.Sprint(restore.Status.Warnings), "owner") || restore.Status.Counts.Warnings == 0 {
		t.Errorf("warnings are %v", restore.Status.Warnings)
	}
}

// TestRestoreOrder: custom resources come after their definition is served, and a webhook that nobody answers comes
// after everything that it would refuse.
func TestRestoreOrder(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	const group = "order.kahu.test"
	w.define(group)
	for i := range 20 {
		w.create(newWidget(group, namespace, fmt.Sprintf("widget-%d", i)))
	}
	hook := newDeafWebhook(namespace)
	w.create(hook)
	t.Cleanup(func() { w.drop(hook) })
	w.completedBackup("order", func(spec *kahuv1.BackupSpec) {
		spec.IncludeNamespaces = []string{namespace}
		spec.IncludeResources = []kahuv1.ResourceFilter{
			{Kind: "Widget"}, {Kind: "validatingwebhookconfigurations", Name: hook.Name},
		}
	})
	fresh := newDeafWebhook(namespace)
	w.remove(hook, &corev1.Namespace{ObjectMeta: named(namespace)}, newDefinition(group))
	restore := w.completedRestore("order", "order", nil)
	if restore.Status.Counts.Created != 23 {
		t.Errorf("20 widgets, a namespace, a definition and a webhook: %+v", restore.Status.Counts)
	}
	if !w.get(fresh) {
		t.Error("the webhook is not back")
	}
}

// newDeafWebhook refuses every Widget in a namespace, as nobody answers for it.
func newDeafWebhook(namespace string) *admissionv1.ValidatingWebhookConfiguration {
	return &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: named("deaf-" + namespace),
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "deaf.kahu.test", AdmissionReviewVersions: []string{"v1"},
			SideEffects: new(admissionv1.SideEffectClassNone), FailurePolicy: new(admissionv1.Fail),
			ClientConfig: admissionv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")},
			NamespaceSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{corev1.LabelMetadataName: namespace},
			},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule: admissionv1.Rule{
					APIGroups: []string{"order.kahu.test"}, APIVersions: []string{"*"}, Resources: []string{"*"},
				},
			}},
		}},
	}
}
