package rescue_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/rescue"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

// judged returns a location as the manager has judged it.
func judged(name, id, reason, message string) *kahuv1.BackupLocation {
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: name}}
	location.Status.LocationID = id
	location.Status.Conditions = []metav1.Condition{{Type: kahuv1.ConditionReady, Reason: reason, Message: message}}
	return location
}

// TestTidyUp: what the rescue has made goes when its own place has come back, and stays when other places have, be it twice.
func TestTidyUp(t *testing.T) {
	t.Parallel()
	const place, other = "5f0c54a5-95f2-4b0d-8d7d-0b8f7a0a3c11", "e2b7c0ff-3c39-4c7b-a9c7-9d6b0a5f4e22"
	recovery := judged(rescue.LocationName, place, kahuv1.ReasonAvailable, "")
	twice := func(name, of, id string) *kahuv1.BackupLocation {
		return judged(name, "", kahuv1.ReasonLocationTwice, `BackupLocation "`+of+`" is the same place (location `+id+`)`)
	}
	for name, test := range map[string]struct {
		locations []client.Object
		home      string
	}{
		"nothing else came back": {locations: []client.Object{recovery}},
		"its place came back":    {[]client.Object{recovery, twice("main", rescue.LocationName, place)}, "main"},
		"another place came back": {
			locations: []client.Object{recovery, judged("archive", other, kahuv1.ReasonAvailable, "")},
		},
		"another place came back twice": {
			locations: []client.Object{recovery, judged("archive", other, kahuv1.ReasonAvailable, ""), twice("attic", "archive", other)},
		},
		"both": {
			[]client.Object{
				recovery, judged("archive", other, kahuv1.ReasonAvailable, ""), twice("attic", "archive", other), twice("main", rescue.LocationName, place),
			}, "main",
		},
		"the place of the rescue is not known": {
			locations: []client.Object{judged(rescue.LocationName, "", kahuv1.ReasonPending, ""), twice("attic", "archive", other)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kahu-system", Name: "kahu-recovery-identity"}}
			to := fakeapi.New(t, corev1.AddToScheme).WithObjects(append(slices.Clone(test.locations), secret)...).
				WithIndex(&kahuv1.BackupLocation{}, "metadata.name", func(each client.Object) []string { return []string{each.GetName()} }).Build()
			cluster := &rescue.Cluster{Client: to, Namespace: "kahu-system"}
			home, err := cluster.TidyUp(t.Context())
			if err != nil || home != test.home {
				t.Errorf("it came back as %q, %v; want %q", home, err, test.home)
			}
			tidy, err := cluster.IsTidy(t.Context())
			secrets := &corev1.SecretList{}
			if listErr := to.List(t.Context(), secrets); err != nil || listErr != nil || tidy != (test.home != "") || (len(secrets.Items) == 0) != tidy {
				t.Errorf("tidy: %t, %d Secrets, %v, %v", tidy, len(secrets.Items), err, listErr)
			}
		})
	}
}
