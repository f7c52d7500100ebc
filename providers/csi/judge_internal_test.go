package csi

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/provider"
)

func TestJudge(t *testing.T) {
	claim := func(source, phase string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: fields{
			"spec":   fields{"dataSourceRef": fields{"kind": snapshotKind, "name": source}},
			"status": fields{"phase": phase},
		}}
	}
	there := &unstructured.Unstructured{Object: fields{}}
	going := &unstructured.Unstructured{Object: fields{}}
	going.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(1, 0)})
	wrong := &unstructured.Unstructured{Object: fields{"status": fields{"error": fields{"message": "no such snapshot"}}}}
	found := &unstructured.Unstructured{Object: fields{}}
	found.SetAnnotations(map[string]string{boundByController: "yes"})
	older := &unstructured.Unstructured{Object: fields{}}
	older.SetCreationTimestamp(metav1.Time{Time: time.Unix(1, 0)})
	later := claim("us", "Bound")
	later.SetCreationTimestamp(metav1.Time{Time: time.Unix(2, 0)})
	cases := map[string]struct {
		seen sight
		want provider.VolumeState
	}{
		"the claim is not there yet":            {sight{snapshot: there, content: there}, provider.VolumeRunning},
		"the claim waits":                       {sight{claim: claim("us", "Pending"), snapshot: there, content: there}, provider.VolumeRunning},
		"the claim is bound":                    {sight{claim: claim("us", "Bound"), snapshot: there, content: there}, provider.VolumeSucceeded},
		"the claim is bound, and all gone":      {sight{claim: claim("us", "Bound")}, provider.VolumeSucceeded},
		"bound to a volume that was found":      {sight{claim: claim("us", "Bound"), volume: found, snapshot: there}, provider.VolumeFailed},
		"bound to one that waited for it":       {sight{claim: later, volume: older, snapshot: there}, provider.VolumeFailed},
		"the claim lost its volume":             {sight{claim: claim("us", "Lost"), snapshot: there, content: there}, provider.VolumeFailed},
		"another claim":                         {sight{claim: claim("other", "Bound"), snapshot: there, content: there}, provider.VolumeFailed},
		"nothing was made":                      {sight{}, ""},
		"nothing was made, and a claim waits":   {sight{claim: claim("us", "Pending")}, ""},
		"cancelled":                             {sight{claim: claim("us", "Pending"), snapshot: going, content: going}, provider.VolumeCancelled},
		"cancelled, and half gone":              {sight{content: going}, provider.VolumeCancelled},
		"cancelled too late":                    {sight{claim: claim("us", "Bound"), snapshot: going, content: going}, provider.VolumeSucceeded},
		"somebody deleted the VolumeSnapshot":   {sight{content: there}, provider.VolumeFailed},
		"something goes wrong":                  {sight{snapshot: there, content: wrong}, provider.VolumeRunning},
		"something has been wrong for too long": {sight{snapshot: there, content: wrong, stale: true}, provider.VolumeFailed},
		"it only takes long":                    {sight{snapshot: there, content: there, stale: true}, provider.VolumeRunning},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.seen.name = "us"
			got := judge(c.seen)
			if got.State != c.want || (got.Err != nil) != (c.want == provider.VolumeFailed) {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}
