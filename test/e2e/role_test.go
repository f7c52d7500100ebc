package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller"
	"github.com/soda-cdm/kahu/internal/manager"
	"github.com/soda-cdm/kahu/internal/pki"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// applyRoles applies what config/rbac says.
func applyRoles(t *testing.T, config *rest.Config, file string) {
	t.Helper()
	testcluster.Apply(t, config, filepath.Join(top, "config", "rbac", file))
}

// refusals keeps the calls that were forbidden.
type refusals struct {
	next  http.RoundTripper
	mutex sync.Mutex
	calls []string
}

// RoundTrip passes a call on.
func (r *refusals) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusForbidden {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.calls = append(r.calls, request.Method+" "+request.URL.Path)
	}
	return response, err
}

func (r *refusals) seen() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.calls)
}

// startRestricted runs a whole manager, which has the rights of its service account and no others.
func (w *world) startRestricted(config *rest.Config, stores *drivers) *refusals {
	w.t.Helper()
	folder := w.t.TempDir()
	authority, err := pki.LoadOrCreate(filepath.Join(folder, "ca"), clock.RealClock{})
	if err != nil {
		w.t.Fatal(err)
	}
	pair, err := authority.IssueClient("kahu-manager")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := pair.Write(filepath.Join(folder, "client")); err != nil {
		w.t.Fatal(err)
	}
	kept := &refusals{}
	account := testcluster.ImpersonatingAccount(config, kahuNamespace, "kahu-manager")
	ctx, stop := context.WithCancel(logr.NewContext(w.t.Context(), logr.Discard()))
	ended := make(chan error, 1)
	go func() {
		ended <- manager.Run(ctx, account, manager.Options{
			Version: "test", Namespace: kahuNamespace, PKI: filepath.Join(folder, "client"), HealthAddress: "0", MetricsAddress: "0",
			LeaderElection: true, LeaseDuration: manager.DefaultLeaseDuration, RenewDeadline: manager.DefaultRenewDeadline,
			RetryPeriod: manager.DefaultRetryPeriod, Runs: 2, RunsPerLocation: 2, LocationEvery: lookEvery, Patience: patience, KeepAnswers: time.Hour,
		}, manager.Hooks{
			Transport: func(next http.RoundTripper) http.RoundTripper {
				kept.next = next
				return kept
			},
			Options: func(options *controller.Options) { options.Stores = stores },
		})
	}()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("the manager ended: %v", err)
		}
	})
	return kept
}

// access are a role that gives more than the manager has, a binding of it, and what else needs a right of its own.
func access(namespace string) []client.Object {
	return []client.Object{
		&corev1.Secret{ObjectMeta: in(namespace, "password"), StringData: map[string]string{"a": "b"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "robot", Labels: map[string]string{"a": "b"}}},
		&rbacv1.Role{ObjectMeta: in(namespace, "all"), Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*", "impersonate"},
		}}},
		&rbacv1.RoleBinding{
			ObjectMeta: in(namespace, "all"),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "all"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "robot", Namespace: namespace}},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: in(namespace, "administrators"),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "robot", Namespace: namespace}},
		},
	}
}

// TestRoleOfManager: with the rights of config/rbac and no others a manager leads, backs up, answers, restores, writes over,
// recreates, takes back and deletes, and is refused nothing. Without the role for restores it backs up, and a restore says what
// was refused.
func TestRoleOfManager(t *testing.T) {
	config := testcluster.Config(t)
	stores := newDrivers(newMemory)
	w := &world{api: newAPI(t, config), location: "main", store: driverSide{t: t, files: stores.of("main")}}
	t.Cleanup(w.clear)
	w.register()
	applyRoles(t, config, "manager.yaml")
	restoring := &rbacv1.ClusterRoleBinding{ObjectMeta: named("kahu-manager-restore")}
	w.remove(restoring)
	refused := w.startRestricted(config, stores)
	w.newLocation("main", memoryProvider, nil)

	namespace := testcluster.Namespace(t)
	w.create(access(namespace)...)
	w.completedBackup("verified", only(namespace))
	verified := w.askToVerify("one", "")
	w.expectCondition(verified.Status.Conditions, kahuv1.ConditionVerified, metav1.ConditionTrue, kahuv1.ReasonVerified)
	if logs, code := w.run("backup", "logs", "verified"); code != 0 || logs == "" {
		t.Errorf("logs ended with %d: %q", code, logs)
	}
	if calls := refused.seen(); len(calls) > 0 {
		t.Errorf("without the role for restores were refused: %q", calls)
	}

	w.drop(access(namespace)...)
	denied := w.restore("denied", "verified", nil)
	if denied.Status.State != kahuv1.StateFailed || denied.Status.Counts.Created > 0 || !strings.Contains(fmt.Sprint(denied.Status.FailureReason, denied.Status.Failed), "cannot create") {
		t.Errorf("without the role for restores one is %+v", denied.Status)
	}

	applyRoles(t, config, "manager.yaml")
	before := len(refused.seen())
	w.completedRestore("allowed", "verified", nil)
	for _, object := range access(namespace) {
		if !w.get(object) {
			t.Errorf("%T %s did not come back", object, object.GetName())
		}
	}
	w.patch(&corev1.Secret{ObjectMeta: in(namespace, "password")}, `{"data":{"a":"eA=="}}`)
	w.completedRestore("updating", "verified", func(spec *kahuv1.RestoreSpec) { spec.ExistingResourcePolicy = kahuv1.ExistingResourcePolicyUpdate })
	w.patch(&corev1.Secret{ObjectMeta: in(namespace, "password")}, `{"data":{"a":"eA=="}}`)
	recreating := func(spec *kahuv1.RestoreSpec) { spec.ExistingResourcePolicy = kahuv1.ExistingResourcePolicyRecreate }
	w.completedRestore("looking", "verified", func(spec *kahuv1.RestoreSpec) {
		recreating(spec)
		spec.DryRun = true
	})
	w.completedRestore("recreating", "verified", recreating)
	w.completedRestore("copy", "verified", func(spec *kahuv1.RestoreSpec) {
		spec.NamespaceMapping = map[string]string{namespace: namespace + "-copy"}
	})
	undone(t, w.undo("copy", "one", false), metav1.ConditionTrue, kahuv1.ReasonUndone)
	w.remove(&kahuv1.Backup{ObjectMeta: named("verified")})
	w.awaitGone(&kahuv1.Backup{ObjectMeta: named("verified")})
	if calls := refused.seen()[before:]; len(calls) > 0 {
		t.Errorf("refused were: %q", calls)
	}
}

// TestRolesOfUsers: what each of the roles for people lets them do, and what not.
func TestRolesOfUsers(t *testing.T) {
	config := testcluster.Config(t)
	administrator := newAPI(t, config)
	applyRoles(t, config, "users.yaml")
	for role, can := range map[string][]string{
		"kahu-viewer":          nil,
		"kahu-backup-operator": {"backup", "inspection"},
		"kahu-administrator":   {"backup", "inspection", "restore", "location"},
	} {
		t.Run(role, func(t *testing.T) {
			binding := &rbacv1.ClusterRoleBinding{
				ObjectMeta: named("test-" + role), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role}},
			}
			administrator.create(binding)
			t.Cleanup(func() { administrator.drop(binding) })
			user := newAPI(t, testcluster.Impersonating(config, role))
			if err := user.client.List(t.Context(), &kahuv1.BackupList{}); err != nil {
				t.Errorf("looking: %v", err)
			}
			leader := client.ObjectKey{Namespace: kahuNamespace, Name: kahuv1.ManagerLeaseName}
			if err := user.client.Get(t.Context(), leader, &coordinationv1.Lease{}); client.IgnoreNotFound(err) != nil {
				t.Errorf("looking for the manager: %v", err)
			}
			if err := user.client.List(t.Context(), &corev1.SecretList{}); err == nil {
				t.Error("it reads Secrets")
			}
			for kind, object := range map[string]client.Object{
				"backup":     &kahuv1.Backup{ObjectMeta: named("by-user"), Spec: kahuv1.BackupSpec{MetadataLocation: "main"}},
				"restore":    &kahuv1.Restore{ObjectMeta: named("by-user"), Spec: kahuv1.RestoreSpec{BackupName: "x"}},
				"location":   &kahuv1.BackupLocation{ObjectMeta: named("by-user"), Spec: kahuv1.BackupLocationSpec{ProviderName: "x"}},
				"inspection": &kahuv1.Inspection{ObjectMeta: named("by-user"), Spec: kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, BackupName: "x"}},
			} {
				err := user.client.Create(t.Context(), object, client.DryRunAll)
				if (err == nil) != slices.Contains(can, kind) {
					t.Errorf("creating a %s: %v", kind, err)
				}
			}
		})
	}
}

// TestOperatorCannotDelete: who may change Backups, and not delete them, cannot have one deleted either.
func TestOperatorCannotDelete(t *testing.T) {
	config := testcluster.Config(t)
	w := newWorldIn(t, config, newDrivers(newMemory))
	applyRoles(t, config, "users.yaml")
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: named("test-operator"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "kahu-backup-operator"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "operator"}},
	}
	w.create(binding)
	t.Cleanup(func() { w.drop(binding) })
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.completedBackup("precious", only(namespace))
	operator := newAPI(t, testcluster.Impersonating(config, "operator"))
	precious := &kahuv1.Backup{ObjectMeta: named("precious")}
	if err := operator.client.Delete(t.Context(), precious.DeepCopy()); !apierrors.IsForbidden(err) {
		t.Errorf("deleting: %v", err)
	}
	orphan := client.RawPatch(types.MergePatchType, []byte(
		`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Namespace","name":"gone","uid":"00000000-0000-4000-8000-000000000001"}]}}`))
	w.eventually("the API server to apply the policy", func() bool {
		return apierrors.IsForbidden(operator.client.Patch(t.Context(), precious.DeepCopy(), orphan, client.DryRunAll))
	})
	if err := operator.client.Patch(t.Context(), precious.DeepCopy(), orphan); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "ownerReferences") {
		t.Errorf("giving it an owner that is gone: %v", err)
	}
	annotated := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"kahu.io/verify":"one"}}}`))
	if err := operator.client.Patch(t.Context(), precious.DeepCopy(), annotated); err != nil {
		t.Errorf("asking for a verification: %v", err)
	}
}
