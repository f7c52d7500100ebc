package restoreplan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

func TestNeeds(t *testing.T) {
	cases := map[string]struct {
		group, resource, object string
		want                    []string
	}{
		"Claim":        {"", "persistentvolumeclaims", `{"spec":{"storageClassName":"fast"}}`, []string{"storageclasses.storage.k8s.io fast"}},
		"DefaultClaim": {"", "persistentvolumeclaims", `{"spec":{}}`, []string{"a default of storageclasses.storage.k8s.io"}},
		"NoClass":      {"", "persistentvolumeclaims", `{"spec":{"storageClassName":""}}`, nil},
		"BoundClaim":   {"", "persistentvolumeclaims", `{"spec":{"storageClassName":"fast","volumeName":"v"}}`, nil},
		"Ingress":      {"networking.k8s.io", "ingresses", `{"spec":{"ingressClassName":"nginx"}}`, []string{"ingressclasses.networking.k8s.io nginx"}},
		"Pod": {
			"", "pods", `{"spec":{"priorityClassName":"high","runtimeClassName":"gvisor"}}`,
			[]string{"priorityclasses.scheduling.k8s.io high", "runtimeclasses.node.k8s.io gvisor"},
		},
		"SystemPod":  {"", "pods", `{"spec":{"priorityClassName":"system-node-critical"}}`, nil},
		"Deployment": {"apps", "deployments", `{"spec":{"template":{"spec":{"priorityClassName":"high"}}}}`, []string{"priorityclasses.scheduling.k8s.io high"}},
		"CronJob": {
			"batch", "cronjobs", `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"priorityClassName":"high"}}}}}}`,
			[]string{"priorityclasses.scheduling.k8s.io high"},
		},
		"StatefulSet": {
			"apps", "statefulsets", `{"spec":{"volumeClaimTemplates":[{"spec":{"storageClassName":"fast"}}],"template":{"spec":{"runtimeClassName":"r"}}}}`,
			[]string{"storageclasses.storage.k8s.io fast", "runtimeclasses.node.k8s.io r"},
		},
		"Nothing": {"", "configmaps", `{"data":{}}`, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, need := range restoreplan.Needs(core.Kind{Group: tc.group, Resource: tc.resource}, decoded(t, tc.object)) {
				got = append(got, need.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOverQuota(t *testing.T) {
	quota := decoded(t, `{"status":{"hard":{"configmaps":"5","count/deployments.apps":"2","pods":"1k"},`+
		`"used":{"configmaps":"3","count/deployments.apps":"0"}}}`)
	got := restoreplan.OverQuota(quota, map[schema.GroupResource]int64{
		{Resource: "configmaps"}: 3, {Group: "apps", Resource: "deployments"}: 2, {Resource: "pods"}: 7, {Resource: "secrets"}: 9,
	})
	want := []string{"configmaps: 3 are used of 5, and 3 more are to be created"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
