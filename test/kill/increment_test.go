package kill_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/increment"
)

// increments are runs of a Backup in the mode Incremental that is copied to the other location, each on the one before.
// An object of the application is another one each time.
func increments(want map[string]string) subject {
	return subject{
		name: "increment",
		prepare: func(w *world, name string) {
			w.t.Helper()
			w.awaitReady(offsite)
			w.change(name)
		},
		begin: func(w *world, name string) {
			w.t.Helper()
			backup := w.backup(name)
			backup.Spec.Mode = kahuv1.BackupModeIncremental
			backup.Spec.Copies = []kahuv1.BackupCopy{{Location: offsite}}
			w.create(backup)
		},
		over: func(w *world, name string) bool {
			backup := &kahuv1.Backup{}
			err := w.client.Get(w.t.Context(), client.ObjectKey{Name: name}, backup)
			return err == nil && isCopied(backup)
		},
		judge: func(w *world, name string) ([]string, string) {
			w.t.Helper()
			backup, ended := await(w, &kahuv1.BackupList{}, w.backup(name), func(backup *kahuv1.Backup, gone bool) bool {
				return !gone && isCopied(backup)
			})
			if !ended {
				return []string{fmt.Sprintf("it does not end: %+v", backup.Status)}, never
			}
			return w.judgeIncrement(backup, changed(w, want, name))
		},
	}
}

// judgeIncrement returns what is wrong with a backup and its copy, which are what was selected, and how they ended.
func (w *world) judgeIncrement(backup *kahuv1.Backup, want map[string]string) (wrong []string, ended string) {
	w.t.Helper()
	status := &backup.Status
	if status.State != kahuv1.StateCompleted {
		return failed(string(status.State), status.FailureReason)
	}
	copied := status.Copies[0]
	if copied.State != kahuv1.StateCompleted {
		return failed("the copy has "+string(copied.State), copied.Reason)
	}
	wrong = append(w.compareAt(w.files, backup, want), w.compareAt(w.copied, backup, want)...)
	mode := "found to be there"
	if status.Incremental != nil {
		mode = "incremental"
		switch reason := status.Incremental.Reason; reason {
		case "":
		case string(increment.BaseAdopted): // All that could be the base was found to be there.
			mode = "full"
		default:
			wrong = append(wrong, "it is full because of "+reason)
		}
	}
	return wrong, fmt.Sprintf("%s, %s, copied at try %d", completed(status.Interruptions), mode, copied.Tries)
}

// isCopied tells whether a run has ended, and its copy.
func isCopied(backup *kahuv1.Backup) bool {
	if backup.Status.Stage != kahuv1.StageFinished || len(backup.Status.Copies) == 0 {
		return false
	}
	state := backup.Status.Copies[0].State
	return state == kahuv1.StateCompleted || state == kahuv1.StateFailed
}

// whatChanges is the annotation that is another one in each run.
const whatChanges = "run"

// change changes an object of the application.
func (w *world) change(run string) {
	w.t.Helper()
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, whatChanges, run))
	if err := w.client.Patch(w.t.Context(), settings(w.app), patch); err != nil {
		w.t.Fatal(err)
	}
}

// settings is the object of the application that changes.
func settings(app string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: app, Name: "settings-0"}}
}

// changed returns what is in the application, with the change.
func changed(w *world, want map[string]string, run string) map[string]string {
	w.t.Helper()
	after := maps.Clone(want)
	for key, content := range want {
		if !strings.HasSuffix(key, "/"+settings(w.app).Name) || !strings.HasPrefix(key, "configmaps ") {
			continue
		}
		var object map[string]any
		if err := json.Unmarshal([]byte(content), &object); err != nil {
			w.t.Fatal(err)
		}
		object["metadata"].(map[string]any)["annotations"] = map[string]any{whatChanges: run}
		with, err := json.Marshal(object)
		if err != nil {
			w.t.Fatal(err)
		}
		after[key] = string(with)
		return after
	}
	w.t.Fatalf("there are no settings in %v", want)
	return nil
}
