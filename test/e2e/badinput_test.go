package e2e_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// badInput is one wrong thing: what is done, and what must come of it.
type badInput struct {
	// harm makes the thing wrong and returns what puts it right. A row whose wish itself is wrong has none.
	harm func(s *scene) (mend func())
	// backup and restore change the wish of the run; a row with restore is about a Restore of a good backup.
	backup  func(spec *kahuv1.BackupSpec)
	restore func(spec *kahuv1.RestoreSpec)
	// reason is that of the condition Ready, field what the status names, says a part of what a person is told to do.
	reason, field, says string
}

// scene is what a row works on.
type scene struct {
	*world

	name      string // the row's own name for its objects
	namespace string
	tree      *tree
	folder    string // of the whole store
	good      *kahuv1.Backup
	files     []string // of the good backup, below the whole store
}

// outcome is what a run says of itself.
type outcome struct {
	state      kahuv1.State
	conditions []metav1.Condition
	words      string // all that names a field or says what to do
}

func badInputs() map[string]badInput {
	rows := maps.Clone(badWishes())
	maps.Copy(rows, badLocations())
	maps.Copy(rows, badBackups())
	return rows
}

// badWishes are wrong in themselves.
func badWishes() map[string]badInput {
	return map[string]badInput{
		"LocationNotFound": {
			backup: func(spec *kahuv1.BackupSpec) { spec.MetadataLocation = "nowhere" },
			reason: kahuv1.ReasonLocationNotFound, field: "spec.metadataLocation", says: "create it",
		},
		"VolumeLocationNotFound": {
			backup: func(spec *kahuv1.BackupSpec) {
				spec.EnableVolumeBackup, spec.VolumeBackupLocations = nil, []string{"nowhere"}
			},
			reason: kahuv1.ReasonLocationNotFound, field: "spec.volumeBackupLocations[0]", says: "create it",
		},
		"VolumeLocationOfObjects": {
			backup: func(spec *kahuv1.BackupSpec) {
				spec.EnableVolumeBackup, spec.VolumeBackupLocations = nil, []string{spec.MetadataLocation}
			},
			reason: kahuv1.ReasonProviderWrongType, field: "spec.volumeBackupLocations[0]", says: "VolumeProvider",
		},
		"NamespaceNotFound": {
			backup: func(spec *kahuv1.BackupSpec) { spec.IncludeNamespaces = []string{"no-such-namespace"} },
			reason: kahuv1.ReasonNamespaceNotFound, field: "spec.includeNamespaces[0]", says: "no-such-namespace",
		},
		"KindNotFound": {
			backup: func(spec *kahuv1.BackupSpec) {
				spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "ConfigMap"}, {Kind: "Deploymint"}}
			},
			reason: kahuv1.ReasonKindNotFound, field: "spec.includeResources[1].kind", says: "Deploymint",
		},
		"ExpressionDoesNotCompile": {
			backup: func(spec *kahuv1.BackupSpec) {
				spec.ExcludeResources = []kahuv1.ResourceFilter{{Kind: "ConfigMap", Name: "a(", IsRegex: true}}
			},
			reason: kahuv1.ReasonInvalidExpression, field: "spec.excludeResources[0].name", says: "a(",
		},
		"SelectorDoesNotCompile": {
			backup: func(spec *kahuv1.BackupSpec) {
				spec.Label = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "not a value"}}
			},
			reason: kahuv1.ReasonInvalidExpression, field: "spec.label", says: "not a value",
		},
		"BackupNotFound": {
			restore: func(spec *kahuv1.RestoreSpec) { spec.BackupName = "no-such-backup" },
			reason:  kahuv1.ReasonBackupNotFound, field: "spec.backupName", says: "kubectl get backups.kahu.io",
		},
		"NamespaceNotInBackup": {
			restore: func(spec *kahuv1.RestoreSpec) { spec.IncludeNamespaces = []string{"kube-system"} },
			reason:  kahuv1.ReasonNamespaceNotFound, field: "spec.includeNamespaces[0]", says: "kube-system",
		},
		"KindNotInBackup": {
			restore: func(spec *kahuv1.RestoreSpec) {
				spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "Deploymint"}}
			},
			reason: kahuv1.ReasonKindNotFound, field: "spec.includeResources[0].kind", says: "Deploymint",
		},
		"RestoreExpressionDoesNotCompile": {
			restore: func(spec *kahuv1.RestoreSpec) {
				spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "ConfigMap", Name: "[", IsRegex: true}}
			},
			reason: kahuv1.ReasonInvalidExpression, field: "spec.includeResources[0].name", says: "[",
		},
	}
}

func TestBadInput(t *testing.T) {
	w, running := newFileWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}})
	rows := badInputs()
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		t.Run(name, func(t *testing.T) {
			own := &scene{
				world: w.during(t), name: strings.ToLower(name), namespace: namespace, tree: running,
				folder: running.folder,
			}
			own.store = folderSide{t: t, folder: running.folder}
			own.play(rows[name])
		})
	}
}

// play does a row.
func (s *scene) play(row badInput) {
	s.t.Helper()
	if row.restore != nil {
		before := s.listing()
		s.good = s.completedBackup(s.name+"-good", only(s.namespace))
		s.files = s.added(before)
	}
	mend := func() {}
	if row.harm != nil {
		mend = row.harm(s)
	}
	before := s.listing()
	bad := s.run(s.name+"-bad", row)
	s.unchanged(before)
	if bad.state != kahuv1.StateFailed {
		s.t.Errorf("the run is %s", bad.state)
	}
	if found := reason(bad.conditions, kahuv1.ConditionReady); found != row.reason || reason(bad.conditions, kahuv1.ConditionStalled) != row.reason {
		s.t.Errorf("the reason is %s, wanted %s: %+v", found, row.reason, bad.conditions)
	}
	if reason(bad.conditions, kahuv1.ConditionReconciling) != "" {
		s.t.Errorf("the run that is over seems to go on: %+v", bad.conditions)
	}
	if !strings.Contains(bad.words, row.field) || !strings.Contains(bad.words, row.says) {
		s.t.Errorf("%q and %q are not both in: %s", row.field, row.says, bad.words)
	}
	mend()
	if row.harm == nil {
		row.backup = nil
		if row.restore != nil {
			row.restore = func(*kahuv1.RestoreSpec) {}
		}
	}
	if next := s.run(s.name+"-next", row); next.state != kahuv1.StateCompleted {
		s.t.Errorf("the next run is %s: %s", next.state, next.words)
	}
	if !s.get(&corev1.ConfigMap{ObjectMeta: in(s.namespace, "settings")}) {
		s.t.Error("what was lost is not back")
	}
}

// run does the run of a row to its end.
func (s *scene) run(name string, row badInput) outcome {
	s.t.Helper()
	if row.restore != nil {
		status := s.world.restore(name, s.good.Name, row.restore).Status
		return outcome{status.State, status.Conditions, strings.Join(append(
			append(status.ValidationErrors, status.FailureReason), problems(status.Failed)...), "\n")}
	}
	status := s.backUp(name, func(spec *kahuv1.BackupSpec) {
		only(s.namespace)(spec)
		if row.backup != nil {
			row.backup(spec)
		}
	}).Status
	return outcome{status.State, status.Conditions, strings.Join(append(
		append(status.ValidationErrors, status.FailureReason), problems(status.Missing)...), "\n")}
}

func problems(rows []kahuv1.ItemProblem) []string {
	var words []string
	for _, row := range rows {
		words = append(words, strings.Join([]string{row.Kind, row.Namespace + "/" + row.Name, row.Reason, row.Message}, " "))
	}
	return words
}
