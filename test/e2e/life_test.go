package e2e_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// selectionCase is a wish and what must, and must not, be in its backup. In both lists NS stands for the namespace of
// the application, OTHER for another one.
type selectionCase struct {
	change   func(spec *kahuv1.BackupSpec, namespace string)
	has      []string
	lacks    []string
	exactly  bool // nothing but has is in it
	warnings int64
}

func selectionCases() map[string]selectionCase {
	return map[string]selectionCase{
		"DeploymentAloneBringsWhatItNeeds": {
			change: func(spec *kahuv1.BackupSpec, namespace string) {
				spec.IncludeNamespaces = []string{namespace}
				spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "Deployment"}}
			},
			has: []string{
				"deployments.apps NS/web", "configmaps NS/settings", "secrets NS/credentials", "serviceaccounts NS/runner",
				"persistentvolumeclaims NS/data", "persistentvolumes /NS", "storageclasses.storage.k8s.io /NS", "namespaces /NS",
			},
			exactly: true, warnings: 1,
		},
		"CustomResourceBringsItsDefinition": {
			change: func(spec *kahuv1.BackupSpec, namespace string) {
				spec.IncludeNamespaces = []string{namespace}
				spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "widgets.life.kahu.test"}}
			},
			has: []string{
				"widgets.life.kahu.test NS/one", "customresourcedefinitions.apiextensions.k8s.io /widgets.life.kahu.test", "namespaces /NS",
			},
			exactly: true,
		},
		"Namespace": {
			change: func(spec *kahuv1.BackupSpec, namespace string) { spec.IncludeNamespaces = []string{namespace} },
			has: []string{
				"configmaps NS/unrelated", "deployments.apps NS/web", "namespaces /NS", "persistentvolumes /NS",
				"customresourcedefinitions.apiextensions.k8s.io /widgets.life.kahu.test",
			},
			lacks:    []string{"configmaps OTHER/settings", "namespaces /OTHER", "namespaces /kube-system"},
			warnings: 1,
		},
		"WholeCluster": {
			has: []string{
				"configmaps NS/settings", "configmaps OTHER/settings", "namespaces /kube-system",
				"clusterroles.rbac.authorization.k8s.io /admin", "storageclasses.storage.k8s.io /NS", "backuplocations.kahu.io /main",
			},
			lacks: []string{
				"configmaps NS/kube-root-ca.crt", "backups.kahu.io ", "providers.kahu.io ", "events NS/",
				"customresourcedefinitions.apiextensions.k8s.io /backuplocations.kahu.io",
			},
			warnings: 1,
		},
		"Label": {
			change: func(spec *kahuv1.BackupSpec, namespace string) {
				spec.IncludeNamespaces = []string{namespace}
				spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "configmaps"}}
				spec.Label = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}
			},
			has: []string{"configmaps NS/labelled", "namespaces /NS"}, exactly: true,
		},
		"RegularExpression": {
			change: func(spec *kahuv1.BackupSpec, namespace string) {
				spec.IncludeNamespaces = []string{namespace}
				spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "cm", Name: "^(set|un)", IsRegex: true}}
			},
			has: []string{"configmaps NS/settings", "configmaps NS/unrelated", "namespaces /NS"}, exactly: true,
		},
		"ExcludedKindAndName": {
			change: func(spec *kahuv1.BackupSpec, namespace string) {
				spec.IncludeNamespaces = []string{namespace}
				spec.ExcludeResources = []kahuv1.ResourceFilter{
					{Kind: "secrets"}, {Kind: "ConfigMap", Name: "unrelated"}, {Kind: "persistentvolumeclaims"},
				}
			},
			has:   []string{"configmaps NS/settings", "deployments.apps NS/web"},
			lacks: []string{"configmaps NS/unrelated", "secrets NS/credentials", "persistentvolumeclaims NS/data"},
			// What the Deployment needs and the exclusion keeps out: a secret and a claim.
			warnings: 2,
		},
		"ExcludedNamespace": {
			change:   func(spec *kahuv1.BackupSpec, namespace string) { spec.ExcludeNamespaces = []string{namespace} },
			has:      []string{"configmaps OTHER/settings"},
			lacks:    []string{"configmaps NS/settings", "namespaces /NS"},
			warnings: 0,
		},
	}
}

func TestSelection(t *testing.T) {
	w := newWorld(t)
	other := testcluster.Namespace(t)
	namespace := w.deploy()
	w.claim(namespace)
	w.define("life.kahu.test")
	w.create(
		&corev1.ConfigMap{ObjectMeta: in(other, "settings")},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "labelled", Labels: map[string]string{"tier": "gold"},
		}},
		newWidget("life.kahu.test", namespace, "one"),
	)
	names := strings.NewReplacer("NS", namespace, "OTHER", other)
	for name, test := range selectionCases() {
		t.Run(name, func(t *testing.T) {
			w := w.during(t)
			backup := w.completedBackup(strings.ToLower(name), func(spec *kahuv1.BackupSpec) {
				spec.EnableVolumeBackup = new(false)
				if test.change != nil {
					test.change(spec, namespace)
				}
			})
			contents := w.contents(backup)
			if int64(len(contents)) != backup.Status.Counts.Objects {
				t.Errorf("the status counts %d objects, the index has %d", backup.Status.Counts.Objects, len(contents))
			}
			if backup.Status.Counts.Warnings != test.warnings || int64(len(backup.Status.Warnings)) != test.warnings {
				t.Errorf("there are %d warnings, wanted %d: %v", backup.Status.Counts.Warnings, test.warnings, backup.Status.Warnings)
			}
			for _, wanted := range test.has {
				if _, there := contents[names.Replace(wanted)]; !there {
					t.Errorf("%s is not in it", names.Replace(wanted))
				}
				delete(contents, names.Replace(wanted))
			}
			for object := range contents {
				lacked := slices.ContainsFunc(test.lacks, func(lack string) bool { return strings.HasPrefix(object, names.Replace(lack)) })
				if test.exactly || lacked {
					t.Errorf("%s is in it: %s", object, contents[object])
				}
			}
		})
	}
}

func TestBoundClaim(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	w.claim(namespace)
	only := func(spec *kahuv1.BackupSpec) { spec.IncludeNamespaces = []string{namespace} }

	incomplete := w.backUp("incomplete", only)
	status := incomplete.Status
	if status.State != kahuv1.StateFailed || reason(status.Conditions, kahuv1.ConditionComplete) != kahuv1.ReasonPartiallyFailed {
		t.Fatalf("the backup is %s: %+v", status.State, status.Conditions)
	}
	if len(status.Missing) != 1 || status.Missing[0].Reason != kahuv1.ReasonVolumeWithoutProvider ||
		status.Missing[0].Kind != "PersistentVolumeClaim" || status.Missing[0].Namespace != namespace || status.Missing[0].Name != "data" {
		t.Errorf("missing is %+v", status.Missing)
	}

	objects := w.completedBackup("objects", func(spec *kahuv1.BackupSpec) {
		only(spec)
		spec.EnableVolumeBackup = new(false)
	})
	if !strings.Contains(strings.Join(objects.Status.Warnings, " "), namespace+"/data") {
		t.Errorf("no warning names the claim: %v", objects.Status.Warnings)
	}

	refused := w.restore("refused", "incomplete", nil)
	if refused.Status.State != kahuv1.StateFailed ||
		reason(refused.Status.Conditions, kahuv1.ConditionReady) != kahuv1.ReasonBackupIncomplete ||
		!strings.Contains(strings.Join(refused.Status.ValidationErrors, " "), "spec.allowIncomplete") {
		t.Errorf("the restore is %s: %+v %v", refused.Status.State, refused.Status.Conditions, refused.Status.ValidationErrors)
	}
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	w.completedRestore("allowed", "incomplete", func(spec *kahuv1.RestoreSpec) { spec.AllowIncomplete = true })
	if !w.get(&appsv1.Deployment{ObjectMeta: in(namespace, "web")}) {
		t.Error("the deployment is not back")
	}
}

// during is the world for a part of a test.
func (w *world) during(t *testing.T) *world {
	t.Helper()
	return &world{api: &api{t: t, client: w.client}, location: w.location, store: w.store}
}
