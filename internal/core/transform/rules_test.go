package transform_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

func TestRules(t *testing.T) {
	t.Parallel()
	mapped := transform.Options{NamespaceMapping: map[string]string{"shop": "stage"}}
	cases := map[string]struct {
		reason  string
		options transform.Options
		kind    core.Kind
		object  string
		want    string
		paths   []string
	}{
		"bound volume": {
			reason: "with the UID of a claim that is gone it would be released and deleted",
			kind:   kind("persistentvolumes"),
			object: `{"metadata": {"annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}},
				"spec": {"claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "shop", "name": "a",
				"uid": "1", "resourceVersion": "2"}, "nodeAffinity": {}}, "status": {"phase": "Bound"}}`,
			want: `{"metadata": {"annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}},
				"spec": {"claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "shop", "name": "a"},
				"nodeAffinity": {}}}`,
			paths: []string{"status", "spec.claimRef.uid", "spec.claimRef.resourceVersion"},
		},
		"free volume": {
			kind:   kind("persistentvolumes"),
			object: `{"spec": {"storageClassName": "fast"}}`,
			want:   `{"spec": {"storageClassName": "fast"}}`,
		},
		"volume of a mapped claim": {
			options: mapped, kind: kind("persistentvolumes"),
			object: `{"spec": {"claimRef": {"namespace": "shop", "name": "a"}}}`,
			want:   `{"spec": {"claimRef": {"namespace": "stage", "name": "a"}}}`,
			paths:  []string{"spec.claimRef.namespace"},
		},
		"bound claim": {
			reason: "it is bound once more to its volume; what binding does not write again stays",
			kind:   kind("persistentvolumeclaims"),
			object: `{"metadata": {"namespace": "shop", "annotations": {"pv.kubernetes.io/bind-completed": "yes",
				"pv.kubernetes.io/bound-by-controller": "yes", "volume.kubernetes.io/selected-node": "n1",
				"volume.kubernetes.io/storage-provisioner": "p"}},
				"spec": {"volumeName": "v"}, "status": {"phase": "Bound"}}`,
			want: `{"metadata": {"namespace": "shop", "annotations": {
				"pv.kubernetes.io/bound-by-controller": "yes", "volume.kubernetes.io/selected-node": "n1",
				"volume.kubernetes.io/storage-provisioner": "p"}},
				"spec": {"volumeName": "v"}}`,
			paths: []string{"status", "metadata.annotations['pv.kubernetes.io/bind-completed']"},
		},
		"claim in a mapped namespace": {
			reason:  "the volume belongs to the original",
			options: mapped, kind: kind("persistentvolumeclaims"),
			object: `{"metadata": {"namespace": "shop", "annotations": {"pv.kubernetes.io/bind-completed": "yes",
				"pv.kubernetes.io/bound-by-controller": "yes", "volume.kubernetes.io/selected-node": "n1",
				"volume.kubernetes.io/storage-provisioner": "p"}},
				"spec": {"volumeName": "v", "storageClassName": "fast"}}`,
			want: `{"metadata": {"namespace": "stage", "annotations": {"volume.kubernetes.io/storage-provisioner": "p"}},
				"spec": {"storageClassName": "fast"}}`,
			paths: []string{
				"metadata.namespace", "metadata.annotations['pv.kubernetes.io/bind-completed']", "spec.volumeName",
				"metadata.annotations['pv.kubernetes.io/bound-by-controller']",
				"metadata.annotations['volume.kubernetes.io/selected-node']",
			},
		},
		"claim that waits for a volume": {
			reason: "the node that was chosen may not exist here",
			kind:   kind("persistentvolumeclaims"),
			object: `{"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}, "spec": {}}`,
			want:   `{"metadata": {"annotations": {}}, "spec": {}}`,
			paths:  []string{"metadata.annotations['volume.kubernetes.io/selected-node']"},
		},
		"service": {
			kind: kind("services"),
			object: `{"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
				"ipFamilies": ["IPv4"], "ports": [{"port": 80}, {"port": 81, "nodePort": 30001}], "healthCheckNodePort": 30002,
				"loadBalancerIP": "1.2.3.4", "externalIPs": ["1.2.3.5"], "selector": {"app": "a"}},
				"status": {"loadBalancer": {}}}`,
			want: `{"spec": {"type": "LoadBalancer",
				"ipFamilies": ["IPv4"], "ports": [{"port": 80}, {"port": 81}],
				"loadBalancerIP": "1.2.3.4", "externalIPs": ["1.2.3.5"], "selector": {"app": "a"}}}`,
			paths: []string{
				"status", "spec.clusterIP", "spec.clusterIPs", "spec.ports[1].nodePort", "spec.healthCheckNodePort",
			},
		},
		"service with its address": {
			options: transform.Options{PreserveClusterIPs: true}, kind: kind("services"),
			object: `{"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"nodePort": 30001}]}}`,
			want:   `{"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{}]}}`,
			paths:  []string{"spec.ports[0].nodePort"},
		},
		"service with its ports": {
			options: transform.Options{PreserveNodePorts: true}, kind: kind("services"),
			object: `{"spec": {"clusterIP": "10.0.0.1", "healthCheckNodePort": 30002, "ports": [{"nodePort": 30001}]}}`,
			want:   `{"spec": {"healthCheckNodePort": 30002, "ports": [{"nodePort": 30001}]}}`,
			paths:  []string{"spec.clusterIP"},
		},
		"service that prefers two families": {
			reason: "a cluster with one family refuses the second, and one with two adds it",
			kind:   kind("services"),
			object: `{"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilyPolicy": "PreferDualStack",
				"ipFamilies": ["IPv4", "IPv6"]}}`,
			want:  `{"spec": {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]}}`,
			paths: []string{"spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies"},
		},
		"service that must have two families": {
			reason: "a cluster that cannot give them says so",
			kind:   kind("services"),
			object: `{"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilyPolicy": "RequireDualStack",
				"ipFamilies": ["IPv4", "IPv6"]}}`,
			want:  `{"spec": {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}}`,
			paths: []string{"spec.clusterIP", "spec.clusterIPs"},
		},
		"service with its two addresses": {
			options: transform.Options{PreserveClusterIPs: true}, kind: kind("services"),
			object: `{"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilyPolicy": "PreferDualStack",
				"ipFamilies": ["IPv4", "IPv6"]}}`,
			want: `{"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilyPolicy": "PreferDualStack",
				"ipFamilies": ["IPv4", "IPv6"]}}`,
		},
		"headless service": {
			kind:   kind("services"),
			object: `{"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}`,
			want:   `{"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}`,
		},
		"service that is a name": {
			kind:   kind("services"),
			object: `{"spec": {"type": "ExternalName", "externalName": "example.org", "ports": [{"port": 1, "nodePort": 2}]}}`,
			want:   `{"spec": {"type": "ExternalName", "externalName": "example.org", "ports": [{"port": 1, "nodePort": 2}]}}`,
		},
		"job whose labels are those of its template": {
			reason: "the API server writes all of them again, in both places",
			kind:   kind("jobs.batch"),
			object: `{"metadata": {"name": "a", "labels": {"batch.kubernetes.io/controller-uid": "1", "controller-uid": "1",
					"batch.kubernetes.io/job-name": "a", "job-name": "a"}},
				"spec": {"manualSelector": false,
				"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "1"}},
				"template": {"metadata": {"labels": {"batch.kubernetes.io/controller-uid": "1", "controller-uid": "1",
					"batch.kubernetes.io/job-name": "a", "job-name": "a"}}}}}`,
			want: `{"metadata": {"name": "a"},
				"spec": {"manualSelector": false, "selector": {"matchLabels": {}}, "template": {"metadata": {"labels": {}}}}}`,
			paths: []string{
				"metadata.labels",
				"spec.selector.matchLabels['batch.kubernetes.io/controller-uid']",
				"spec.template.metadata.labels['batch.kubernetes.io/controller-uid']",
				"spec.template.metadata.labels.controller-uid",
				"spec.template.metadata.labels['batch.kubernetes.io/job-name']",
				"spec.template.metadata.labels.job-name",
			},
		},
		"job with labels of its own": {
			kind: kind("jobs.batch"),
			object: `{"metadata": {"labels": {"team": "a", "job-name": "a", "controller-uid": "1"}}, "spec": {
				"selector": {"matchLabels": {"controller-uid": "1"}},
				"template": {"metadata": {"labels": {"app": "a", "controller-uid": "1", "job-name": "a"}}, "spec": {}}}}`,
			want: `{"metadata": {"labels": {"team": "a", "job-name": "a"}}, "spec": {
				"selector": {"matchLabels": {}}, "template": {"metadata": {"labels": {"app": "a"}}, "spec": {}}}}`,
			paths: []string{
				"metadata.labels.controller-uid", "spec.selector.matchLabels.controller-uid",
				"spec.template.metadata.labels.controller-uid", "spec.template.metadata.labels.job-name",
			},
		},
		"job with a selector of its own": {
			kind: kind("jobs.batch"),
			object: `{"metadata": {"labels": {"controller-uid": "1"}}, "spec": {"manualSelector": true,
				"selector": {"matchLabels": {"controller-uid": "1"}},
				"template": {"metadata": {"labels": {"controller-uid": "1"}}}}}`,
			want: `{"metadata": {"labels": {"controller-uid": "1"}}, "spec": {"manualSelector": true,
				"selector": {"matchLabels": {"controller-uid": "1"}},
				"template": {"metadata": {"labels": {"controller-uid": "1"}}}}}`,
		},
		"pod": {
			reason: "the mounted token stays, so that admission adds no other one",
			kind:   kind("pods"),
			object: `{"spec": {"nodeName": "n1", "nodeSelector": {"disk": "fast"}, "priority": 10, "priorityClassName": "high",
				"preemptionPolicy": "PreemptLowerPriority", "overhead": {"cpu": "1m"}, "runtimeClassName": "r",
				"ephemeralContainers": [{"name": "debug"}], "serviceAccountName": "a",
				"containers": [{"volumeMounts": [{"name": "kube-api-access-x"}]}],
				"volumes": [{"name": "kube-api-access-x", "projected": {}}]}, "status": {"phase": "Running"}}`,
			want: `{"spec": {"nodeSelector": {"disk": "fast"}, "priorityClassName": "high", "runtimeClassName": "r",
				"serviceAccountName": "a", "containers": [{"volumeMounts": [{"name": "kube-api-access-x"}]}],
				"volumes": [{"name": "kube-api-access-x", "projected": {}}]}}`,
			paths: []string{
				"status", "spec.nodeName", "spec.priority", "spec.preemptionPolicy", "spec.overhead", "spec.ephemeralContainers",
			},
		},
		"pod template": {
			reason: "what holds for pods is not for the templates of them",
			kind:   kind("deployments.apps"),
			object: `{"spec": {"template": {"spec": {"nodeName": "n1", "priority": 1, "overhead": {"cpu": "1m"}}}}}`,
			want:   `{"spec": {"template": {"spec": {"nodeName": "n1", "priority": 1, "overhead": {"cpu": "1m"}}}}}`,
		},
		"pod group": {
			kind:   kind("podgroups.scheduling.k8s.io"),
			object: `{"spec": {"priority": 10, "priorityClassName": "high"}}`,
			want:   `{"spec": {"priorityClassName": "high"}}`,
			paths:  []string{"spec.priority"},
		},
		"token of a service account": {
			kind: kind("secrets"),
			object: `{"type": "kubernetes.io/service-account-token", "metadata": {"annotations": {
				"kubernetes.io/service-account.name": "a", "kubernetes.io/service-account.uid": "1"}},
				"data": {"token": "eA==", "ca.crt": "eA==", "namespace": "eA==", "mine": "eA=="}}`,
			want: `{"type": "kubernetes.io/service-account-token", "metadata": {"annotations": {
				"kubernetes.io/service-account.name": "a"}}, "data": {"mine": "eA=="}}`,
			paths: []string{
				"metadata.annotations['kubernetes.io/service-account.uid']", "data.token", "data['ca.crt']", "data.namespace",
			},
		},
		"other secret": {
			kind: kind("secrets"),
			object: `{"type": "Opaque", "metadata": {"annotations": {"kubernetes.io/service-account.uid": "1"}},
				"data": {"token": "eA==", "ca.crt": "eA==", "namespace": "eA=="}}`,
			want: `{"type": "Opaque", "metadata": {"annotations": {"kubernetes.io/service-account.uid": "1"}},
				"data": {"token": "eA==", "ca.crt": "eA==", "namespace": "eA=="}}`,
		},
		"service account": {
			reason: "its secrets are names, and come back under them",
			kind:   kind("serviceaccounts"),
			object: `{"metadata": {"name": "a"}, "secrets": [{"name": "a-token-x"}], "imagePullSecrets": [{"name": "b"}]}`,
			want:   `{"metadata": {"name": "a"}, "secrets": [{"name": "a-token-x"}], "imagePullSecrets": [{"name": "b"}]}`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkApply(t, transform.New(test.options), test.kind, [2]string{test.object, test.want}, test.paths)
		})
	}
}
