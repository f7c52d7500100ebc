package selection_test

import (
	"os"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

func TestNever(t *testing.T) {
	cases := map[string]bool{
		"Event":                              true,
		"Event.events.k8s.io":                true,
		"Node":                               true,
		"ComponentStatus":                    true,
		"Lease.coordination.k8s.io":          true,
		"LeaseCandidate.coordination.k8s.io": true,
		"CertificateSigningRequest.certificates.k8s.io": true,
		"PodCertificateRequest.certificates.k8s.io":     true,
		"StorageVersion.internal.apiserver.k8s.io":      true,
		"IPAddress.networking.k8s.io":                   true,
		"ResourceSlice.resource.k8s.io":                 true,
		"CSINode.storage.k8s.io":                        true,
		"CSIStorageCapacity.storage.k8s.io":             true,
		"VolumeAttachment.storage.k8s.io":               true,
		"Backup.kahu.io":                                true,
		"Provider.kahu.io":                              true,
		"Restore.kahu.io":                               true,
		"Inspection.kahu.io":                            true,
		"KindOfALaterRelease.kahu.io":                   true,

		"BackupLocation.kahu.io":                 false,
		"TransformSet.kahu.io":                   false,
		"Pod":                                    false,
		"Endpoints":                              false,
		"Node.example.com":                       false,
		"Lease.example.com":                      false,
		"CSIDriver.storage.k8s.io":               false,
		"Backup.velero.io":                       false,
		"Backup.sub.kahu.io":                     false,
		"ServiceCIDR.networking.k8s.io":          false,
		"VolumeSnapshot.snapshot.storage.k8s.io": false,
	}
	page, err := os.ReadFile("../../../docs/selection.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			called, group, _ := strings.Cut(name, ".")
			plural := strings.ToLower(called) + "s"
			switch {
			case called == "Endpoints":
				plural = "endpoints"
			case strings.HasSuffix(plural, "ys"):
				plural = strings.TrimSuffix(plural, "ys") + "ies"
			case strings.HasSuffix(plural, "ss"):
				plural = strings.TrimSuffix(plural, "s") + "es"
			}
			reason, got := selection.Never(core.Kind{Group: group, Name: called, Resource: plural})
			if got != want || (reason != "") != want {
				t.Errorf("Never says %v (%q)", got, reason)
			}
			if want && group != "kahu.io" && !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/selection.md does not name %s", name)
			}
		})
	}
}

func TestNeverObject(t *testing.T) {
	configMap := namespaced("", "v1", "ConfigMap", "configmaps")
	apiService := clustered("apiregistration.k8s.io", "v1", "APIService", "apiservices")
	definition := clustered("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions")
	snapshot := namespaced("snapshot.storage.k8s.io", "v1", "VolumeSnapshot", "volumesnapshots")
	content := clustered("snapshot.storage.k8s.io", "v1", "VolumeSnapshotContent", "volumesnapshotcontents")
	class := clustered("snapshot.storage.k8s.io", "v1", "VolumeSnapshotClass", "volumesnapshotclasses")
	group := clustered("groupsnapshot.storage.k8s.io", "v1", "VolumeGroupSnapshotContent", "volumegroupsnapshotcontents")
	groupClass := clustered("groupsnapshot.storage.k8s.io", "v1", "VolumeGroupSnapshotClass", "volumegroupsnapshotclasses")
	ofBackup := map[string]string{"kahu.io/backup-uid": "an-uid"}
	ofProvider := map[string]string{"app.kubernetes.io/managed-by": "kahu-provider-csi"}
	managed := map[string]string{"kube-aggregator.kubernetes.io/automanaged": "onstart"}
	cases := map[string]struct {
		kind   core.Kind
		name   string
		labels map[string]string
		want   bool
	}{
		"the certificate of the cluster":           {kind: configMap, name: "kube-root-ca.crt", want: true},
		"another config map":                       {kind: configMap, name: "settings", labels: managed},
		"a secret of that name":                    {kind: namespaced("", "v1", "Secret", "secrets"), name: "kube-root-ca.crt"},
		"an API that the server serves itself":     {kind: apiService, name: "v1.apps", labels: managed, want: true},
		"a definition of Kahu":                     {kind: definition, name: "backups.kahu.io", want: true},
		"a definition of somebody else":            {kind: definition, name: "backups.notkahu.io"},
		"a snapshot that a backup cuts":            {kind: snapshot, name: "s", labels: ofBackup, want: true},
		"its content":                              {kind: content, name: "snapcontent-1", labels: ofBackup, want: true},
		"a snapshot that a restore is made from":   {kind: snapshot, name: "s", labels: ofProvider, want: true},
		"one that is referred to":                  {kind: snapshot, name: "kahu-0123456789abcdef0123456789abcdef", want: true},
		"one of a backup that is referred to":      {kind: snapshot, name: "kahu-0123456789abcdef01234567", want: true},
		"a content that is to be deleted":          {kind: content, name: "kahu-delete-0123456789abcdef0123456789abcdef", want: true},
		"a group of snapshots that is cut":         {kind: group, name: "g", labels: ofBackup, want: true},
		"a group that a restore is made from":      {kind: group, name: "g", labels: ofProvider, want: true},
		"a group that is to be deleted":            {kind: group, name: "kahu-delete-0123456789abcdef0123456789abcdef", want: true},
		"a group of somebody else":                 {kind: group, name: "kahu-nightly"},
		"a class of groups":                        {kind: groupClass, name: "c", labels: ofBackup},
		"a snapshot of somebody else":              {kind: snapshot, name: "kahu-nightly", labels: managed},
		"a snapshot with a date":                   {kind: snapshot, name: "kahu-20261122"},
		"a class":                                  {kind: class, name: "c", labels: ofBackup},
		"a claim that a snapshot is read through":  {kind: namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"), name: "kahu-0123456789abcdef01234567", labels: ofBackup, want: true},
		"a claim of somebody else by such a name":  {kind: namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"), name: "kahu-0123456789abcdef01234567"},
		"a claim with such a label":                {kind: namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"), name: "c", labels: ofBackup},
		"an API that another server was added for": {kind: apiService, name: "v1beta1.metrics.k8s.io"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			reason, got := selection.NeverObject(tc.kind, tc.name, tc.labels)
			if got != tc.want || (reason != "") != tc.want {
				t.Errorf("NeverObject says %v (%q)", got, reason)
			}
		})
	}
}
