package backuplocation_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/backuplocation"
)

// remembered reads what the cluster remembers of locations.
func (w *world) remembered(t *testing.T) *corev1.ConfigMap {
	t.Helper()
	found := &corev1.ConfigMap{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "kahu-system", Name: backuplocation.OwnedLocations}, found); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestOldLocationsAreForgotten: of a thousand and more locations that no BackupLocation has, the oldest are forgotten, so that
// others can be claimed. That holds too where there is no room for what is to be remembered.
func TestOldLocationsAreForgotten(t *testing.T) {
	for name, rows := range map[string]int{"there is room": 0, "it is full": 1100} {
		t.Run(name, func(t *testing.T) { oldAreForgotten(t, rows) })
	}
}

func oldAreForgotten(t *testing.T, rows int) {
	t.Helper()
	row := func(age time.Duration) string {
		return fmt.Sprintf(`{"clusterID":%q,"nonce":"n","written":%q}`, cluster, noon.Add(-age).Format(time.RFC3339))
	}
	w := newWorld(t, itself)
	kept := w.remembered(t)
	if len(kept.Data) != 1 {
		t.Fatalf("it remembers %v", kept.Data)
	}
	for i := range 1100 { // The higher the number, the older.
		kept.Data[fmt.Sprintf("unused-%04d", i)] = row(48*time.Hour + time.Duration(i)*time.Minute)
	}
	for i := range 10 {
		kept.Data[fmt.Sprintf("new-%04d", i)] = row(time.Hour)
		kept.Data[fmt.Sprintf("undated-%04d", i)] = fmt.Sprintf(`{"clusterID":%q,"nonce":"n"}`, cluster)
		kept.Data[fmt.Sprintf("broken-%04d", i)] = "?"
	}
	if err := w.client.Update(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	other := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	other.Status.LocationID = "undated-0003"
	if err := w.client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Status().Update(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.rows = rows
	w.claimAgain(t)

	left := w.remembered(t).Data
	for id, want := range map[string]bool{
		"unused-0000": true, "unused-0989": true, "unused-0990": false, "unused-1099": false,
		"new-0000": true, "undated-0003": true, "undated-0004": false, "broken-0000": false,
	} {
		if _, is := left[id]; is != want {
			t.Errorf("%s is remembered: %t", id, is)
		}
	}
	if len(left) != 1000+2 { // Two are in use.
		t.Errorf("it remembers %d", len(left))
	}
}

// TestAllOfADayIsRemembered: also where it is more than a thousand.
func TestAllOfADayIsRemembered(t *testing.T) {
	w := newWorld(t, itself)
	kept := w.remembered(t)
	for i := range 1100 {
		kept.Data[fmt.Sprintf("new-%04d", i)] = fmt.Sprintf(`{"clusterID":%q,"written":%q}`, cluster, noon.Add(-23*time.Hour).Format(time.RFC3339))
	}
	if err := w.client.Update(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	w.claimAgain(t)
	if left := len(w.remembered(t).Data); left != 1101 {
		t.Errorf("it remembers %d", left)
	}
}

// claimAgain lets a new life of the controller claim the location.
func (w *world) claimAgain(t *testing.T) {
	t.Helper()
	before := w.remembered(t).Data[w.location(t).Status.LocationID]
	w.again()
	for range 3 {
		if err := w.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if w.remembered(t).Data[w.location(t).Status.LocationID] == before {
		t.Fatal("it was not claimed again")
	}
}
