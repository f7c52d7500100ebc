package e2e_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func jsonOf(text string) kahuv1.JSONValue { return kahuv1.JSONValue{Raw: []byte(text)} }

// TestTransforms restores with a set, which is changed in between, and with transforms of the Restore's own.
func TestTransforms(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	w.completedBackup("transformed", only(namespace))
	set := &kahuv1.TransformSet{ObjectMeta: named("staging"), Spec: kahuv1.TransformSetSpec{
		ImageMapping: kahuv1.ImageMapping{"docker.io": "registry.example.org/hub", "quay.io/nobody": "unused.example.org"},
		Transforms: []kahuv1.Transform{{
			Name:       "scale",
			Match:      kahuv1.TransformMatch{Condition: "object.kind == 'Deployment' && has(object.spec.replicas)"},
			MergePatch: jsonOf(`{"spec": {"replicas": 0}, "metadata": {"labels": {"stage": "staging"}}}`),
		}},
	}}
	w.create(set)
	t.Cleanup(func() { w.drop(set) })
	await(w.api, set, func(set *kahuv1.TransformSet) bool {
		return meta.IsStatusConditionTrue(set.Status.Conditions, kahuv1.ConditionReady)
	})
	copied := namespace + "-copy"
	t.Cleanup(func() { w.drop(&corev1.Namespace{ObjectMeta: named(copied)}) })

	restored := w.restore("staged", "transformed", func(spec *kahuv1.RestoreSpec) {
		spec.NamespaceMapping = kahuv1.NamespaceMapping{namespace: copied}
		spec.TransformSets = []string{"staging"}
		spec.Transforms = []kahuv1.Transform{
			{
				Match: kahuv1.TransformMatch{
					Resources: []kahuv1.ResourceFilter{{Kind: "configmaps", Name: "settings"}}, Namespaces: []string{namespace},
				},
				JSONPatch: []kahuv1.JSONPatchOperation{{Op: "add", Path: "/data/added", Value: jsonOf(`"by transform"`)}},
			},
			{
				Name:      "impossible",
				Match:     kahuv1.TransformMatch{Resources: []kahuv1.ResourceFilter{{Kind: "Secret", Name: "credentials"}}},
				JSONPatch: []kahuv1.JSONPatchOperation{{Op: "test", Path: "/data/password", Value: jsonOf(`"other"`)}},
			},
		}
	})
	status := restored.Status
	if len(status.Failed) != 1 || status.Failed[0].Reason != kahuv1.ReasonTransformFailed || status.Failed[0].Name != "credentials" ||
		!strings.Contains(status.Failed[0].Message, "spec.transforms[1] (impossible): jsonPatch[0] (test /data/password)") {
		t.Errorf("failed are %+v", status.Failed)
	}
	if text := strings.Join(status.Warnings, "\n"); !strings.Contains(text, "TransformSet staging: spec.imageMapping[quay.io/nobody]") {
		t.Errorf("no warning of what matched nothing: %s", text)
	}
	deployment := &appsv1.Deployment{ObjectMeta: in(copied, "web")}
	if !w.get(deployment) || *deployment.Spec.Replicas != 0 || deployment.Labels["stage"] != "staging" ||
		!strings.HasPrefix(deployment.Spec.Template.Spec.Containers[0].Image, "registry.example.org/hub/") {
		t.Errorf("the deployment is %+v", deployment)
	}
	settings := &corev1.ConfigMap{ObjectMeta: in(copied, "settings")}
	if !w.get(settings) || settings.Data["added"] != "by transform" {
		t.Errorf("the settings are %v", settings.Data)
	}
	if len(status.TransformSets) != 1 || status.TransformSets[0].UID != string(set.UID) ||
		!strings.Contains(string(status.TransformSets[0].Spec.Raw), `"stage":"staging"`) {
		t.Errorf("the sets that were used are %+v", status.TransformSets)
	}
}

// TestTransformsRefused shows what is said of a set that is wrong, and of a restore with it.
func TestTransformsRefused(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	w.completedBackup("untransformed", only(namespace))
	set := &kahuv1.TransformSet{ObjectMeta: named("wrong"), Spec: kahuv1.TransformSetSpec{Transforms: []kahuv1.Transform{{
		Match: kahuv1.TransformMatch{Condition: "object.spec ="}, MergePatch: jsonOf(`{"metadata": {"name": "a"}}`),
	}}}}
	w.create(set)
	t.Cleanup(func() { w.drop(set) })
	stalled := await(w.api, set, func(set *kahuv1.TransformSet) bool {
		return meta.IsStatusConditionTrue(set.Status.Conditions, kahuv1.ConditionStalled)
	})
	if reason(stalled.Status.Conditions, kahuv1.ConditionReady) != kahuv1.ReasonInvalidTransform || len(stalled.Status.ValidationErrors) != 2 ||
		!strings.HasPrefix(stalled.Status.ValidationErrors[0], "spec.transforms[0].match.condition: ") {
		t.Errorf("the status is %+v", stalled.Status)
	}
	for name, c := range map[string]struct{ set, reason, text string }{
		"wrong":   {"wrong", kahuv1.ReasonInvalidTransform, "TransformSet wrong: spec.transforms[0].match.condition"},
		"missing": {"missing", kahuv1.ReasonTransformSetNotFound, "spec.transformSets[0]"},
	} {
		refused := w.restore("with-"+name, "untransformed", func(spec *kahuv1.RestoreSpec) { spec.TransformSets = []string{c.set} })
		if got := reason(refused.Status.Conditions, kahuv1.ConditionAccepted); got != c.reason ||
			!strings.Contains(strings.Join(refused.Status.ValidationErrors, "\n"), c.text) {
			t.Errorf("%s: reason %s, errors %q", name, got, refused.Status.ValidationErrors)
		}
	}
	set.Spec.Transforms = nil
	w.get(set)
	set.Spec.Transforms = []kahuv1.Transform{{MergePatch: jsonOf(`{"metadata": {"labels": {"a": "b"}}}`)}}
	if err := w.client.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	await(w.api, set, func(set *kahuv1.TransformSet) bool {
		return meta.IsStatusConditionTrue(set.Status.Conditions, kahuv1.ConditionReady) && len(set.Status.ValidationErrors) == 0
	})
}
