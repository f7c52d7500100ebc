package e2e_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"syscall"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// mainMarker is the marker of the location main, below the whole store.
const mainMarker = "main/" + archive.MarkerName

// badLocations are places that cannot be written to.
func badLocations() map[string]badInput {
	return map[string]badInput{
		"UnknownProvider": {
			harm:   func(s *scene) func() { return s.badLocation("nobody", nil) },
			backup: func(spec *kahuv1.BackupSpec) { spec.MetadataLocation = "unknownprovider" },
			reason: kahuv1.ReasonProviderNotFound, field: "spec.metadataLocation", says: "correct the name",
		},
		"PathLeavesStore": {
			harm:   func(s *scene) func() { return s.badLocation(fileProvider, map[string]string{"path": "../.."}) },
			backup: func(spec *kahuv1.BackupSpec) { spec.MetadataLocation = "pathleavesstore" },
			reason: kahuv1.ReasonStoreDenied, field: "spec.metadataLocation", says: "check spec.config",
		},
		"MisspelledKey": {
			harm:   func(s *scene) func() { return s.badLocation(fileProvider, map[string]string{"pth": "team"}) },
			backup: func(spec *kahuv1.BackupSpec) { spec.MetadataLocation = "misspelledkey" },
			reason: kahuv1.ReasonStoreDenied, field: "spec.metadataLocation", says: `"pth" is not known; those that are: path`,
		},
		"Unreachable": {
			harm: func(s *scene) func() {
				provider := s.tree.child("provider", 1)
				s.tree.signal(provider, syscall.SIGSTOP)
				s.awaitUnavailable("main")
				return func() {
					s.tree.signal(provider, syscall.SIGCONT)
					s.awaitLocation("main", metav1.ConditionTrue)
				}
			},
			reason: kahuv1.ReasonProviderUnavailable, field: "spec.metadataLocation", says: "logs of its driver",
		},
		"MarkerMissing": {
			harm: func(s *scene) func() {
				return s.badMarker(func(string) { s.store.remove(mainMarker) })
			},
			reason: kahuv1.ReasonMarkerMissing, field: "spec.metadataLocation", says: "mounted",
		},
		"MarkerOfAnotherLocation": {
			harm: func(s *scene) func() {
				return s.badMarker(func(string) {
					other, err := archive.EncodeMarker(archive.Marker{LocationID: "another-one", Created: clock.RealClock{}.Now()})
					if err != nil {
						s.t.Fatal(err)
					}
					s.store.write(mainMarker, other)
				})
			},
			reason: kahuv1.ReasonMarkerMismatch, field: "spec.metadataLocation", says: "spec.config",
		},
		"FullDisk": {
			harm:   fillDisk,
			backup: func(spec *kahuv1.BackupSpec) { spec.MetadataLocation = "fulldisk" },
			reason: kahuv1.ReasonStoreFull, field: "no space left", says: "make room",
		},
	}
}

// badBackups cannot be restored from, or not wholly.
func badBackups() map[string]badInput {
	same := func(*kahuv1.RestoreSpec) {}
	return map[string]badInput{
		"ManifestGone": {
			harm:    func(s *scene) func() { return s.damage("/manifest.json", nil) },
			restore: same, reason: kahuv1.ReasonManifestNotFound, field: "spec.backupName", says: "no manifest",
		},
		"ManifestOfANewerFormat": {
			harm:    func(s *scene) func() { return s.damage("/manifest.json", makeNewer) },
			restore: same, reason: kahuv1.ReasonManifestTooNew, field: "manifest.json", says: "newer",
		},
		"ManifestDamaged": {
			harm:    func(s *scene) func() { return s.damage("/manifest.json", flipByte) },
			restore: same, reason: kahuv1.ReasonArchiveCorrupt, field: "manifest.json", says: "from a copy",
		},
		"SegmentDamaged": {
			harm:    func(s *scene) func() { return s.damage(".tar.zst", flipByte) },
			restore: same, reason: kahuv1.ReasonArchiveCorrupt, field: ".tar.zst", says: "from a copy",
		},
		"SegmentGone": {
			harm:    func(s *scene) func() { return s.damage(".tar.zst", nil) },
			restore: same, reason: kahuv1.ReasonArchiveCorrupt, field: ".tar.zst", says: "from a copy",
		},
		"IndexDamaged": {
			harm:    func(s *scene) func() { return s.damage("/index.zst", flipByte) },
			restore: same, reason: kahuv1.ReasonArchiveCorrupt, field: "index", says: "from a copy",
		},
		"ObjectRefused": {
			harm: refuseObject, restore: same, reason: kahuv1.ReasonPartiallyFailed, field: "/settings", says: "not on my watch",
		},
	}
}

// badLocation makes a location of the row's name that never is Ready, and returns what makes it a good one.
func (s *scene) badLocation(provider string, config map[string]string) func() {
	s.t.Helper()
	s.create(&kahuv1.BackupLocation{
		ObjectMeta: named(s.name), Spec: kahuv1.BackupLocationSpec{ProviderName: provider, Config: config},
	})
	bad := s.awaitLocation(s.name, metav1.ConditionFalse)
	return func() {
		good := bad.DeepCopy()
		good.Spec = kahuv1.BackupLocationSpec{ProviderName: fileProvider, Config: map[string]string{"path": s.name}}
		if err := s.client.Patch(s.t.Context(), good, client.MergeFrom(bad)); err != nil {
			s.t.Fatal(err)
		}
		s.awaitLocation(s.name, metav1.ConditionTrue)
	}
}

// badMarker spoils the marker of the location main.
func (s *scene) badMarker(spoil func(name string)) func() {
	s.t.Helper()
	was := s.store.read(mainMarker)
	spoil(mainMarker)
	s.awaitLocation("main", metav1.ConditionFalse)
	return func() {
		s.store.write(mainMarker, was)
		s.awaitLocation("main", metav1.ConditionTrue)
	}
}

// damage changes, or removes, the file of the good backup with that end.
func (s *scene) damage(end string, change func(content []byte) []byte) func() {
	s.t.Helper()
	name := oneOf(s.t, s.files, end)
	was := s.store.read(name)
	if change == nil {
		s.store.remove(name)
	} else {
		s.store.write(name, change(bytes.Clone(was)))
	}
	s.forget()
	return func() { s.store.write(name, was) }
}

// forget removes what the backup would be restored to, so that the restore has something to do.
func (s *scene) forget() {
	s.t.Helper()
	s.remove(&corev1.ConfigMap{ObjectMeta: in(s.namespace, "settings")})
}

// awaitUnavailable returns when the location says that its provider is not available.
func (s *scene) awaitUnavailable(location string) {
	s.t.Helper()
	await(s.api, &kahuv1.BackupLocation{ObjectMeta: named(location)}, func(location *kahuv1.BackupLocation) bool {
		return reason(location.Status.Conditions, kahuv1.ConditionReady) == kahuv1.ReasonProviderUnavailable
	})
}

func flipByte(content []byte) []byte {
	content[len(content)/2] ^= 1
	return content
}

// makeNewer makes a manifest one of the next format version, whole and with the right digest.
func makeNewer(content []byte) []byte {
	body, _, _ := bytes.Cut(content, []byte("\n"))
	body = bytes.Replace(body, []byte(`"formatVersion":1,`), []byte(`"formatVersion":3,"novelty":true,`), 1)
	return append(append(body, '\n'), []byte(`{"digest":"`+string(archive.DigestOf(body))+`"}`+"\n")...)
}

// refuseObject makes the API server refuse the creation of one config map.
func refuseObject(s *scene) func() {
	s.t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: named("refuse-" + s.namespace),
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: new(admissionv1.Fail),
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: s.namespace}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
				}}},
			},
			Validations: []admissionv1.Validation{{
				Expression: `object.metadata.name != "settings"`, Message: "not on my watch",
			}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: named("refuse-" + s.namespace),
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}
	s.forget()
	s.create(policy, binding)
	s.t.Cleanup(func() { s.drop(binding, policy) })
	// The API server takes a policy up after a while, and says nothing of it: it is tried until it is refused, or not.
	refused := func(wanted bool) {
		probe := &corev1.ConfigMap{ObjectMeta: in(s.namespace, "settings")}
		s.eventually("the policy to be taken up", func() bool {
			return (s.client.Create(s.t.Context(), probe.DeepCopy(), client.DryRunAll) != nil) == wanted
		})
	}
	refused(true)
	return func() {
		s.remove(binding, policy)
		refused(false)
	}
}

// fillDisk puts a small file system below a location of its own.
func fillDisk(s *scene) func() {
	s.t.Helper()
	if os.Geteuid() != 0 {
		s.t.Skip("NOT TESTED: a full disk needs a file system of its own, and mounting one needs root")
	}
	folder := filepath.Join(s.folder, s.name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=256k"); err != nil {
		s.t.Fatalf("mounting a small file system: %v", err)
	}
	s.t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			s.t.Errorf("unmounting: %v", err)
		}
	})
	noise := make([]byte, 700<<10)
	_, _ = rand.Read(noise) // never fails
	ballast := &corev1.ConfigMap{ObjectMeta: in(s.namespace, "ballast"), BinaryData: map[string][]byte{"noise": noise}}
	s.create(ballast)
	s.t.Cleanup(func() { s.drop(ballast) })
	s.newLocation(s.name, fileProvider, map[string]string{"path": s.name})
	return func() {
		if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
			s.t.Fatalf("enlarging the file system: %v", err)
		}
	}
}
