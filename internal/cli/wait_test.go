package cli_test

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func TestBackupCreateWaits(t *testing.T) {
	finish := func(state kahuv1.State, reason string) func(context.Context, client.Client, *kahuv1.Backup) error {
		return func(ctx context.Context, to client.Client, backup *kahuv1.Backup) error {
			backup.Status.Stage, backup.Status.State = kahuv1.StageResources, kahuv1.StateProcessing
			backup.Status.Progress = kahuv1.BackupProgress{ItemsDone: 3, ItemsTotal: 7}
			if err := to.Status().Update(ctx, backup); err != nil {
				return err
			}
			backup.Status.Stage, backup.Status.State, backup.Status.FailureReason = kahuv1.StageFinished, state, reason
			backup.Status.Counts = kahuv1.BackupCounts{Objects: 7, Kinds: 2}
			if state == kahuv1.StateFailed {
				backup.Status.Missing = []kahuv1.ItemProblem{{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "x", Reason: "ObjectUnreadable", Message: "denied"}}
			}
			return to.Status().Update(ctx, backup)
		}
	}
	cases := map[string]struct {
		act      func(context.Context, client.Client, *kahuv1.Backup) error
		flags    []string
		code     int
		out, err string
		failure  string
	}{
		"completed": {finish(kahuv1.StateCompleted, ""), nil, 0, "backup made completed: 7 objects of 2 kinds", "backup made: ", ""},
		"completed, whole": {
			finish(kahuv1.StateCompleted, ""), []string{"-o", "yaml"}, 0, "state: Completed", "backup made: ", "",
		},
		"failed": {finish(kahuv1.StateFailed, "the store is full"), nil, 3, "", "Secret shop/x: ObjectUnreadable: denied", "the store is full"},
		"failed, whole": {
			finish(kahuv1.StateFailed, "the store is full"), []string{"-o", "json"}, 3, `"failureReason": "the store is full"`, "", "the store is full",
		},
		"deleted": {
			func(ctx context.Context, to client.Client, backup *kahuv1.Backup) error {
				return to.Delete(ctx, backup)
			},
			nil, 1, "", "", "gone",
		},
		"nobody does anything": {
			func(context.Context, client.Client, *kahuv1.Backup) error { return nil }, []string{"--timeout", "1s"}, 4, "", "0 of 0 objects", "ran out",
		},
	}
	putLocation(t, "default")
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			remove(t, &kahuv1.Backup{}, "made")
			when(t, "made", &kahuv1.BackupList{}, test.act)
			done := run(t, append([]string{"backup", "create", "made", "--location", "default", "--wait", "--timeout", limit.String()}, test.flags...)...)
			check(t, done, test.code, test.out, test.err, test.failure)
		})
	}
}

// check compares an outcome with the words that it must have; without words there must be no output.
func check(t *testing.T, done outcome, code int, words ...string) {
	t.Helper()
	failure := ""
	if done.failure != nil {
		failure = done.failure.Error()
	}
	if done.code != code || (words[0] == "") != (done.out == "") {
		t.Errorf("code %d, want %d; %s; output %q", done.code, code, failure, done.out)
	}
	for i, got := range []string{done.out, done.err, failure} {
		if !strings.Contains(got, words[i]) {
			t.Errorf("got %q, want %q", got, words[i])
		}
	}
}

func TestRestoreCreateWaits(t *testing.T) {
	finish := func(state kahuv1.State) func(context.Context, client.Client, *kahuv1.Restore) error {
		return func(ctx context.Context, to client.Client, restore *kahuv1.Restore) error {
			restore.Status.Stage, restore.Status.State = kahuv1.StageFinished, state
			restore.Status.Counts.Created = 5
			if state == kahuv1.StateFailed {
				restore.Status.FailureReason = "something is missing"
				restore.Status.Failed = []kahuv1.ItemProblem{{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "x", Reason: "ObjectRefused", Message: "denied"}}
			}
			return to.Status().Update(ctx, restore)
		}
	}
	cases := map[string]struct {
		act      func(context.Context, client.Client, *kahuv1.Restore) error
		code     int
		out, err string
		failure  string
	}{
		"completed": {finish(kahuv1.StateCompleted), 0, "restore made completed: 5 created", "restore made: ", ""},
		"failed":    {finish(kahuv1.StateFailed), 3, "", "Secret shop/x: ObjectRefused: denied", "something is missing"},
		"deleted": {
			func(ctx context.Context, to client.Client, restore *kahuv1.Restore) error {
				return to.Delete(ctx, restore)
			}, 1, "", "", "gone",
		},
	}
	putBackup(t, "nightly")
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			remove(t, &kahuv1.Restore{}, "made")
			when(t, "made", &kahuv1.RestoreList{}, test.act)
			check(t, run(t, "restore", "create", "made", "--backup", "nightly", "--wait", "--timeout", limit.String()), test.code, test.out, test.err, test.failure)
		})
	}
}

func TestLocationCreateWaits(t *testing.T) {
	turn := func(kind string, status metav1.ConditionStatus) func(context.Context, client.Client, *kahuv1.BackupLocation) error {
		return func(ctx context.Context, to client.Client, location *kahuv1.BackupLocation) error {
			backups := int32(4)
			location.Status.Backups = &backups
			set := func(name string, status metav1.ConditionStatus) {
				meta.SetStatusCondition(&location.Status.Conditions, metav1.Condition{Type: name, Status: status, Reason: "Because", Message: "as a test says"})
			}
			set(kahuv1.ConditionReady, status)
			if kind != kahuv1.ConditionReady {
				set(kind, metav1.ConditionTrue)
			}
			return to.Status().Update(ctx, location)
		}
	}
	cases := map[string]struct {
		act      func(context.Context, client.Client, *kahuv1.BackupLocation) error
		timeout  string
		code     int
		out, err string
		failure  string
	}{
		"ready":       {turn(kahuv1.ConditionReady, metav1.ConditionTrue), limit.String(), 0, "location made is ready: 4 backups", "Because", ""},
		"stalled":     {turn(kahuv1.ConditionStalled, metav1.ConditionFalse), limit.String(), 3, "", "Because", "as a test says"},
		"reconciling": {turn(kahuv1.ConditionReconciling, metav1.ConditionFalse), "2s", 4, "", "Because", "ran out"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			remove(t, &kahuv1.BackupLocation{}, "made")
			when(t, "made", &kahuv1.BackupLocationList{}, test.act)
			done := run(t, "location", "create", "made", "--provider", "p", "--wait", "--timeout", test.timeout)
			check(t, done, test.code, test.out, test.err, test.failure)
		})
	}
}

func TestBackupDeleteWaits(t *testing.T) {
	create := func(t *testing.T, finalizers ...string) *kahuv1.Backup {
		t.Helper()
		backup := &kahuv1.Backup{
			ObjectMeta: metav1.ObjectMeta{Name: "made", Finalizers: finalizers}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"},
		}
		if err := newClient(t).Create(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
		return backup
	}
	release := func(t *testing.T) {
		t.Helper()
		backup := read(t, "made", &kahuv1.Backup{})
		backup.Finalizers = nil
		if err := newClient(t).Update(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("nothing holds it", func(t *testing.T) {
		create(t)
		check(t, run(t, "backup", "delete", "made", "--wait", "--timeout", limit.String()), 0, "backup made deleted", "", "")
	})
	t.Run("not waited for", func(t *testing.T) {
		create(t, "test.example/hold")
		check(t, run(t, "backup", "delete", "made"), 0, "backup made is being deleted", "", "")
		release(t)
	})
	t.Run("its data stays", func(t *testing.T) {
		for name, change := range map[string]func(backup *kahuv1.Backup){
			"a view": func(backup *kahuv1.Backup) {
				backup.Spec.Origin = &kahuv1.BackupOrigin{ClusterID: lostCluster, Name: "nightly", UID: "a-uid"}
			},
			"its own": func(backup *kahuv1.Backup) { backup.Status.LastBackup = stale(1) },
		} {
			backup := &kahuv1.Backup{
				ObjectMeta: metav1.ObjectMeta{Name: "retained"},
				Spec:       kahuv1.BackupSpec{MetadataLocation: "offsite", DeletionPolicy: kahuv1.DeletionPolicyRetain},
			}
			change(backup)
			status := backup.Status
			put(t, backup, func() { backup.Status = status })
			if done := run(t, "backup", "delete", "retained"); !strings.Contains(done.out, "its data stays at location offsite") {
				t.Errorf("%s: %+v", name, done)
			}
		}
	})
	t.Run("it has no data", func(t *testing.T) {
		put(t, &kahuv1.Backup{
			ObjectMeta: metav1.ObjectMeta{Name: "retained"},
			Spec:       kahuv1.BackupSpec{MetadataLocation: "offsite", DeletionPolicy: kahuv1.DeletionPolicyRetain},
		}, func() {})
		if out := succeed(t, "backup", "delete", "retained"); out != "backup retained is being deleted\n" {
			t.Errorf("got %q", out)
		}
	})
	t.Run("held for a while", func(t *testing.T) {
		backup := create(t, "test.example/hold")
		meta.SetStatusCondition(&backup.Status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionDataDeleted, Status: metav1.ConditionFalse, Reason: "Because", Message: "the store is away",
		})
		if err := newClient(t).Status().Update(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
		check(t, run(t, "backup", "delete", "made", "--wait", "--timeout", "1s"), 4, "", "the store is away", "ran out")
		when(t, "made", &kahuv1.BackupList{}, func(ctx context.Context, to client.Client, backup *kahuv1.Backup) error {
			backup.Finalizers = nil
			return to.Update(ctx, backup)
		})
		// The deletion was asked for already, so the object may be gone before it is asked for again.
		if done := run(t, "backup", "delete", "made", "--wait", "--timeout", limit.String()); done.code != 0 && !strings.Contains(done.failure.Error(), "not found") {
			t.Errorf("code %d, %v", done.code, done.failure)
		}
	})
}
