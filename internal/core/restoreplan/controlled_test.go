package restoreplan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

func TestControlled(t *testing.T) {
	t.Parallel()
	const (
		deployment = "deployments.apps shop/web"
		replicaSet = "replicasets.apps shop/web-1"
		stateful   = "statefulsets.apps shop/db"
		daemon     = "daemonsets.apps shop/log"
		job        = "jobs.batch shop/tidy-1"
		cron       = "cronjobs.batch shop/tidy"
		pod        = "pods shop/web-1-a"
		service    = "services shop/web"
	)
	endpoints := map[string]string{"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
	cases := map[string]struct {
		reason string
		things []thing
		want   []string
	}{
		"deployment": {
			reason: "what it owns is made again, down to the pods",
			things: []thing{
				{what: deployment},
				{what: replicaSet, owners: []string{"!" + deployment}},
				{what: pod, owners: []string{"!" + replicaSet}},
			},
			want: []string{pod, replicaSet},
		},
		"replica set without its deployment": {
			reason: "it is created, and makes its pods",
			things: []thing{
				{what: replicaSet, owners: []string{"!" + deployment}},
				{what: pod, owners: []string{"!" + replicaSet}},
			},
			want: []string{pod},
		},
		"pod without its replica set": {
			things: []thing{{what: deployment}, {what: pod, owners: []string{"!" + replicaSet}}},
		},
		"pod alone":                         {things: []thing{{what: pod}}},
		"owner that is not the controller":  {things: []thing{{what: replicaSet}, {what: pod, owners: []string{replicaSet}}}},
		"owner in another namespace":        {things: []thing{{what: "replicasets.apps a/b"}, {what: pod, owners: []string{"!replicasets.apps a/b"}}}},
		"replica set of a foreign rollout":  {things: []thing{{what: "rollouts.x.org shop/web"}, {what: replicaSet, owners: []string{"!rollouts.x.org shop/web"}}}},
		"pod of a foreign kind called jobs": {things: []thing{{what: "jobs.x.org shop/a"}, {what: pod, owners: []string{"!jobs.x.org shop/a"}}}},
		"workloads": {
			things: []thing{
				{what: stateful},
				{what: daemon},
				{what: cron},
				{what: "replicationcontrollers shop/old"},
				{what: "pods shop/db-0", owners: []string{"!" + stateful}},
				{what: "pods shop/log-x", owners: []string{"!" + daemon}},
				{what: "pods shop/old-x", owners: []string{"!replicationcontrollers shop/old"}},
				{what: "controllerrevisions.apps shop/db-1", owners: []string{"!" + stateful}},
				{what: "controllerrevisions.apps shop/log-1", owners: []string{"!" + daemon}},
				{what: job, owners: []string{"!" + cron}},
				{what: "pods shop/tidy-1-a", owners: []string{"!" + job}},
				{what: "controllerrevisions.apps shop/alone"},
			},
			want: []string{
				"pods shop/db-0", "pods shop/log-x", "pods shop/old-x", "pods shop/tidy-1-a",
				"controllerrevisions.apps shop/db-1", "controllerrevisions.apps shop/log-1", job,
			},
		},
		"job without its cron job": {
			things: []thing{{what: job, owners: []string{"!" + cron}}, {what: "pods shop/a", owners: []string{"!" + job}}},
			want:   []string{"pods shop/a"},
		},
		"endpoints of a service": {
			things: []thing{{what: service}, {what: "endpoints shop/web", labels: endpoints}},
			want:   []string{"endpoints shop/web"},
		},
		"endpoints of a service in another namespace": {
			things: []thing{{what: service}, {what: "endpoints other/web", labels: endpoints}},
		},
		"endpoints made by hand": {
			reason: "nobody makes them again",
			things: []thing{{what: service}, {what: "endpoints shop/web"}},
		},
		"endpoints of a service that is not there": {
			things: []thing{{what: "endpoints shop/web", labels: endpoints}},
		},
		"slices": {
			things: []thing{
				{what: service},
				{what: "endpoints shop/hand"},
				{what: "endpointslices.discovery.k8s.io shop/web-a", owners: []string{"!" + service}},
				{what: "endpointslices.discovery.k8s.io shop/hand-a", owners: []string{"!endpoints shop/hand"}},
				{what: "endpointslices.discovery.k8s.io shop/alone"},
				{what: "endpointslices.discovery.k8s.io shop/gone", owners: []string{"!services shop/gone"}},
			},
			want: []string{
				"endpointslices.discovery.k8s.io shop/hand-a", "endpointslices.discovery.k8s.io shop/web-a",
			},
		},
		"slices of endpoints that are made for a service": {
			things: []thing{
				{what: service},
				{what: "endpoints shop/web", labels: endpoints},
				{what: "endpointslices.discovery.k8s.io shop/web-a", owners: []string{"!endpoints shop/web"}},
			},
			want: []string{"endpoints shop/web", "endpointslices.discovery.k8s.io shop/web-a"},
		},
		"certificates of the cluster": {
			things: []thing{
				{what: "configmaps shop/kube-root-ca.crt"},
				{what: "configmaps shop/mine"},
				{what: "secrets shop/kube-root-ca.crt"},
			},
			want: []string{"configmaps shop/kube-root-ca.crt"},
		},
		"API services": {
			things: []thing{
				{
					what:   "apiservices.apiregistration.k8s.io v1.x.org",
					labels: map[string]string{"kube-aggregator.kubernetes.io/automanaged": "true"},
				},
				{
					what:   "apiservices.apiregistration.k8s.io v1.apps",
					labels: map[string]string{"kube-aggregator.kubernetes.io/automanaged": "onstart"},
				},
				{what: "apiservices.apiregistration.k8s.io v1.y.org"},
			},
			want: []string{"apiservices.apiregistration.k8s.io v1.apps", "apiservices.apiregistration.k8s.io v1.x.org"},
		},
		"static pod": {
			things: []thing{{what: "pods kube-system/etcd-n1", owners: []string{"!nodes n1"}}},
			want:   []string{"pods kube-system/etcd-n1"},
		},
		"pod that a node owns in another way": {
			things: []thing{{what: "pods kube-system/a", owners: []string{"nodes n1"}}},
		},
		"order": {
			reason: "that of the keys: a slash comes after a dash",
			things: []thing{
				{what: "configmaps a/kube-root-ca.crt"},
				{what: "configmaps ab/kube-root-ca.crt"},
				{what: "configmaps a-b/kube-root-ca.crt"},
			},
			want: []string{
				"configmaps a-b/kube-root-ca.crt", "configmaps a/kube-root-ca.crt", "configmaps ab/kube-root-ca.crt",
			},
		},
		"claims of pods": {
			reason: "the ephemeral volume is made with the pod, the claim of a stateful set is not",
			things: []thing{
				{what: "pods shop/a"},
				{what: "persistentvolumeclaims shop/a-scratch", owners: []string{"!pods shop/a"}},
				{what: "persistentvolumeclaims shop/data-a", owners: []string{"!pods shop/a"}},
				{what: "resourceclaims.resource.k8s.io shop/a-gpu-x", owners: []string{"!pods shop/a"}},
			},
			want: []string{"persistentvolumeclaims shop/a-scratch", "resourceclaims.resource.k8s.io shop/a-gpu-x"},
		},
		"claims of a stateful set": {
			things: []thing{{what: stateful}, {what: "persistentvolumeclaims shop/data-db-0", owners: []string{"!" + stateful}}},
		},
		"groups of pods": {
			things: []thing{
				{what: job},
				{what: "workloads.scheduling.k8s.io shop/w", owners: []string{"!" + job}},
				{what: "podgroups.scheduling.k8s.io shop/g", owners: []string{"!workloads.scheduling.k8s.io shop/w"}},
			},
			want: []string{"podgroups.scheduling.k8s.io shop/g", "workloads.scheduling.k8s.io shop/w"},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(t, test.things...)
			if diff := cmp.Diff(test.want, describe(plan.Skipped)); diff != "" {
				t.Errorf("%s: skipped (-want +got):\n%s", test.reason, diff)
			}
			for _, item := range plan.Skipped {
				if item.Action != restoreplan.SkipControlled || item.Reason == "" {
					t.Errorf("%s is skipped as %s because %q", item.Key(), item.Action, item.Reason)
				}
			}
		})
	}
}
