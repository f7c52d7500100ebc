package rescue_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/recovery"
	"github.com/soda-cdm/kahu/internal/rescue"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// unlisted is a cluster in which one kind cannot be listed.
type unlisted struct {
	*fakecluster.Cluster

	kind string
}

func (u unlisted) ListMetadata(ctx context.Context, request core.ListRequest, visit func(page core.MetadataPage) error) error {
	if request.Kind.Name == u.kind {
		return errors.New("what serves it is away")
	}
	return u.Cluster.ListMetadata(ctx, request, visit)
}

// TestInhabitants: whoever has a namespace of their own lives in a cluster, and whoever has something in namespace default.
func TestInhabitants(t *testing.T) {
	t.Parallel()
	maps, gadgets := fakecluster.Kind("", "ConfigMap", "configmaps", true), fakecluster.Kind("example.com", "Gadget", "gadgets", true)
	services, broken := fakecluster.Kind("", "Service", "services", true), fakecluster.Kind("example.com", "Broken", "brokens", true)
	choice := recovery.Choice{Found: recovery.Found{ID: archive.BackupID{Name: "nightly", UID: "12345678-9"}}}
	namespace := func(name string) client.Object { return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	for name, test := range map[string]struct {
		objects []client.Object // besides those of every cluster
		fill    func(cluster *fakecluster.Cluster)
		want    []string
	}{
		"nobody": {},
		"somebody with a namespace": {
			objects: []client.Object{namespace("shop")}, want: []string{"namespace shop"},
		},
		"somebody in default": {
			fill: func(cluster *fakecluster.Cluster) { cluster.Put(t, maps, "default", "settings", `{}`) },
			want: []string{"ConfigMap default/settings"},
		},
		"somebody with a kind of their own": {
			fill: func(cluster *fakecluster.Cluster) { cluster.Put(t, gadgets, "default", "g", `{}`) },
			want: []string{"Gadget default/g"},
		},
		"the restore that is gone on with": {
			objects: []client.Object{namespace("shop"), &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "recover-nightly-12345678"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := runtime.NewScheme()
			if err := errors.Join(corev1.AddToScheme(known), kahuv1.AddToScheme(known)); err != nil {
				t.Fatal(err)
			}
			inside := fakecluster.New(maps, gadgets, services, broken)
			inside.Put(t, maps, "default", "kube-root-ca.crt", `{}`)
			inside.Put(t, maps, "kube-system", "settings", `{}`)
			inside.Put(t, services, "default", "kubernetes", `{}`)
			if test.fill != nil {
				test.fill(inside)
			}
			objects := append([]client.Object{namespace("default"), namespace("kube-system"), namespace("kahu-system")}, test.objects...)
			cluster := &rescue.Cluster{
				Client: fake.NewClientBuilder().WithScheme(known).WithObjects(objects...).Build(), Namespace: "kahu-system",
				Lister: unlisted{inside, "Broken"},
			}
			if got, err := cluster.Inhabitants(t.Context(), choice); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}
