package e2e_test

import (
	"bytes"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// deploy deploys an application that uses one of each thing that a workload needs, and returns its namespace. The
// things are named after the namespace where they are the whole cluster's.
func (w *world) deploy() string {
	w.t.Helper()
	namespace := testcluster.Namespace(w.t)
	w.create(
		&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}},
		&corev1.ConfigMap{ObjectMeta: in(namespace, "unrelated")},
		&corev1.Secret{ObjectMeta: in(namespace, "credentials"), StringData: map[string]string{"password": "hush"}},
		&corev1.ServiceAccount{ObjectMeta: in(namespace, "runner")},
		newDeployment(namespace, "web"),
	)
	return namespace
}

func newDeployment(namespace, name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					ServiceAccountName: "runner",
					Containers: []corev1.Container{{
						Name: "main", Image: "none",
						EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{
							LocalObjectReference: corev1.LocalObjectReference{Name: "settings"},
						}}},
					}},
					Volumes: []corev1.Volume{
						{Name: "secret", VolumeSource: corev1.VolumeSource{
							Secret: &corev1.SecretVolumeSource{SecretName: "credentials"},
						}},
						{Name: "data", VolumeSource: corev1.VolumeSource{
							PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
						}},
					},
				},
			},
		},
	}
}

// claim makes the claim "data" with a volume and a class of its own, and returns when the two are bound.
func (w *world) claim(namespace string) {
	w.t.Helper()
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	class := &storagev1.StorageClass{ObjectMeta: named(namespace), Provisioner: "e2e.kahu.test"}
	volume := &corev1.PersistentVolume{
		ObjectMeta: named(namespace),
		Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: modes, StorageClassName: namespace,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/nowhere"}},
		},
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: in(namespace, "data"),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, StorageClassName: new(namespace), VolumeName: namespace,
			Resources: corev1.VolumeResourceRequirements{Requests: size},
		},
	}
	w.create(class, volume, claim)
	w.t.Cleanup(func() { w.drop(volume, class) })
	await(w.api, claim, func(claim *corev1.PersistentVolumeClaim) bool { return claim.Status.Phase == corev1.ClaimBound })
}

// newDefinition is the definition of a kind Widget of a group.
func newDefinition(group string) *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: named("widgets." + group),
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: new(true),
				}},
			}},
		},
	}
}

// define creates a definition and returns when it is served.
func (w *world) define(group string) {
	w.t.Helper()
	definition := newDefinition(group)
	w.create(definition)
	w.t.Cleanup(func() { w.drop(newDefinition(group)) })
	w.awaitKind(schema.GroupKind{Group: group, Kind: "Widget"})
	await(w.api, definition, func(definition *apiextensionsv1.CustomResourceDefinition) bool {
		return slices.ContainsFunc(definition.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		})
	})
}

// awaitKind returns when the API server shows a kind, which cannot be watched.
func (a *api) awaitKind(kind schema.GroupKind) {
	a.t.Helper()
	a.eventually("discovery of "+kind.String(), func() bool {
		_, err := a.client.RESTMapper().RESTMapping(kind)
		return err == nil
	})
}

func newWidget(group, namespace, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1", "kind": "Widget",
		"metadata": map[string]any{"namespace": namespace, "name": name},
		"spec":     map[string]any{"size": int64(3)},
	}}
}

// newCronJob never runs by itself.
func newCronJob(namespace, name string) *batchv1.CronJob {
	return &batchv1.CronJob{
		ObjectMeta: in(namespace, name),
		Spec: batchv1.CronJobSpec{
			Schedule: "0 0 31 2 *", Suspend: new(true),
			JobTemplate: batchv1.JobTemplateSpec{Spec: newJobSpec()},
		},
	}
}

func newJobSpec() batchv1.JobSpec {
	return batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "none"}},
	}}}
}

// contents returns why each object is in a backup, by "plural.group namespace/name".
func (w *world) contents(backup *kahuv1.Backup) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	index := w.store.read(backup.Status.ArchivePath + "index.zst")
	for record, err := range archive.ReadIndex(bytes.NewReader(index)) {
		if err != nil {
			w.t.Fatalf("reading the index of %s: %v", backup.Name, err)
		}
		found[record.Kind.GroupResource().String()+" "+record.Namespace+"/"+record.Name] = string(record.Reason)
	}
	return found
}
