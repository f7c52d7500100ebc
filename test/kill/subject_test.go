package kill_test

import (
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// subject is what a campaign is about: one run of it at a time.
type subject struct {
	name string
	// creates tells that each run has every object of the application created once in its target, if only by prepare.
	creates bool
	// resembles tells that most of its calls are those of another subject, which was disturbed at all of them.
	resembles bool
	// replaces tells that what prepare made is deleted, and created once more.
	replaces bool
	// concerns, if it is set, are the kinds of objects of which it is disturbed at one call of each sort, and at no other, unless
	// everything is asked for.
	concerns []string
	// prepare makes what the run needs, with a manager at work. It may be nil.
	prepare func(w *world, name string)
	// begin asks for the run.
	begin func(w *world, name string)
	// over tells whether the run has ended.
	over func(w *world, name string) bool
	// judge waits for its end, and returns what is wrong, and how it ended.
	judge func(w *world, name string) (wrong []string, ended string)
	// clear takes away what the run has made, with a manager at work, and returns what is left of it. It may be nil.
	clear func(w *world, name string) []string
}

// never is how a run ended that did not in time.
const never = "never"

// backups are runs of a Backup.
func backups(want map[string]string) subject {
	return subject{
		name: "backup",
		begin: func(w *world, name string) {
			w.t.Helper()
			w.create(w.backup(name))
		},
		over: func(w *world, name string) bool {
			backup := &kahuv1.Backup{}
			err := w.client.Get(w.t.Context(), client.ObjectKey{Name: name}, backup)
			return err == nil && backup.Status.Stage == kahuv1.StageFinished
		},
		judge: func(w *world, name string) ([]string, string) {
			w.t.Helper()
			backup, ended := w.awaitBackup(name)
			if !ended {
				return []string{fmt.Sprintf("it does not end: %+v", backup.Status)}, never
			}
			if backup.Status.State != kahuv1.StateCompleted {
				return failed(string(backup.Status.State), backup.Status.FailureReason)
			}
			return w.compare(backup, want), completed(backup.Status.Interruptions)
		},
	}
}

// deletions are deletions of a Backup.
func deletions() subject {
	return subject{
		name: "delete",
		prepare: func(w *world, name string) {
			w.t.Helper()
			w.create(w.backup(name))
			if backup, ended := w.awaitBackup(name); !ended || backup.Status.State != kahuv1.StateCompleted {
				w.t.Fatalf("backup %s: %+v", name, backup.Status)
			}
		},
		begin: func(w *world, name string) {
			w.t.Helper()
			if err := w.client.Delete(w.t.Context(), w.backup(name)); err != nil {
				w.t.Fatal(err)
			}
		},
		over: func(w *world, name string) bool {
			return apierrors.IsNotFound(w.client.Get(w.t.Context(), client.ObjectKey{Name: name}, &kahuv1.Backup{}))
		},
		judge: func(w *world, name string) ([]string, string) {
			w.t.Helper()
			backup, gone := await(w, &kahuv1.BackupList{}, w.backup(name), func(_ *kahuv1.Backup, gone bool) bool { return gone })
			if !gone {
				return []string{fmt.Sprintf("it is not deleted: %+v", backup.Status)}, never
			}
			var left []string
			for _, file := range w.names() {
				if strings.Contains(file, "/"+name+"/") {
					left = append(left, "a file of the deleted backup: "+file)
				}
			}
			return left, "deleted"
		},
	}
}

// restores are runs of a Restore into a namespace of their own.
func restores() subject { return restoring("restore", kahuv1.ExistingResourcePolicySkip, nil) }

// updates are runs of a Restore into a namespace of their own in which some objects are, others than those of the backup.
// They are changed and not replaced.
func updates() subject {
	made := restoring("update", kahuv1.ExistingResourcePolicyUpdate, (*world).makeOthers)
	made.resembles = true
	return made
}

// recreations are the same, and what is there is replaced.
func recreations() subject {
	made := restoring("recreate", kahuv1.ExistingResourcePolicyRecreate, (*world).makeOthers)
	made.resembles, made.replaces = true, true
	return made
}

// restoring are runs of a Restore with a policy for what is there, which prepare makes, if it is set.
func restoring(called string, policy kahuv1.ExistingResourcePolicy, prepare func(w *world, name string)) subject {
	return subject{
		name: called, creates: true, prepare: prepare,
		begin: func(w *world, name string) {
			w.t.Helper()
			w.create(&kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{
				BackupName: "base", NamespaceMapping: map[string]kahuv1.NamespaceName{w.app: w.target(name)}, ExistingResourcePolicy: policy,
			}})
		},
		over: func(w *world, name string) bool {
			restore := &kahuv1.Restore{}
			err := w.client.Get(w.t.Context(), client.ObjectKey{Name: name}, restore)
			return err == nil && restore.Status.Stage == kahuv1.StageFinished
		},
		judge: func(w *world, name string) ([]string, string) {
			w.t.Helper()
			restore, ended := w.awaitRestore(name)
			if !ended {
				return []string{fmt.Sprintf("it does not end: %+v", restore.Status)}, never
			}
			if restore.Status.State != kahuv1.StateCompleted {
				w.t.Logf("%s: %+v", name, restore.Status.Failed)
				return failed(string(restore.Status.State), restore.Status.FailureReason)
			}
			var wrong []string
			if diff := cmp.Diff(w.live(w.app), w.live(w.target(name))); diff != "" {
				wrong = append(wrong, "what was restored is not what was backed up: "+diff)
			}
			counts := restore.Status.Counts
			if counts.Failed > 0 || prepare == nil && counts.SkippedExisting > 0 {
				wrong = append(wrong, fmt.Sprintf("nothing was in its way, and it says %+v", counts))
			}
			if stay := w.stay(name); len(stay) != stayed(policy, w.others[name]) {
				wrong = append(wrong, fmt.Sprintf("of what was there, %v, is there still %v", w.others[name], stay))
			}
			return wrong, completed(restore.Status.Interruptions)
		},
	}
}

// makeOthers makes one object of most kinds of the application in the target of a restore, with other contents.
func (w *world) makeOthers(name string) {
	w.t.Helper()
	// The namespace itself does not differ: it cannot be made again.
	from := &corev1.Namespace{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Name: w.app}, from); err != nil {
		w.t.Fatal(err)
	}
	delete(from.Labels, corev1.LabelMetadataName)
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.target(name), Labels: from.Labels, Annotations: from.Annotations}})
	in := func(object string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: w.target(name), Name: object, Labels: map[string]string{"app": "shop"}}
	}
	w.create(&corev1.ConfigMap{ObjectMeta: in("settings-0"), Data: map[string]string{"number": "another"}})
	w.create(&corev1.Secret{ObjectMeta: in("password-0"), StringData: map[string]string{"number": "another"}})
	w.create(&rbacv1.Role{ObjectMeta: in("shop"), Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
	}})
	w.others[name] = w.uids(w.target(name))
}

// stay returns which of the objects are there still that makeOthers made.
func (w *world) stay(name string) []string {
	w.t.Helper()
	var stay []string
	now := w.uids(w.target(name))
	for object, uid := range w.others[name] {
		if now[object] == uid {
			stay = append(stay, object)
		}
	}
	return stay
}

// stayed returns how many objects that differ are to be there still after a restore with a policy.
func stayed(policy kahuv1.ExistingResourcePolicy, others map[string]string) int {
	if policy == kahuv1.ExistingResourcePolicyRecreate {
		return 0
	}
	return len(others)
}

// target is the namespace into which a run restores. It is of this world alone: others have runs of the same names, and a
// namespace is not gone when its test is over.
func (w *world) target(name string) string { return w.app + "-" + name }

func failed(state, reason string) (wrong []string, ended string) {
	if state != string(kahuv1.StateFailed) || reason == "" {
		wrong = append(wrong, fmt.Sprintf("it is %s, for the reason %q", state, reason))
	}
	return wrong, state + ": " + reason
}

func completed(interruptions int32) string {
	return fmt.Sprintf("Completed, interrupted %d times", interruptions)
}

// backup is a Backup of the application.
func (w *world) backup(name string) *kahuv1.Backup {
	return &kahuv1.Backup{ObjectMeta: named(name), Spec: kahuv1.BackupSpec{
		MetadataLocation: location, IncludeNamespaces: []kahuv1.NamespaceName{w.app}, EnableVolumeBackup: new(false),
	}}
}

// application calls visit with each object of the application in a namespace, and with what it says.
func (w *world) application(namespace string, visit func(object client.Object, says string)) {
	w.t.Helper()
	maps, secrets, roles, bindings := &corev1.ConfigMapList{}, &corev1.SecretList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{}
	for _, list := range []client.ObjectList{maps, secrets, roles, bindings} {
		if err := w.client.List(w.t.Context(), list, inApp(namespace)...); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range maps.Items {
		visit(&maps.Items[i], fmt.Sprint(maps.Items[i].Data))
	}
	for i := range secrets.Items {
		visit(&secrets.Items[i], fmt.Sprint(secrets.Items[i].Data))
	}
	for i := range roles.Items {
		visit(&roles.Items[i], fmt.Sprint(roles.Items[i].Rules))
	}
	for i := range bindings.Items {
		visit(&bindings.Items[i], fmt.Sprint(bindings.Items[i].RoleRef))
	}
}

// live returns what the application's objects say in a namespace.
func (w *world) live(namespace string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	w.application(namespace, func(object client.Object, says string) {
		found[fmt.Sprintf("%T %s", object, object.GetName())] = says
	})
	return found
}

// uids returns the UIDs of the application's objects in a namespace.
func (w *world) uids(namespace string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	w.application(namespace, func(object client.Object, _ string) {
		found[fmt.Sprintf("%T %s", object, object.GetName())] = string(object.GetUID())
	})
	return found
}
