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
		"LikeSystem": {"", "pods", `{"spec":{"priorityClassName":"system-of-ours"}}`, []string{"priorityclasses.scheduling.k8s.io system-of-ours"}},
		"LikeSystemClass": {
			"networking.k8s.io", "ingresses", `{"spec":{"ingressClassName":"system-ingress"}}`,
			[]string{"ingressclasses.networking.k8s.io system-ingress"},
		},
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
	quota := decoded(t, `{"status":{"hard":{"configmaps":"5","count/deployments.apps":"2","pods":"1k","services":"2k"},`+
		`"used":{"configmaps":"3","count/deployments.apps":"0","pods":"995","services":"1"}}}`)
	got := restoreplan.OverQuota(quota, map[schema.GroupResource]int64{
		{Resource: "configmaps"}: 3, {Group: "apps", Resource: "deployments"}: 2, {Resource: "pods"}: 7, {Resource: "secrets"}: 9,
		{Resource: "services"}: 1999,
	})
	want := []string{
		"configmaps: 3 are used of 5, and 3 more are to be created", "pods: 995 are used of 1k, and 7 more are to be created",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestIsDefaultClass(t *testing.T) {
	for annotation, want := range map[string]bool{
		"storageclass.kubernetes.io/is-default-class": true, "storageclass.beta.kubernetes.io/is-default-class": true,
		"ingressclass.kubernetes.io/is-default-class": false,
	} {
		for value, isTrue := range map[string]bool{"true": true, "false": false} {
			class := decoded(t, `{"metadata":{"annotations":{"`+annotation+`":"`+value+`"}}}`)
			if got := restoreplan.IsDefaultClass(class); got != (want && isTrue) {
				t.Errorf("%s: %s is taken for the default: %t", annotation, value, got)
			}
		}
	}
}
