package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func TestHooksAreDescribed(t *testing.T) {
	t.Parallel()
	done := &metav1.Time{}
	for name, test := range map[string]struct {
		hooks *kahuv1.BackupHooks
		want  string
	}{
		"none": {nil, ""},
		"owed": {&kahuv1.BackupHooks{Pods: 1}, "Hooks:\n  begun in 1 pod; those after the cut are owed\n"},
		"well": {
			&kahuv1.BackupHooks{
				CompletionTimestamp: done, Pods: 2, Commands: 4, QuiescedMilliseconds: 1234, VolumesCut: true, CutCompletionTimestamp: &metav1.MicroTime{},
				Containers: []kahuv1.HookContainer{{Namespace: "shop", Pod: "db", Container: "main", Pre: "Completed", Post: "Completed"}},
			},
			"Hooks:\n  4 commands in 2 pods, 0 failed, quiesced for 1.234s\n",
		},
		"some are not cut": {
			&kahuv1.BackupHooks{CompletionTimestamp: done, Pods: 1, Commands: 2, Uncut: 2, CutCompletionTimestamp: &metav1.MicroTime{}},
			"Hooks:\n  2 commands in 1 pod, 0 failed, quiesced for 0s; 2 volumes not cut meanwhile\n",
		},
		"a failure": {
			&kahuv1.BackupHooks{
				CompletionTimestamp: done, Pods: 1, Commands: 2, FailedCommands: 1, QuiescedMilliseconds: 50,
				Containers: []kahuv1.HookContainer{{Namespace: "shop", Pod: "db", Container: "main", Pre: "HookFailed", Post: "Completed", Message: "exit code 1"}},
			},
			"Hooks:\n  2 commands in 1 pod, 1 failed, quiesced for 50ms; the volumes were not cut meanwhile\n" +
				"  pre of shop/db, container main: HookFailed: exit code 1\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &description{}
			d.hooks(test.hooks)
			if diff := cmp.Diff(test.want, d.text.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHooksOfRestoresAreDescribed(t *testing.T) {
	t.Parallel()
	done := &metav1.Time{}
	for name, test := range map[string]struct {
		hooks *kahuv1.RestoreHooks
		want  string
	}{
		"none":                 {nil, ""},
		"none has begun":       {&kahuv1.RestoreHooks{Digest: "a"}, ""},
		"those before run":     {&kahuv1.RestoreHooks{StartTimestamp: done, Pods: 1}, "Hooks:\n  begun in 1 pod\n"},
		"those before have":    {&kahuv1.RestoreHooks{StartTimestamp: done, PreTimestamp: done, Pods: 1, Commands: 2}, "Hooks:\n  those before have run: 2 commands in 1 pod, 0 failed\n"},
		"only those after ran": {&kahuv1.RestoreHooks{CompletionTimestamp: done, Pods: 2, Commands: 3}, "Hooks:\n  3 commands in 2 pods, 0 failed\n"},
		"failures": {
			&kahuv1.RestoreHooks{CompletionTimestamp: done, Pods: 2, Commands: 3, FailedCommands: 2, Containers: []kahuv1.HookContainer{
				{Namespace: "shop", Pod: "old", Container: "main", Pre: "HookFailed", Message: "exit code 1"},
				{Namespace: "shop", Pod: "web", Container: "main", Post: "Completed"},
				{Namespace: "shop", Pod: "db", Container: "main", Post: "HookTimedOut", Message: "too long"},
			}},
			"Hooks:\n  3 commands in 2 pods, 2 failed\n  pre of shop/old, container main: HookFailed: exit code 1\n" +
				"  post of shop/db, container main: HookTimedOut: too long\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &description{}
			d.restoreHooks(test.hooks)
			if diff := cmp.Diff(test.want, d.text.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
