package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/soda-cdm/kahu/test/ledger"
)

const (
	// bank is the namespace of the application with volumes, and office that of its second restore.
	bank   = "bank"
	office = "bank-office"
	// csiProvider is the provider whose backups are snapshots in the storage system.
	csiProvider = "csi"
	workload    = "/devcluster-workload"
	nightly     = "nightly"
)

// volumes is the story of an application with data: two volumes that must agree.
type volumes struct {
	*story

	atCut int // the records that were in the volumes when they were cut
}

// performVolumes tells the story of data. It takes root, as pods run.
func performVolumes(ctx context.Context, stage *stage, wish options) error {
	v := &volumes{story: newStory(stage, wish)}
	v.say.chapterf("Kahu backs up the data of an application while it writes, loses it, and restores it. The cluster has a node on which\n" +
		"pods run, and a CSI driver with the sidecars that every cluster has; volumes are snapshots there.")
	for _, chapter := range []func(context.Context) error{v.build, v.save, v.destroy, v.restoreHere, v.restoreBeside, v.remove} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	v.say.chapterf("Everything came back as it was at one instant.")
	v.say.linef("Not shown: data that leaves the storage system, and stores other than a folder.")
	return nil
}

// build starts a cluster with a node and storage, Kahu with its provider of volumes, and the application.
func (v *volumes) build(ctx context.Context) error {
	v.say.chapterf("1. A cluster, and a bank whose ledger is in two volumes")
	if err := v.first.up(ctx, "--node", "--csi"); err != nil {
		return err
	}
	v.say.linef("the cluster is up")
	if err := v.accompany(ctx, v.first, "--volumes"); err != nil {
		return err
	}
	if err := v.provide(ctx); err != nil {
		return err
	}
	manifest := filepath.Join(v.stage.dir, "bank.yaml")
	application := ledger.Application{Namespace: bank, Cash: "shared", Books: "shared", Sync: true, Hooks: true}
	if err := os.WriteFile(manifest, []byte(application.Manifest()), 0o600); err != nil {
		return err
	}
	if _, err := v.first.kubectl(ctx, "apply", "-f", manifest); err != nil {
		return err
	}
	if err := v.await(ctx, bank); err != nil {
		return err
	}
	for records := 0; records < enoughRecords; {
		var err error
		if records, err = v.agreed(ctx, bank); err != nil {
			return err
		}
	}
	v.say.linef("the bank is open: its pod writes every record into both volumes, and holds still when it is asked to")
	return nil
}

// enoughRecords are written before the backup.
const enoughRecords = 1000

// provide waits for the provider of volumes.
func (v *volumes) provide(ctx context.Context) error {
	for _, wait := range []string{"--for=create", "--for=condition=Ready"} {
		if _, err := v.first.kubectl(ctx, "wait", wait, "--timeout=60s", "providers.kahu.io/"+csiProvider); err != nil {
			return err
		}
	}
	v.say.linef("its provider of volumes, %s, is Available", csiProvider)
	return nil
}

// await returns when the application of a namespace runs.
func (v *volumes) await(ctx context.Context, namespace string) error {
	_, err := v.first.kubectl(ctx, "rollout", "status", "deployment/ledger", "-n", namespace, "--timeout=120s")
	return err
}

// run runs a command in the application's pod.
func (v *volumes) run(ctx context.Context, namespace string, command ...string) (string, error) {
	out, err := v.first.kubectl(ctx, append([]string{"exec", "-n", namespace, "deployment/ledger", "--", workload}, command...)...)
	return strings.TrimSpace(string(out)), err
}

// agreed has the application hold still, and returns how many records are in its volumes, which must agree.
func (v *volumes) agreed(ctx context.Context, namespace string) (records int, err error) {
	if _, err := v.run(ctx, namespace, "quiesce", ledger.Hold); err != nil {
		return 0, err
	}
	said, err := v.run(ctx, namespace, "agree", "/cash", "/books")
	if _, failed := v.run(ctx, namespace, "unquiesce", ledger.Hold); err != nil || failed != nil {
		return 0, errors.Join(err, failed)
	}
	return leading(said)
}

// leading reads the number at the beginning of a text.
func leading(text string) (int, error) {
	found := regexp.MustCompile(`^\d+`).FindString(text)
	if found == "" {
		return 0, fmt.Errorf("there is no number at the beginning of %q", text)
	}
	return strconv.Atoi(found)
}

// save backs the bank up while it writes.
func (v *volumes) save(ctx context.Context) error {
	v.say.chapterf("2. A backup of the namespace %s, while it writes", bank)
	told, err := v.first.kahu(ctx, "backup", "create", nightly, "--location", locationName, "--include-namespaces", bank, "--wait")
	if err != nil {
		return err
	}
	v.say.linef("%s", told)
	out, err := v.first.kubectl(ctx, "get", "backups.kahu.io", nightly, "-o", "jsonpath={.status.hooks.quiescedMilliseconds}")
	if err != nil {
		return err
	}
	v.say.linef("the bank held still for %s ms: the pre hook ran in its pod, both volumes were cut, the post hook ran", out)
	if err := v.table(ctx, "get", "volumebackupcontents.kahu.io"); err != nil {
		return err
	}
	records, err := v.agreed(ctx, bank)
	if err != nil {
		return err
	}
	v.say.linef("the bank goes on: %d records are in both volumes by now", records)
	return v.stored(ctx)
}

// table shows what kubectl shows.
func (v *volumes) table(ctx context.Context, args ...string) error {
	out, err := v.first.kubectl(ctx, args...)
	if err != nil {
		return err
	}
	v.say.linef("$ kubectl %s\n%s", strings.Join(args, " "), bytes.TrimSpace(out))
	return nil
}

// storage is what the storage system itself says that it has.
type storage struct {
	Volumes   []json.RawMessage `json:"volumes"`
	Snapshots []json.RawMessage `json:"snapshots"`
}

// stored says what is in the storage system, whatever Kubernetes knows of it.
func (v *volumes) stored(ctx context.Context) error {
	has, err := v.storage(ctx)
	if err == nil {
		v.say.linef("the storage system has %d volumes and %d snapshots", len(has.Volumes), len(has.Snapshots))
	}
	return err
}

func (v *volumes) storage(ctx context.Context) (has storage, err error) {
	out, err := output(ctx, v.stage.program("devcluster"), "csi", "list", "--dir", v.stage.dir, "--name", v.first.name, "-o", "json")
	if err == nil {
		err = json.Unmarshal(out, &has)
	}
	return has, err
}

// destroy deletes the namespace, and with it the volumes.
func (v *volumes) destroy(ctx context.Context) error {
	v.say.chapterf("3. The namespace is deleted")
	if _, err := v.first.kubectl(ctx, "delete", "namespace", bank, "--timeout=120s"); err != nil {
		return err
	}
	if _, err := v.first.kubectl(ctx, "wait", "--for=delete", "persistentvolumes", "--all", "--timeout=120s"); err != nil {
		return err
	}
	return v.stored(ctx)
}

// restoreHere brings the bank back.
func (v *volumes) restoreHere(ctx context.Context) error {
	v.say.chapterf("4. A restore of the namespace")
	return v.restored(ctx, bank, "back")
}

// restoreBeside brings it back once more, under another name.
func (v *volumes) restoreBeside(ctx context.Context) error {
	v.say.chapterf("5. A restore beside it, into the namespace %s", office)
	before := v.atCut
	if err := v.restored(ctx, office, "beside", "--namespace-mapping", bank+"="+office); err != nil {
		return err
	}
	if v.atCut != before {
		return fmt.Errorf("the second restore has %d records, the first had %d", v.atCut, before)
	}
	return nil
}

// restored makes a restore, and looks into its volumes.
func (v *volumes) restored(ctx context.Context, namespace, name string, flags ...string) error {
	told, err := v.first.kahu(ctx, append([]string{"restore", "create", name, "--backup", nightly, "--wait"}, flags...)...)
	if err != nil {
		return err
	}
	v.say.linef("%s", told)
	if err := v.await(ctx, namespace); err != nil {
		return err
	}
	log, err := v.first.kubectl(ctx, "logs", "-n", namespace, "deployment/ledger")
	if err != nil {
		return err
	}
	if v.atCut, err = leading(string(log)); err != nil {
		return err
	}
	records, err := v.agreed(ctx, namespace)
	if err != nil {
		return fmt.Errorf("the volumes do not agree: %w", err)
	}
	v.say.linef("the pod found %d records, in both volumes, and has gone on: every one of %d is whole and in its place", v.atCut, records)
	return nil
}

// remove deletes the backup, and its snapshots with it.
func (v *volumes) remove(ctx context.Context) error {
	v.say.chapterf("6. The backup is deleted")
	if _, err := v.first.kahu(ctx, "backup", "delete", nightly, "--wait"); err != nil {
		return err
	}
	has, err := v.storage(ctx)
	if err != nil {
		return err
	}
	if len(has.Snapshots) > 0 {
		return fmt.Errorf("%d snapshots are still in the storage system", len(has.Snapshots))
	}
	return v.stored(ctx)
}
