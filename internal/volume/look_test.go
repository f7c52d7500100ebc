package volume_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/volume"
)

func TestLookTellsWhatIsThere(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.class("look")
	bound := w.claim("bound")
	unbound, none := core.Key{Namespace: w.namespace, Name: "unbound"}, ""
	w.create(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "unbound"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &none,
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}})
	facts, err := w.volumes.Look(t.Context(), []core.Key{bound, unbound, {Namespace: w.namespace, Name: "gone"}})
	if err != nil {
		t.Fatal(err)
	}
	first := facts.Claims[0]
	if first.Driver != driver || first.Source != "csi" || first.Size != 1<<30 || first.Mode != "Filesystem" || first.Volume == "" {
		t.Errorf("%+v", first)
	}
	if facts.Claims[1].Volume != "" || facts.Claims[1].Gone || !facts.Claims[2].Gone {
		t.Errorf("%+v", facts.Claims)
	}
	if !slices.ContainsFunc(facts.Classes, func(class volumeplan.Class) bool { return class.Name == "look" && class.Driver == driver }) {
		t.Errorf("%+v, %s", facts.Classes, facts.NoSnapshots)
	}
	if err := w.Get(t.Context(), client.ObjectKey{Name: "nothing"}, &kahuv1.Provider{}); !apierrors.IsNotFound(err) {
		t.Errorf("the world is not what it seems: %v", err)
	}
}
