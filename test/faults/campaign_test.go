package faults_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/testkit/faultyapiserver"
	"github.com/soda-cdm/kahu/internal/testkit/faultyprovider"
	"github.com/soda-cdm/kahu/internal/testkit/properties"
)

const (
	// campaignTime is how long new cases begin, unless KAHU_FAULT_TIME says otherwise.
	campaignTime = time.Minute
	// faultyTime is how long a run may take with faults; then they cease, and it must end.
	faultyTime = 10 * time.Second
	// waitLimit bounds every wait without faults, for a busy machine: a client of the API server that failed again and
	// again waits for half a minute before it tries once more.
	waitLimit = 90 * time.Second
)

// TestFaults has each fault happen in a case of its own, and then goes through random cases until its time is over.
// KAHU_FAULT_SEED begins at another seed, KAHU_FAULT_TIME goes on for that long. The seed of a case is in its name.
func TestFaults(t *testing.T) {
	first, length := asked(t)
	w := newWorld(t)
	base := w.backUp("base")
	w.finish(base)
	if base.Status.State != kahuv1.StateCompleted {
		t.Fatalf("without faults: %+v", base.Status)
	}
	want, err := properties.Restored(t.Context(), w.files, idOf(base))
	if err != nil || len(want) < settings {
		t.Fatalf("without faults: %v, %v", want, err)
	}
	outcomes := map[string]int{}
	run := func(name string, seed uint64, forced *forced) {
		c := &faultCase{
			world: w, name: name, random: rand.New(rand.NewPCG(seed, 11)), want: want, outcomes: outcomes, forced: forced,
		}
		for _, wrong := range c.run() {
			t.Errorf("%s: %s", name, wrong)
		}
	}
	forced := w.force(run)
	seed := first
	for until := (clock.RealClock{}).Now().Add(length); (clock.RealClock{}).Now().Before(until) && !t.Failed(); seed++ {
		run(fmt.Sprintf("case-%d", seed), seed, nil)
	}
	t.Logf("%d cases with one fault each of the API server and the store, and %d random ones from KAHU_FAULT_SEED=%d on; outcomes: %v",
		forced, seed-first, first, outcomes)
	t.Logf("faults of the API server: %v; of the store: %v", w.proxy.Happened(), w.driver.Happened())
	w.judgeFaults(outcomes)
}

// judgeFaults fails a campaign in which a fault never happened, or nothing succeeded.
func (w *world) judgeFaults(outcomes map[string]int) {
	w.t.Helper()
	for _, count := range []struct {
		of       string
		names    []string
		happened map[string]int
	}{
		{"the API server", faultyapiserver.Names(), w.proxy.Happened()},
		{"the store", faultyprovider.Names(), w.driver.Happened()},
	} {
		for _, name := range count.names {
			// A location of this size has lists of one page, which cannot be endless: the campaign of package engine has those.
			if count.happened[name] == 0 && name != "endless" {
				w.t.Errorf("the fault %q of %s never happened", name, count.of)
			}
		}
	}
	for _, least := range []string{"backup Completed", "restore Completed", "verified True", "deleted"} {
		if outcomes[least] == 0 {
			w.t.Errorf("nothing is %s: the faults are too many: %v", least, outcomes)
		}
	}
}

// asked returns what the environment asks for.
func asked(t *testing.T) (first uint64, length time.Duration) {
	t.Helper()
	first, length = 1, campaignTime
	if text := os.Getenv("KAHU_FAULT_SEED"); text != "" { //nolint:forbidigo // It is how a person asks for more.
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("KAHU_FAULT_SEED: %v", err)
		}
		first = seed
	}
	if text := os.Getenv("KAHU_FAULT_TIME"); text != "" { //nolint:forbidigo // It is how a person asks for more.
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("KAHU_FAULT_TIME: %v", err)
		}
	}
	return first, length
}

// faultCase is a backup, a restore of it, a verification and a deletion, each with faults of its own.
type faultCase struct {
	*world

	name     string
	random   *rand.Rand
	want     map[string]string
	outcomes map[string]int
	// forced are the faults of the case where they are not random.
	forced *forced
}

// run goes through the case, and returns what is wrong.
func (c *faultCase) run() (wrong []string) {
	c.t.Helper()
	begun := clock.RealClock{}.Now()
	name := c.name
	c.strain(faultyprovider.Faults{})
	backup := c.backUp(name)
	wrong = append(wrong, c.judgeBackup(backup)...)
	source := "base"
	if backup.Status.State == kahuv1.StateCompleted {
		source = name
	}
	wrong = append(wrong, c.restore(name, source)...)
	wrong = append(wrong, c.verify(source)...)
	wrong = append(wrong, c.remove(backup)...)
	wrong = append(wrong, c.awaitNoDebris()...)
	wrong = append(wrong, c.createdTwice()...)
	wrong = append(wrong, c.fallen()...)
	c.t.Logf("%s: %s", c.name, clock.RealClock{}.Since(begun).Round(time.Millisecond))
	return wrong
}

// strain begins faults, calm ends them. Faults of the store that are given are left out.
func (c *faultCase) strain(without faultyprovider.Faults) {
	if c.forced != nil {
		c.proxy.Set(c.random.Uint64(), c.forced.ofServer)
		c.driver.Set(c.random.Uint64(), c.forced.ofStore)
		if without.Short > 0 {
			c.driver.Set(c.random.Uint64(), c.forced.ofStore.Honest())
		}
		return
	}
	rate := func(most float64) float64 {
		if c.random.IntN(2) == 0 {
			return 0
		}
		return most * c.random.Float64()
	}
	c.proxy.Set(c.random.Uint64(), faultyapiserver.Faults{
		Slow: rate(0.3), Lagging: rate(0.5), Reset: rate(0.1), Lost: rate(0.2), Cut: rate(0.2), TooMany: rate(0.2), Failed: rate(0.1),
		Unavailable: rate(0.1), TimedOut: rate(0.1), Gone: rate(0.5), Conflict: rate(0.3), Stale: rate(0.5),
	})
	faults := faultyprovider.Faults{
		Slow: rate(0.3), Unavailable: rate(0.2), Late: rate(0.2), Reset: rate(0.2), Short: rate(0.05), Full: rate(0.05),
		Denied: rate(0.01), Stale: rate(0.2), Twice: rate(0.1), Disordered: rate(0.1), Endless: rate(0.1),
	}
	if without.Short > 0 {
		faults = faults.Honest()
	}
	c.driver.Set(c.random.Uint64(), faults)
}

func (w *world) calm() {
	w.proxy.Set(0, faultyapiserver.Faults{})
	w.driver.Set(0, faultyprovider.Faults{})
}

// awaitCalmly waits for a while with the faults, and then without, and returns whether it came.
func (w *world) awaitCalmly(object client.Object, ready func(gone bool) bool) bool {
	w.t.Helper()
	came := w.await(object, faultyTime, ready)
	w.calm()
	return came || w.await(object, waitLimit, ready)
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func idOf(backup *kahuv1.Backup) archive.BackupID {
	return archive.BackupID{ClusterID: backup.Status.ClusterID, Name: backup.Name, UID: string(backup.UID)}
}

// backUp asks for a backup.
func (w *world) backUp(name string) *kahuv1.Backup {
	w.t.Helper()
	backup := &kahuv1.Backup{ObjectMeta: named(name), Spec: kahuv1.BackupSpec{
		MetadataLocation: location, IncludeNamespaces: []kahuv1.NamespaceName{w.app}, EnableVolumeBackup: new(false),
	}}
	w.create(backup)
	return backup
}

// finish waits for the end of a backup.
func (w *world) finish(backup *kahuv1.Backup) bool {
	w.t.Helper()
	return w.awaitCalmly(backup, func(gone bool) bool { return !gone && backup.Status.Stage == kahuv1.StageFinished })
}

// judgeBackup waits for the end of a backup, and says what is wrong with it.
func (c *faultCase) judgeBackup(backup *kahuv1.Backup) []string {
	c.t.Helper()
	if !c.finish(backup) {
		return []string{fmt.Sprintf("the backup does not end: %+v", backup.Status)}
	}
	c.outcomes["backup "+string(backup.Status.State)]++
	if backup.Status.State == kahuv1.StateCompleted {
		return properties.Whole(c.t.Context(), c.files, idOf(backup), c.want)
	}
	c.t.Logf("%s: the backup is %s: %s", c.name, backup.Status.State, backup.Status.FailureReason)
	return reasoned("backup", string(backup.Status.State), backup.Status.FailureReason, backup.Status.Conditions)
}

// reasoned says what is wrong with the end of a run that is not Completed.
func reasoned(what, state, reason string, conditions []metav1.Condition) []string {
	ready := meta.FindStatusCondition(conditions, kahuv1.ConditionReady)
	if state == string(kahuv1.StateFailed) && reason != "" && ready != nil && ready.Reason != "" {
		return nil
	}
	return []string{fmt.Sprintf("the %s is %q, for the reason %q, %+v", what, state, reason, conditions)}
}

// restore restores with faults, and then without what may be missing.
func (c *faultCase) restore(name, source string) []string {
	c.t.Helper()
	target := "to-" + name
	defer func() {
		if err := c.client.Delete(c.t.Context(), &corev1.Namespace{ObjectMeta: named(target)}); client.IgnoreNotFound(err) != nil {
			c.t.Error(err)
		}
	}()
	c.strain(faultyprovider.Faults{})
	restore, ended := c.restoreOnce(name, source, target)
	if !ended {
		return []string{fmt.Sprintf("the restore does not end: %+v", restore.Status)}
	}
	c.outcomes["restore "+string(restore.Status.State)]++
	want := c.live(c.app)
	if restore.Status.State == kahuv1.StateCompleted {
		if diff := cmp.Diff(want, c.live(target)); diff != "" {
			return []string{"the restore is Completed, and not all is there: " + diff}
		}
		return nil
	}
	c.t.Logf("%s: the restore is %s: %s; %+v", c.name, restore.Status.State, restore.Status.FailureReason, restore.Status.Failed)
	wrong := reasoned("restore", string(restore.Status.State), restore.Status.FailureReason, restore.Status.Conditions)
	for key, content := range c.live(target) {
		if want[key] != content {
			wrong = append(wrong, fmt.Sprintf("the restore made %s of %s into %s", key, want[key], content))
		}
	}
	c.awaitLocation() // What was wrong with it may have been found just now.
	again, ended := c.restoreOnce(name+"-again", source, target)
	if diff := cmp.Diff(want, c.live(target)); !ended || again.Status.State != kahuv1.StateCompleted || diff != "" {
		wrong = append(wrong, fmt.Sprintf("restoring again, without faults: %+v: %s", again.Status, diff))
	}
	return wrong
}

func (c *faultCase) restoreOnce(name, source, target string) (*kahuv1.Restore, bool) {
	c.t.Helper()
	restore := &kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{
		BackupName: source, NamespaceMapping: map[string]kahuv1.NamespaceName{c.app: target},
	}}
	c.create(restore)
	ended := c.awaitCalmly(restore, func(gone bool) bool { return !gone && restore.Status.Stage == kahuv1.StageFinished })
	return restore, ended
}

// verify reads the backup back while the store fails, and does not lie about its files: no damage is found.
func (c *faultCase) verify(name string) []string {
	c.t.Helper()
	if c.forced == nil && c.random.IntN(2) == 0 {
		return nil
	}
	c.strain(faultyprovider.Faults{Short: 1})
	token := c.name
	backup := &kahuv1.Backup{ObjectMeta: named(name)}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, kahuv1.AnnotationVerify, token)
	if err := c.client.Patch(c.t.Context(), backup, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		c.t.Fatal(err)
	}
	answered := c.awaitCalmly(backup, func(bool) bool {
		answer := backup.Status.Verification
		return answer != nil && answer.Token == token && answer.Time != nil
	})
	found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified)
	if !answered || found == nil {
		return []string{fmt.Sprintf("the question has no answer: %+v", backup.Status)}
	}
	c.outcomes["verified "+string(found.Status)]++
	if found.Status == metav1.ConditionFalse || found.Message == "" {
		return []string{fmt.Sprintf("faults of the store are taken for damage: %+v, %+v", found, backup.Status.Verification)}
	}
	return nil
}

// remove deletes the backup with faults: nothing of it is left.
func (c *faultCase) remove(backup *kahuv1.Backup) []string {
	c.t.Helper()
	c.strain(faultyprovider.Faults{})
	if err := c.client.Delete(c.t.Context(), backup); err != nil {
		c.t.Fatal(err)
	}
	if !c.awaitCalmly(backup, func(gone bool) bool { return gone }) {
		return []string{fmt.Sprintf("it is not deleted: %+v", backup)}
	}
	c.outcomes["deleted"]++
	return nil
}

// awaitNoDebris waits until the location has been looked at without faults, and returns what nothing leads to.
func (c *faultCase) awaitNoDebris() (wrong []string) {
	c.t.Helper()
	object := &kahuv1.BackupLocation{ObjectMeta: named(location)}
	c.await(object, waitLimit, func(bool) bool {
		wrong = properties.Debris(c.t.Context(), c.files, c.names())
		return len(wrong) == 0
	})
	backups := &kahuv1.BackupList{}
	if err := c.client.List(c.t.Context(), backups); err != nil {
		c.t.Fatal(err)
	}
	for i := range backups.Items {
		if name := backups.Items[i].Name; name != "base" && strings.HasPrefix(name, "base") || backups.Items[i].Spec.Origin != nil {
			wrong = append(wrong, "a view shows what is shown already, or what is not there: "+name)
		}
	}
	return wrong
}
