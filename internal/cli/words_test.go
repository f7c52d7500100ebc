package cli_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cli"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestDescribeTellsWhatWasAskedFor: filters, policy, prefix, mappings and transforms, in the words of the flags.
func TestDescribeTellsWhatWasAskedFor(t *testing.T) {
	yes := true
	started := metav1.NewTime(time.Unix(1000, 0))
	restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "wordy"}, Spec: kahuv1.RestoreSpec{
		BackupName: "nightly", IncludeNamespaces: []string{"shop", "bank"}, ExcludeNamespaces: []string{"test"},
		IncludeResources: []kahuv1.ResourceFilter{{Kind: "Secret", Name: "db"}, {Kind: "Pod", Name: "^web", IsRegex: true}, {Kind: "^App", IsRegex: true}},
		ExcludeResources: []kahuv1.ResourceFilter{{Kind: "Event"}},
		LabelSelector:    &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, IncludeClusterResource: &yes,
		ExistingResourcePolicy: kahuv1.ExistingResourcePolicyUpdate, ResourcePrefix: "blue-", NamespaceMapping: map[string]string{"shop": "shop-2"},
		TransformSets: []string{"staging"}, ImageMapping: kahuv1.ImageMapping{"docker.io": "r.io/hub"},
		StorageClassMapping: kahuv1.StorageClassMapping{"slow": "fast"}, PreserveNodePort: true,
		Transforms: []kahuv1.Transform{{Name: "fewer", MergePatch: kahuv1.JSONValue{Raw: []byte(`{"spec":{"replicas":1}}`)}}},
	}}
	put(t, restore, func() {
		restore.Status = kahuv1.RestoreStatus{
			Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted, StartTimestamp: &started, CompletionTimestamp: &started,
			Timings: []kahuv1.StepTiming{{Step: "Create", Milliseconds: 432}, {Step: "Judge", Milliseconds: 11}},
		}
	})
	text := succeed(t, "restore", "describe", "wordy")
	for _, want := range []string{
		"Include namespaces: shop, bank\n", "Exclude namespaces: test\n", "Include resources:  Secret/db, Pod/~^web, ~^App\n", "Exclude resources:  Event\n",
		"Selector:           app=web\n", "Cluster scope:      true\n", "Existing objects:   Update\n", "Prefix:             blue-\n",
		"Namespaces mapped:\n  shop -> shop-2\n", "Transform sets:     staging\n", "Images mapped:\n  docker.io -> r.io/hub\n",
		"Storage classes mapped:\n  slow -> fast\n", "Transforms:\n  1. fewer\n", "Besides:            node ports kept\n", "Took:               440ms\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "wordy"}, Spec: kahuv1.BackupSpec{
		MetadataLocation: "default", IncludeNamespaces: []string{"shop"}, EnableVolumeBackup: &no,
		References: []kahuv1.Reference{{From: "shops.example.com", Path: "spec.tls", Kind: "Secret"}},
	}}
	put(t, backup, func() {})
	text = succeed(t, "backup", "describe", "wordy")
	for _, want := range []string{"Include namespaces: shop\n", "Volume data:        not backed up\n", "References:\n  shops.example.com spec.tls Secret\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestRefusalsNameFlags: what the API server says of a field is said of the flag.
func TestRefusalsNameFlags(t *testing.T) {
	putBackup(t, "nightly")
	for name, test := range map[string]struct{ flags, want []string }{
		"prefix":    {[]string{"--resource-prefix", "Blue_"}, []string{"Restore wrong is refused: --resource-prefix: "}},
		"namespace": {[]string{"--include-namespaces", "Shop"}, []string{"--include-namespaces: "}},
		"two":       {[]string{"--include-namespaces", "Shop", "--resource-prefix", "Blue_"}, []string{"--include-namespaces: ", "--resource-prefix: ", "; --"}},
	} {
		t.Run(name, func(t *testing.T) {
			done := run(t, append([]string{"restore", "create", "wrong", "--backup", "nightly"}, test.flags...)...)
			for _, want := range test.want {
				check(t, done, 1, "", "", want)
			}
			if done.failure != nil && (strings.Contains(done.failure.Error(), "spec.") || strings.Contains(done.failure.Error(), "<nil>")) {
				t.Errorf("it names a field: %v", done.failure)
			}
		})
	}
}

// TestDeleteSeveral: one that is not there does not keep the others.
func TestDeleteSeveral(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.RestoreSpec{BackupName: "nightly"}}
		put(t, restore, func() {})
	}
	done := run(t, "restore", "delete", "first", "nobody", "second", "--wait", "--timeout", limit.String())
	if done.out != "restore first deleted\nrestore second deleted\n" || done.code != 1 || !strings.Contains(done.failure.Error(), "nobody") {
		t.Errorf("code %d, %q, %v", done.code, done.out, done.failure)
	}
	check(t, run(t, "backup", "delete"), 2, "", "", "name what is to be deleted")
}

// TestInterrupted: who ends the wait for a run learns how to go on, and a script does, too.
func TestInterrupted(t *testing.T) {
	for _, kind := range []string{"backup", "restore"} {
		t.Run(kind, func(t *testing.T) {
			putEnding(t, kind, kahuv1.StageResources, kahuv1.StateProcessing, metav1.Condition{})
			on := &screen{changed: make(chan struct{}, 1)}
			var out bytes.Buffer
			command := cli.New(cli.Options{Out: &out, Err: on, Clock: testclock.NewFakePassiveClock(time.Unix(1000, 0)), Version: "test"})
			command.SetArgs([]string{kind, "cancel", "ending", "--wait", "--timeout", limit.String(), "--kubeconfig", cluster.Kubeconfig(t)})
			ctx, interrupt := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- command.ExecuteContext(ctx) }()
			bounded, stop := context.WithTimeout(t.Context(), limit)
			defer stop()
			if err := on.await(bounded, kind+" ending: Processing"); err != nil {
				t.Error(err)
			}
			interrupt()
			err := <-ended
			want := "it goes on: `kubectl kahu " + kind + " describe ending` shows how"
			if cli.ExitCode(err) != 130 || !errors.Is(err, cli.ErrInterrupted) || !strings.Contains(err.Error(), want) {
				t.Errorf("code %d, %v", cli.ExitCode(err), err)
			}
		})
	}
}
