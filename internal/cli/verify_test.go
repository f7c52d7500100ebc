package cli_test

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// answer waits until the backup is asked to be verified, and answers as the manager would.
func answer(t *testing.T, name string, status metav1.ConditionStatus, reason string, found kahuv1.BackupVerification) {
	t.Helper()
	to := newClient(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
	watcher, err := to.Watch(ctx, &kahuv1.BackupList{}, &client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name)})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range watcher.ResultChan() {
			backup, ok := event.Object.(*kahuv1.Backup)
			if !ok || event.Type == watch.Deleted || backup.Annotations[kahuv1.AnnotationVerify] == "" {
				continue
			}
			found.Token, found.Sampled = backup.Annotations[kahuv1.AnnotationVerify], backup.Annotations[kahuv1.AnnotationVerifySample]
			found.Time = &metav1.Time{Time: backup.CreationTimestamp.Time}
			backup.Status.Verification = &found
			meta.SetStatusCondition(&backup.Status.Conditions, metav1.Condition{
				Type: kahuv1.ConditionVerified, Status: status, Reason: reason, Message: "the message",
			})
			if err := to.Status().Update(ctx, backup); err != nil {
				t.Errorf("answering: %v", err)
			}
			return
		}
	}()
	t.Cleanup(func() {
		<-ended
		watcher.Stop()
		cancel()
	})
}

func TestBackupVerify(t *testing.T) {
	damaged := kahuv1.BackupVerification{DamagedTotal: 3, DamagedObjects: 12, Damaged: []kahuv1.DamagedPart{
		{File: "a/index.zst", Reason: kahuv1.ReasonFileMissing, Message: "gone"},
		{
			File: "a/segment", Offset: new(int64(17)), Length: 5, Reason: kahuv1.ReasonFileDamaged, Message: "not it",
			Objects: []string{"secrets shop/x", "pods shop/y"}, ObjectsTotal: 12,
		},
	}}
	cases := map[string]struct {
		flags   []string
		status  metav1.ConditionStatus
		reason  string
		found   kahuv1.BackupVerification
		code    int
		words   []string
		failure string
	}{
		"whole": {
			nil, metav1.ConditionTrue, kahuv1.ReasonVerified,
			kahuv1.BackupVerification{Bytes: 2048, Files: 4},
			0,
			[]string{"backup checked: the message", "2.0 KiB in 4 files"},
			"",
		},
		"a sample": {
			[]string{"--sample", "10%", "-o", "yaml"},
			metav1.ConditionTrue, kahuv1.ReasonSampleVerified,
			kahuv1.BackupVerification{},
			0,
			[]string{"sampled: 10%"},
			"",
		},
		"damaged": {
			nil, metav1.ConditionFalse, kahuv1.ReasonArchiveCorrupt, damaged, 3,
			[]string{
				"a/index.zst: FileMissing: gone", "a/segment at byte 17, 5 bytes long: FileDamaged: not it",
				"12 objects: secrets shop/x, pods shop/y and 10 more", "and 1 other part",
			},
			"is damaged",
		},
		"not read": {
			nil, metav1.ConditionUnknown, kahuv1.ReasonStoreFailed, kahuv1.BackupVerification{}, 3, []string{""}, "was not verified",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			remove(t, &kahuv1.Backup{}, "checked")
			backup := &kahuv1.Backup{
				ObjectMeta: metav1.ObjectMeta{Name: "checked"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"},
			}
			if err := newClient(t).Create(t.Context(), backup); err != nil {
				t.Fatal(err)
			}
			answer(t, "checked", test.status, test.reason, test.found)
			done := run(t, append([]string{"backup", "verify", "checked", "--wait", "--timeout", limit.String()}, test.flags...)...)
			for _, word := range test.words {
				check(t, done, test.code, word, "", test.failure)
			}
		})
	}
	t.Run("not waiting", func(t *testing.T) {
		remove(t, &kahuv1.Backup{}, "checked")
		backup := &kahuv1.Backup{
			ObjectMeta: metav1.ObjectMeta{Name: "checked"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"},
		}
		if err := newClient(t).Create(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
		check(t, run(t, "backup", "verify", "checked"), 0, "is being verified", "", "")
		check(t, run(t, "backup", "verify", "checked", "--wait", "--timeout", "1s"), 4, "", "", "ran out")
	})
	check(t, run(t, "backup", "verify", "nobody"), 1, "", "", "not found")
	check(t, run(t, "backup", "verify", "checked", "--sample", "10"), 2, "", "", "percent sign")
	check(t, run(t, "backup", "verify", "checked", "--sample", "0%"), 2, "", "", "percent sign")
}
