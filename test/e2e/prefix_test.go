package e2e_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestPrefix restores an application beside itself, with a transform that matches it by its name in the backup; and is
// refused where a name would be too long.
func TestPrefix(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	w.create(&corev1.Service{ObjectMeta: in(namespace, "front"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
	w.completedBackup("prefixed", only(namespace))
	w.completedRestore("blue", "prefixed", func(spec *kahuv1.RestoreSpec) {
		spec.ResourcePrefix = "blue-"
		spec.Transforms = []kahuv1.Transform{{
			Match:      kahuv1.TransformMatch{Resources: []kahuv1.ResourceFilter{{Kind: "configmaps", Name: "settings"}}},
			MergePatch: jsonOf(`{"data": {"color": "blue"}}`),
		}}
	})
	original, copied := &appsv1.Deployment{ObjectMeta: in(namespace, "web")}, &appsv1.Deployment{ObjectMeta: in(namespace, "blue-web")}
	if !w.get(original) || !w.get(copied) {
		t.Fatal("not both deployments are there")
	}
	settings, before := &corev1.ConfigMap{ObjectMeta: in(namespace, "blue-settings")}, &corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}
	if !w.get(settings) || settings.Data["color"] != "blue" || !w.get(before) || before.Data["color"] != "" {
		t.Errorf("the settings are %v, and the original ones %v", settings.Data, before.Data)
	}
	refused := w.restore("long", "prefixed", func(spec *kahuv1.RestoreSpec) { spec.ResourcePrefix = strings.Repeat("b", 63) })
	status := refused.Status
	if status.State != kahuv1.StateFailed || reason(status.Conditions, kahuv1.ConditionReady) != kahuv1.ReasonInvalidPrefix ||
		!strings.Contains(strings.Join(status.ValidationErrors, " "), "Service "+namespace+"/front") || status.Counts.Created > 0 {
		t.Errorf("the restore is %s: %+v %v", status.State, status.Conditions, status.ValidationErrors)
	}
}
