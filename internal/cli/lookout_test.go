package cli_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// quiet is after which time without news the commands of these tests look for the manager.
const quiet = 100 * time.Millisecond

// renewEvery is the time between two renewals of a lease.
const renewEvery = 100 * time.Millisecond

// TestNoManager: every command that waits says once that nobody works, and goes on waiting.
func TestNoManager(t *testing.T) {
	kept := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Finalizers: []string{"kahu.io/test"}}
	}
	for _, object := range []client.Object{
		&kahuv1.Backup{ObjectMeta: kept("idle"), Spec: kahuv1.BackupSpec{MetadataLocation: "default"}},
		&kahuv1.Restore{ObjectMeta: kept("idle"), Spec: kahuv1.RestoreSpec{BackupName: "idle"}},
		&kahuv1.BackupLocation{ObjectMeta: kept("idle"), Spec: kahuv1.BackupLocationSpec{ProviderName: "filesystem"}},
	} {
		put(t, object, func() {})
		t.Cleanup(func() {
			released := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
			if err := newClient(t).Patch(context.WithoutCancel(t.Context()), object, released); client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		})
	}
	ended := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "ended"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"}}
	put(t, ended, func() {
		ended.Status = kahuv1.BackupStatus{Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted, LastBackup: stale(1)}
	})
	planned := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "planned"}, Spec: kahuv1.RestoreSpec{BackupName: "ended", DryRun: true}}
	put(t, planned, func() {
		planned.Status = kahuv1.RestoreStatus{
			Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted, ReportPath: "report", Preview: &kahuv1.RestorePreview{PlanPath: "plan"},
		}
	})
	putLocation(t, "default")
	remove(t, &kahuv1.Backup{}, "begun")
	remove(t, &kahuv1.Restore{}, "begun")
	remove(t, &kahuv1.BackupLocation{}, "begun")
	for _, command := range []string{
		"backup create begun --location default --wait", "restore create begun --backup idle --wait",
		"location create begun --provider filesystem --wait",
		"backup verify idle --wait", "backup cancel idle --wait", "restore undo idle --dry-run", "restore cancel idle --wait",
		"backup logs ended", "restore logs planned", "backup describe ended --all", "restore describe planned --all",
		"restore plan planned", "backup diff ended idle",
		"backup delete idle --wait", "restore delete idle --wait", "location delete idle --wait",
	} {
		t.Run(command, func(t *testing.T) {
			done := runQuiet(t, cluster.Kubeconfig(t), quiet, append(strings.Fields(command), "--timeout", "2s")...)
			want := 4
			if strings.Contains(command, "diff") {
				want = 2
			}
			if said := strings.Count(done.err, "no manager holds the lease kahu-system/kahu-manager, so nothing is being done"); said != 1 || done.code != want {
				t.Errorf("it was said %d times, code %d, %v: %q", said, done.code, done.failure, done.err)
			}
		})
	}
}

// TestLeaseOfManager: what is said of a lease that is there.
func TestLeaseOfManager(t *testing.T) {
	to, namespace := kubernetes.NewForConfigOrDie(cluster.Config(t)), cluster.Namespace(t)
	leases := to.CoordinationV1().Leases(namespace)
	now := time.Now().UTC().Truncate(time.Second) //nolint:forbidigo // The times of a lease are compared with the clock of the command.
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: kahuv1.ManagerLeaseName}}
	write := func(ctx context.Context, holder string, renewed time.Time) {
		lease.Spec = coordinationv1.LeaseSpec{
			HolderIdentity: &holder, RenewTime: &metav1.MicroTime{Time: renewed}, LeaseDurationSeconds: new(int32(15)),
		}
		updated, err := leases.Update(ctx, lease, metav1.UpdateOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		lease = updated
	}
	created, err := leases.Create(t.Context(), lease, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lease = created
	put(t, &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "leased"}, Spec: kahuv1.BackupLocationSpec{ProviderName: "x"}}, func() {})
	remove(t, &kahuv1.Backup{}, "leased")
	put(t, &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "leased"}, Spec: kahuv1.BackupSpec{MetadataLocation: "leased"}}, func() {})
	wait := func(t *testing.T, quiet time.Duration) string {
		t.Helper()
		return runQuiet(t, cluster.Kubeconfig(t), quiet, "backup", "cancel", "leased", "--wait", "--timeout", "3s", "--namespace", namespace).err
	}
	gone := "no manager holds the lease " + namespace + "/kahu-manager any more since " + now.Format(time.RFC3339)
	t.Run("given back", func(t *testing.T) {
		write(t.Context(), "", now)
		if got := wait(t, quiet); !strings.Contains(got, gone) {
			t.Errorf("got %q, want %q", got, gone)
		}
	})
	t.Run("not renewed", func(t *testing.T) {
		write(t.Context(), "manager", now)
		if got := wait(t, quiet); !strings.Contains(got, gone) {
			t.Errorf("got %q, want %q", got, gone)
		}
	})
	t.Run("renewed, by a clock that is behind", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			renewal := time.NewTicker(renewEvery)
			defer renewal.Stop()
			for at := now; ctx.Err() == nil; at = at.Add(time.Millisecond) {
				write(context.WithoutCancel(ctx), "manager", at)
				<-renewal.C
			}
		}()
		got := wait(t, 10*renewEvery) // Long enough for a renewal on any machine.
		stop()
		<-ended
		if strings.Contains(got, "no manager") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("of the future, so that it is not over by the clock", func(t *testing.T) {
		write(t.Context(), "manager", now.Add(24*time.Hour))
		if got := wait(t, quiet); strings.Contains(got, "no manager") {
			t.Errorf("got %q", got)
		}
	})
}

// TestLeaseThatMayNotBeRead: who may not know whether there is a manager hears nothing of it.
func TestLeaseThatMayNotBeRead(t *testing.T) {
	to := kubernetes.NewForConfigOrDie(cluster.Config(t)).RbacV1()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "without-leases"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{kahuv1.GroupVersion.Group}, Resources: []string{"*"}, Verbs: []string{"*"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "without-leases"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "anna"}},
	}
	if _, err := to.ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := to.ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range []error{
			to.ClusterRoleBindings().Delete(context.WithoutCancel(t.Context()), binding.Name, metav1.DeleteOptions{}),
			to.ClusterRoles().Delete(context.WithoutCancel(t.Context()), role.Name, metav1.DeleteOptions{}),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	config, err := clientcmd.LoadFromFile(cluster.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = "anna"
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		t.Fatal(err)
	}
	putLocation(t, "default")
	remove(t, &kahuv1.Backup{}, "annas")
	done := runQuiet(t, kubeconfig, quiet, "backup", "create", "annas", "--location", "default", "--wait", "--timeout", "2s")
	if done.code != 4 || strings.Contains(done.err, "manager") {
		t.Errorf("code %d, %v: %q", done.code, done.failure, done.err)
	}
}
