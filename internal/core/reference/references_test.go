package reference_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

// TestNoReferenceIsForgotten fills objects of the API's own types to the last field and compares the fields whose
// names look like references with those that the rules follow. A reference that a new version of the API brings must
// be followed, or be named here.
func TestNoReferenceIsForgotten(t *testing.T) {
	cases := map[string]struct {
		kind   core.Kind
		object any
		// passed are the fields that look like references and are followed by no rule.
		passed []string
	}{
		"Pod": {
			kind: namespaced("", "v1", "Pod", "pods"), object: &corev1.Pod{Spec: filled[corev1.PodSpec]()},
			passed: notInPods("spec."),
		},
		"PodTemplate": {
			kind:   namespaced("", "v1", "PodTemplate", "podtemplates"),
			object: &corev1.PodTemplate{Template: corev1.PodTemplateSpec{Spec: filled[corev1.PodSpec]()}},
			passed: notInPods("template.spec."),
		},
		"CronJob": {
			kind:   namespaced("batch", "v1", "CronJob", "cronjobs"),
			object: &batchv1.CronJob{Spec: filled[batchv1.CronJobSpec]()},
			passed: notInPods("spec.jobTemplate.spec.template.spec."),
		},
		"StatefulSet": {
			kind:   namespaced("apps", "v1", "StatefulSet", "statefulsets"),
			object: &appsv1.StatefulSet{Spec: filled[appsv1.StatefulSetSpec]()},
			// The status of a template of claims means nothing.
			passed: append(notInPods("spec.template.spec."),
				"spec.volumeClaimTemplates[0].spec.volumeName",
				"spec.volumeClaimTemplates[0].status.currentVolumeAttributesClassName",
				"spec.volumeClaimTemplates[0].status.modifyVolumeStatus.targetVolumeAttributesClassName",
			),
		},
		"PersistentVolumeClaim": {
			kind:   namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
			object: &corev1.PersistentVolumeClaim{Spec: filled[corev1.PersistentVolumeClaimSpec]()},
		},
		"PersistentVolume": {
			kind:   clustered("", "v1", "PersistentVolume", "persistentvolumes"),
			object: &corev1.PersistentVolume{Spec: filled[corev1.PersistentVolumeSpec]()},
			// The claim refers to the volume; the others are names in a storage system.
			passed: []string{
				"spec.claimRef.name", "spec.scaleIO.volumeName", "spec.storageos.volumeName",
				"spec.vsphereVolume.storagePolicyName",
			},
		},
		"ServiceAccount": {
			kind:   namespaced("", "v1", "ServiceAccount", "serviceaccounts"),
			object: new(filled[corev1.ServiceAccount]()),
		},
		"MutatingWebhookConfiguration": {
			kind:   clustered("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
			object: new(filled[admissionv1.MutatingWebhookConfiguration]()),
		},
		"ValidatingWebhookConfiguration": {
			kind:   clustered("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
			object: new(filled[admissionv1.ValidatingWebhookConfiguration]()),
		},
		"ValidatingAdmissionPolicyBinding": {
			kind:   clustered("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
			object: new(filled[admissionv1.ValidatingAdmissionPolicyBinding]()),
			passed: []string{"spec.paramRef.name"}, // its kind stands in the policy
		},
		"MutatingAdmissionPolicyBinding": {
			kind:   clustered("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
			object: new(filled[admissionv1.MutatingAdmissionPolicyBinding]()),
			passed: []string{"spec.paramRef.name"},
		},
		"CustomResourceDefinition": {
			kind:   clustered("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"),
			object: &apiextensionsv1.CustomResourceDefinition{Spec: filled[apiextensionsv1.CustomResourceDefinitionSpec]()},
		},
		"HorizontalPodAutoscaler": {
			kind:   namespaced("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
			object: &autoscalingv2.HorizontalPodAutoscaler{Spec: filled[autoscalingv2.HorizontalPodAutoscalerSpec]()},
			passed: []string{"spec.metrics[0].containerResource.name", "spec.metrics[0].resource.name"}, // cpu, memory
		},
		"FlowSchema": {
			kind:   clustered("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas"),
			object: &flowcontrolv1.FlowSchema{Spec: filled[flowcontrolv1.FlowSchemaSpec]()},
			// Whom a schema is about need not exist.
			passed: []string{
				"spec.rules[0].subjects[0].group.name", "spec.rules[0].subjects[0].serviceAccount.name",
				"spec.rules[0].subjects[0].user.name",
			},
		},
		"Ingress": {
			kind:   namespaced("networking.k8s.io", "v1", "Ingress", "ingresses"),
			object: &networkingv1.Ingress{Spec: filled[networkingv1.IngressSpec]()},
			passed: []string{"spec.defaultBackend.service.port.name", "spec.rules[0].http.paths[0].backend.service.port.name"},
		},
		"IngressClass": {
			kind:   clustered("networking.k8s.io", "v1", "IngressClass", "ingressclasses"),
			object: new(filled[networkingv1.IngressClass]()),
		},
		"RoleBinding": {
			kind:   namespaced("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
			object: new(filled[rbacv1.RoleBinding]()),
			passed: []string{"subjects[0].name"}, // it may be in any namespace
		},
		"ClusterRoleBinding": {
			kind:   clustered("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings"),
			object: new(filled[rbacv1.ClusterRoleBinding]()),
			passed: []string{"subjects[0].name"},
		},
		"ResourceClaimTemplate": {
			kind:   namespaced("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
			object: &resourcev1.ResourceClaimTemplate{Spec: filled[resourcev1.ResourceClaimTemplateSpec]()},
			passed: []string{
				"spec.spec.devices.requests[0].name", "spec.spec.devices.requests[0].firstAvailable[0].name", // names of parts
			},
		},
		"StorageClass": {
			kind:   clustered("storage.k8s.io", "v1", "StorageClass", "storageclasses"),
			object: new(filled[storagev1.StorageClass]()),
		},
	}
	looks := regexp.MustCompile(`(?i)(ref|secrets?|class|group|backend|service|source|account|user|subjects?|requests?|available|resource|object|configuration|parameters|port)(\[0\])?\.name$|` +
		`(secret|class|claim|service|serviceaccount|volume|content|node|policy|template|group|account)name$|[a-z]account$|endpoints$`)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			content := decoded(t, tc.object)
			content["metadata"] = map[string]any{"namespace": "shop", "name": "it"}
			followed := map[string]bool{}
			for _, need := range reference.NewRules().Needs(reference.Decoded(tc.kind, content)) {
				followed[need.Field] = true
			}
			var passed []string
			eachText(content, "", func(field string) {
				if looks.MatchString(field) && !followed[field] {
					passed = append(passed, field)
				}
			})
			slices.Sort(passed)
			slices.Sort(tc.passed)
			if diff := cmp.Diff(tc.passed, passed); diff != "" {
				t.Errorf("references that no rule follows (-want +got):\n%s", diff)
			}
		})
	}
}

// notInPods are the fields of a pod's spec that look like references and are not followed: a node is chosen anew, an
// old name of a field stands beside the new one, a template has no volume yet, and the others are names of parts of
// the pod or of things in a storage system.
func notInPods(prefix string) []string {
	fields := []string{
		"nodeName", "serviceAccount", "volumes[0].ephemeral.volumeClaimTemplate.spec.volumeName",
		"volumes[0].scaleIO.volumeName", "volumes[0].storageos.volumeName", "volumes[0].vsphereVolume.storagePolicyName",
		"containers[0].env[0].valueFrom.fileKeyRef.volumeName",
		"initContainers[0].env[0].valueFrom.fileKeyRef.volumeName",
		"ephemeralContainers[0].env[0].valueFrom.fileKeyRef.volumeName",
	}
	for i := range fields {
		fields[i] = prefix + fields[i]
	}
	return fields
}

// filled returns a value in which every field has a value, and every list and map one entry.
func filled[T any]() T {
	var value T
	fill(reflect.ValueOf(&value).Elem(), 0)
	return value
}

// maxDepth ends types that contain themselves, such as schemas.
const maxDepth = 24

func fill(value reflect.Value, depth int) {
	if depth > maxDepth {
		return
	}
	switch kind := value.Kind(); {
	case kind == reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(value.Elem(), depth+1)
	case kind == reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fill(value.Index(0), depth+1)
	case kind == reflect.Map:
		fillMap(value, depth)
	case kind == reflect.Struct && !skipped(value):
		for _, field := range value.Fields() {
			fill(field, depth+1)
		}
	case kind == reflect.String:
		value.SetString("given")
	case value.CanInt():
		value.SetInt(1)
	}
}

func fillMap(value reflect.Value, depth int) {
	if value.Type().Key().Kind() != reflect.String {
		return
	}
	entry := reflect.New(value.Type().Elem()).Elem()
	fill(entry, depth+1)
	key := reflect.ValueOf("given").Convert(value.Type().Key())
	value.Set(reflect.MakeMap(value.Type()))
	value.SetMapIndex(key, entry)
}

// skipped tells whether a struct has a form of its own in JSON, is metadata, or contains itself.
func skipped(value reflect.Value) bool {
	switch value.Addr().Interface().(type) {
	case json.Marshaler, *metav1.ObjectMeta, *apiextensionsv1.JSONSchemaProps:
		return true
	}
	return false
}

func decoded(t *testing.T, object any) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]any{}
	if err := json.Unmarshal(encoded, &content); err != nil {
		t.Fatal(err)
	}
	return content
}

// eachText visits the paths of all texts.
func eachText(value any, path string, visit func(field string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			inner := name
			if path != "" {
				inner = path + "." + name
			}
			eachText(member, inner, visit)
		}
	case []any:
		for i, item := range value {
			eachText(item, path+"["+strconv.Itoa(i)+"]", visit)
		}
	case string:
		visit(path)
	}
}
