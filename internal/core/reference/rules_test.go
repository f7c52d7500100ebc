package reference_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

// TestNeeds has a case for each rule. What is wanted is written as "resource.group namespace/name", with a question
// mark where it is optional.
func TestNeeds(t *testing.T) {
	pod := namespaced("", "v1", "Pod", "pods")
	deployment := namespaced("apps", "v1", "Deployment", "deployments")
	claim := namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
	volume := clustered("", "v1", "PersistentVolume", "persistentvolumes")
	cases := map[string]struct {
		kind    core.Kind
		content string
		want    []string
	}{
		"an object without a rule needs its namespace": {
			kind: namespaced("", "v1", "ConfigMap", "configmaps"), content: `data: {secretName: db}`,
			want: []string{"namespaces shop"},
		},
		"an object at cluster scope needs nothing": {
			kind: clustered("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses"), content: `handler: runc`,
		},
		"a custom resource needs its definition": {
			kind: kind(t, "widgets.shop.example.com"), content: `spec: {size: 3}`,
			want: []string{"namespaces shop", "customresourcedefinitions.apiextensions.k8s.io widgets.shop.example.com ?"},
		},
		"environment": {
			kind: deployment, content: `
spec:
  template:
    spec:
      serviceAccountName: builder
      priorityClassName: high
      runtimeClassName: sandboxed
      imagePullSecrets: [{name: registry}]
      initContainers:
      - env: [{name: A, valueFrom: {configMapKeyRef: {name: first, key: a}}}]
      containers:
      - env:
        - {name: A, value: plain}
        - {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: C, valueFrom: {secretKeyRef: {name: db, key: password}}}
        envFrom: [{configMapRef: {name: settings}}]
      - envFrom: [{secretRef: {name: extra, optional: true}}, {configMapRef: {name: sure, optional: false}}]
`,
			want: []string{
				"namespaces shop", "serviceaccounts shop/builder", "secrets shop/registry",
				"priorityclasses.scheduling.k8s.io high", "runtimeclasses.node.k8s.io sandboxed",
				"configmaps shop/first", "secrets shop/db", "configmaps shop/settings", "configmaps shop/sure", "secrets shop/extra ?",
			},
		},
		"volumes of a pod": {
			kind: pod, content: `
metadata: {name: web-0}
spec:
  volumes:
  - {name: a, configMap: {name: files, optional: true}}
  - {name: b, secret: {secretName: keys}}
  - {name: c, projected: {sources: [{serviceAccountToken: {path: t}}, {configMap: {name: p1}}, {secret: {name: p2, optional: true}}]}}
  - {name: d, persistentVolumeClaim: {claimName: data}}
  - {name: e, csi: {driver: d, nodePublishSecretRef: {name: csi-secret}}}
  - {name: f, azureFile: {secretName: azure, shareName: s}}
  - {name: g, emptyDir: {}}
  - {name: h, ephemeral: {volumeClaimTemplate: {spec: {storageClassName: fast}}}}
`,
			want: []string{
				"namespaces shop", "configmaps shop/files ?", "secrets shop/keys", "configmaps shop/p1", "secrets shop/p2 ?",
				"serviceaccounts shop/default ?",
				"persistentvolumeclaims shop/data", "storageclasses.storage.k8s.io fast ?", "secrets shop/azure",
				"secrets shop/csi-secret", "persistentvolumeclaims shop/web-0-h ?",
			},
		},
		"a cron job": {
			kind:    namespaced("batch", "v1", "CronJob", "cronjobs"),
			content: `spec: {jobTemplate: {spec: {template: {spec: {serviceAccountName: nightly}}}}}`,
			want:    []string{"namespaces shop", "serviceaccounts shop/nightly"},
		},
		"a kind in the group that it came from": {
			kind:    namespaced("extensions", "v1beta1", "Deployment", "deployments"),
			content: `spec: {template: {spec: {serviceAccountName: old}}}`,
			want:    []string{"namespaces shop", "serviceaccounts shop/old"},
		},
		"a stateful set": {
			kind: namespaced("apps", "v1", "StatefulSet", "statefulsets"), content: `
metadata: {name: db}
spec:
  serviceName: db-peers
  replicas: 2
  ordinals: {start: 5}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: fast, volumeAttributesClassName: gold}
`,
			want: []string{
				"namespaces shop", "services shop/db-peers", "storageclasses.storage.k8s.io fast ?",
				"volumeattributesclasses.storage.k8s.io gold",
				"persistentvolumeclaims shop/data-db-5 ?", "persistentvolumeclaims shop/data-db-6 ?",
			},
		},
		"a stateful set without a number": {
			kind:    namespaced("apps", "v1", "StatefulSet", "statefulsets"),
			content: `{metadata: {name: db}, spec: {volumeClaimTemplates: [{metadata: {name: data}}, {metadata: {}}]}}`,
			want:    []string{"namespaces shop", "persistentvolumeclaims shop/data-db-0 ?"},
		},
		"a claim": {
			kind: claim, content: `
spec:
  storageClassName: fast
  volumeAttributesClassName: gold
  volumeName: pv-1
  dataSource: {kind: PersistentVolumeClaim, name: origin}
  dataSourceRef: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: monday, namespace: archive}
`,
			want: []string{
				"namespaces shop", "storageclasses.storage.k8s.io fast ?", "volumeattributesclasses.storage.k8s.io gold",
				"(PersistentVolumeClaim) shop/origin ?", "(VolumeSnapshot).snapshot.storage.k8s.io archive/monday ?",
				"persistentvolumes pv-1",
			},
		},
		"a claim without a class": {
			kind: claim, content: `spec: {storageClassName: ""}`, want: []string{"namespaces shop"},
		},
		"a volume": {
			kind: volume, content: `
spec:
  storageClassName: fast
  claimRef: {namespace: shop, name: data}
  csi:
    driver: d
    nodeStageSecretRef: {name: stage, namespace: storage}
    nodePublishSecretRef: {name: nowhere}
`,
			want: []string{"storageclasses.storage.k8s.io fast ?", "secrets storage/stage"},
		},
		"a volume of Azure": {
			kind: volume, content: `spec: {azureFile: {secretName: key, secretNamespace: azure}}`, want: []string{"secrets azure/key"},
		},
		"a service account": {
			kind:    namespaced("", "v1", "ServiceAccount", "serviceaccounts"),
			content: `{secrets: [{name: token}], imagePullSecrets: [{name: registry}]}`,
			want:    []string{"namespaces shop", "secrets shop/token", "secrets shop/registry"},
		},
		"the token of a service account": {
			kind: namespaced("", "v1", "Secret", "secrets"),
			content: `{type: kubernetes.io/service-account-token,
metadata: {annotations: {kubernetes.io/service-account.name: builder}}}`,
			want: []string{"namespaces shop", "serviceaccounts shop/builder"},
		},
		"another secret": {
			kind:    namespaced("", "v1", "Secret", "secrets"),
			content: `{type: Opaque, metadata: {annotations: {kubernetes.io/service-account.name: builder}}}`,
			want:    []string{"namespaces shop"},
		},
		"an ingress": {
			kind: namespaced("networking.k8s.io", "v1", "Ingress", "ingresses"), content: `
spec:
  ingressClassName: public
  tls: [{secretName: certificate}]
  defaultBackend: {service: {name: fallback}}
  rules:
  - http: {paths: [{backend: {service: {name: web}}}, {backend: {resource: {apiGroup: shop.example.com, kind: Widget, name: w}}}]}
  - host: nothing.example.com
`,
			want: []string{
				"namespaces shop", "ingressclasses.networking.k8s.io public", "secrets shop/certificate", "services shop/fallback",
				"services shop/web", "(Widget).shop.example.com shop/w",
			},
		},
		"an ingress class": {
			kind:    clustered("networking.k8s.io", "v1", "IngressClass", "ingressclasses"),
			content: `spec: {parameters: {apiGroup: shop.example.com, kind: Widget, name: w, namespace: edge, scope: Namespace}}`,
			want:    []string{"(Widget).shop.example.com edge/w"},
		},
		"an autoscaler": {
			kind: namespaced("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"), content: `
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics: [{object: {describedObject: {apiVersion: v1, kind: Service, name: web}}}]
`,
			want: []string{"namespaces shop", "(Deployment).apps shop/web", "(Service) shop/web ?"},
		},
		"a role binding": {
			kind: namespaced("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
			content: `{roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit},
subjects: [{kind: ServiceAccount, name: builder, namespace: ci}]}`,
			want: []string{"namespaces shop", "(ClusterRole).rbac.authorization.k8s.io shop/edit"},
		},
		"a cluster role binding": {
			kind:    clustered("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings"),
			content: `roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}`,
			want:    []string{"(ClusterRole).rbac.authorization.k8s.io edit"},
		},
		"webhooks": {
			kind: clustered("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
			content: `webhooks: [{clientConfig: {url: "https://a"}}, {clientConfig: {service: {namespace: gate, name: keeper}}},
{clientConfig: {service: {name: nowhere}}}]`,
			want: []string{"services gate/keeper"},
		},
		"a policy binding": {
			kind:    clustered("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
			content: `spec: {policyName: strict}`,
			want:    []string{"validatingadmissionpolicies.admissionregistration.k8s.io strict"},
		},
		"a definition that converts": {
			kind:    kind(t, "customresourcedefinitions.apiextensions.k8s.io"),
			content: `spec: {conversion: {webhook: {clientConfig: {service: {namespace: gate, name: converter}}}}}`,
			want:    []string{"services gate/converter ?"},
		},
		"an aggregated API": {
			kind: kind(t, "apiservices.apiregistration.k8s.io"), content: `spec: {service: {namespace: gate, name: metrics}}`,
			want: []string{"services gate/metrics"},
		},
		"a flow schema": {
			kind:    clustered("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas"),
			content: `spec: {priorityLevelConfiguration: {name: low}}`,
			want:    []string{"prioritylevelconfigurations.flowcontrol.apiserver.k8s.io low"},
		},
		"a claim of devices": {
			kind:    namespaced("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims"),
			content: `spec: {devices: {requests: [{exactly: {deviceClassName: gpu}}, {firstAvailable: [{deviceClassName: tpu}]}, {deviceClassName: old}]}}`,
			want: []string{
				"namespaces shop", "deviceclasses.resource.k8s.io old", "deviceclasses.resource.k8s.io gpu",
				"deviceclasses.resource.k8s.io tpu",
			},
		},
		"a storage class": {
			kind: kind(t, "storageclasses.storage.k8s.io"), content: `
parameters:
  csi.storage.k8s.io/provisioner-secret-name: admin
  csi.storage.k8s.io/provisioner-secret-namespace: storage
  csi.storage.k8s.io/node-stage-secret-name: "${pvc.name}"
  csi.storage.k8s.io/node-stage-secret-namespace: storage
  csi.storage.k8s.io/node-publish-secret-name: without-namespace
  other-secret-name: x
  other-secret-namespace: y
`,
			want: []string{"secrets storage/admin ?"},
		},
		"a volume snapshot": {
			kind: namespaced("snapshot.storage.k8s.io", "v1", "VolumeSnapshot", "volumesnapshots"), content: `
spec: {volumeSnapshotClassName: nightly, source: {persistentVolumeClaimName: data}}
status: {boundVolumeSnapshotContentName: content-1}
`,
			want: []string{
				"namespaces shop", "volumesnapshotclasses.snapshot.storage.k8s.io nightly",
				"volumesnapshotcontents.snapshot.storage.k8s.io content-1", "persistentvolumeclaims shop/data ?",
			},
		},
		"the content of a volume snapshot": {
			kind:    clustered("snapshot.storage.k8s.io", "v1", "VolumeSnapshotContent", "volumesnapshotcontents"),
			content: `spec: {volumeSnapshotClassName: nightly, volumeSnapshotRef: {namespace: shop, name: monday}}`,
			want:    []string{"volumesnapshotclasses.snapshot.storage.k8s.io nightly"},
		},
		"odd shapes": {
			kind: pod, content: `
spec:
  serviceAccountName: [1]
  imagePullSecrets: {name: x}
  containers: [1, {env: no}, {env: [{valueFrom: [1]}]}, null, {envFrom: [{secretRef: {name: 7}}, {secretRef: null}]}]
  volumes: [{secret: {secretName: {a: b}}}, [], {configMap: {name: fine, optional: "yes"}}]
`,
			want: []string{"namespaces shop", "configmaps shop/fine", "serviceaccounts shop/default ?"},
		},
		"no content": {kind: pod, content: `null`, want: []string{"namespaces shop"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, need := range reference.NewRules().Needs(reference.Decoded(tc.kind, contentOf(t, tc.kind, tc.content))) {
				got = append(got, written(need))
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("needs (-want +got):\n%s", diff)
			}
		})
	}
}

// contentOf returns the content with a namespace where the kind has one.
func contentOf(t *testing.T, kind core.Kind, text string) map[string]any {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	if content == nil {
		content = map[string]any{}
	}
	metadata, _ := content["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	if kind.Namespaced {
		metadata["namespace"] = "shop"
	}
	content["metadata"] = metadata
	return content
}

func written(need reference.Need) string {
	name := need.Name
	if need.Namespace != "" {
		name = need.Namespace + "/" + name
	}
	if need.Optional {
		name += " ?"
	}
	what := need.Resource
	if need.Kind != "" {
		what = "(" + need.Kind + ")"
	}
	if need.Group != "" {
		what += "." + need.Group
	}
	return what + " " + name
}

func TestFieldsOfNeeds(t *testing.T) {
	content := contentOf(t, kind(t, "statefulsets.apps"), `
metadata: {name: db}
spec:
  template: {spec: {containers: [{}, {envFrom: [{}, {secretRef: {name: keys}}]}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: fast}}]
`)
	var got []string
	for _, need := range reference.NewRules().Needs(reference.Decoded(kind(t, "statefulsets.apps"), content)) {
		got = append(got, need.Field)
	}
	want := []string{
		"metadata.namespace", "spec.template.spec.serviceAccountName", "spec.template.spec.containers[1].envFrom[1].secretRef.name",
		"spec.volumeClaimTemplates[0].spec.storageClassName", "spec.volumeClaimTemplates[0]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestReplicasAreBounded(t *testing.T) {
	for _, replicas := range []string{"2147483647", "1e300", "-5", "2.5"} {
		content := contentOf(t, kind(t, "statefulsets.apps"), fmt.Sprintf(`
metadata: {name: db}
spec: {replicas: %s, ordinals: {start: %s}, volumeClaimTemplates: [{metadata: {name: a}}, {metadata: {name: b}}]}
`, replicas, replicas))
		if needs := reference.NewRules().Needs(reference.Decoded(kind(t, "statefulsets.apps"), content)); len(needs) > 10_001 {
			t.Errorf("%s replicas give %d needs", replicas, len(needs))
		}
	}
}
