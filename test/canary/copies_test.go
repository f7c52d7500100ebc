package canary_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// increments backs up what has changed in a Secret, at a location that is encrypted and at one that is not.
func (w *world) increments(hidden secrets) {
	w.t.Helper()
	secret := &corev1.Secret{}
	check(w.t, w.api.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: "password"}, secret))
	secret.Data["other"] = []byte(hidden.planted["what changed it again"])
	check(w.t, w.api.Update(w.t.Context(), secret))
	for _, at := range []string{"sealed", "plain"} {
		next := at + "-next"
		w.must(w.cli("backup", "create", next, "--location", at, "--include-namespaces", "shop", "--volume-data=false",
			"--mode", "incremental", "--wait"), "completed")
		w.must(w.cli("backup", "describe", next), "Incremental, on "+at)
		w.cli("backup", "logs", next)
		w.must(w.cli("backup", "diff", at, next, "--fields"), "password")
		w.must(w.cli("backup", "verify", next, "--wait"), "is as it was written")
		w.must(w.cli("restore", "create", "of-"+next, "--backup", next, "--namespace-mapping", "shop=of-"+next, "--wait"), "completed")
		w.cli("restore", "logs", "of-"+next)
	}
}

// copies makes copies at second locations, well and badly.
func (w *world) copies(hidden secrets) {
	w.t.Helper()
	w.place("vault", nil, right(), w.encrypted("identity-of-vault", hidden.identity.String(), hidden))
	w.place("plain-offsite", nil, right(), nil)
	for backup, to := range map[string]string{"sealed-next": "vault", "plain-next": "plain-offsite"} {
		w.must(w.cli("backup", "copy", backup, "--to", to, "--wait"), "copied to "+to)
		copied := backup + "-" + to
		w.await(&kahuv1.BackupList{}, copied, func(client.Object) bool { return true })
		w.must(w.cli("backup", "verify", copied, "--wait"), "is as it was written")
		w.cli("backup", "describe", copied)
		w.must(w.cli("restore", "create", "of-"+copied, "--backup", copied, "--namespace-mapping", "shop=of-"+copied, "--wait"), "completed")
	}
	w.must(w.cli("backup", "copy", "plain", "--to", "vault", "--wait"), "not encrypted")
	w.talkingTarget(hidden)
	w.damagedSource()
}

// talkingTarget copies to a location whose service quotes the credentials that it refuses, and to one whose connections end.
func (w *world) talkingTarget(hidden secrets) {
	w.t.Helper()
	before := newProxy(w.t, w.store.URL)
	w.place("talks", map[string]string{"endpoint": before.URL}, right(), nil)
	for mode, says := range map[int32]string{refusingFiles: "[credential]", cutting: "talks"} {
		before.mode.Store(mode)
		w.cli("backup", "copy", "plain", "--to", "talks")
		w.await(&kahuv1.BackupList{}, "plain", func(object client.Object) bool {
			backup, is := object.(*kahuv1.Backup)
			return is && strings.Contains(messageOf(backup, "talks"), says)
		})
		w.cli("backup", "describe", "plain")
		w.cli("backup", "get", "plain", "-o", "yaml")
		w.cli("backup", "copy", "plain", "--to", "talks", "--cancel")
	}
	before.mode.Store(refusing)
	credentials := map[string]string{"sessionToken": hidden.planted["a session token"]} // Now, as the store takes none.
	maps.Copy(credentials, right())
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "credentials-talks"}, StringData: credentials}
	check(w.t, w.api.Update(w.t.Context(), secret))
	w.await(&kahuv1.BackupLocationList{}, "talks", func(object client.Object) bool {
		location, is := object.(*kahuv1.BackupLocation)
		if !is {
			return false
		}
		ready := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionReady)
		return ready != nil && strings.Contains(ready.Message, "[credential]")
	})
	w.judged("talks")
	address := "s3://backups/talks?endpoint=" + before.URL
	environment := []string{}
	for name, key := range map[string]string{
		"AWS_ACCESS_KEY_ID": "accessKeyID", "AWS_SECRET_ACCESS_KEY": "secretAccessKey", "AWS_SESSION_TOKEN": "sessionToken",
	} {
		environment = append(environment, name+"="+credentials[key])
	}
	w.must(w.recover(environment, "--location", address), "[credential]")
}

// damagedSource has a backup verified, copied, restored and built upon in which there is damage.
func (w *world) damagedSource() {
	w.t.Helper()
	w.place("plain-spoilt", nil, right(), nil)
	w.must(w.cli("backup", "create", "spoilt", "--location", "plain-spoilt", "--include-namespaces", "shop", "--volume-data=false", "--wait"), "completed")
	segments, err := filepath.Glob(filepath.Join(w.store.Root, "backups", "plain-spoilt", "clusters", "*", "segments", "*"))
	check(w.t, err)
	for _, name := range segments {
		content, err := os.ReadFile(name)
		check(w.t, err)
		content[len(content)/2] ^= 0xff
		check(w.t, os.WriteFile(name, content, 0o600))
	}
	w.must(w.cli("backup", "copy", "spoilt", "--to", "plain-offsite", "--wait"), "has digest")
	w.must(w.cli("restore", "create", "of-spoilt", "--backup", "spoilt", "--namespace-mapping", "shop=of-spoilt", "--wait"), "damaged")
	w.must(w.cli("backup", "verify", "spoilt", "--wait"), "damage")
	w.cli("backup", "create", "on-spoilt", "--location", "plain-spoilt", "--include-namespaces", "shop", "--volume-data=false",
		"--mode", "incremental", "--wait")
	w.must(w.cli("backup", "describe", "on-spoilt"), "BaseDamaged")
}

// messageOf returns what is said of the copy of a backup at a location.
func messageOf(backup *kahuv1.Backup, location string) string {
	for _, row := range backup.Status.Copies {
		if row.Location == location {
			return row.Message
		}
	}
	return ""
}
