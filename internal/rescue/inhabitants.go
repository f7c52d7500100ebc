package rescue

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/recovery"
)

// Lister lists what is in a cluster.
type Lister interface {
	Kinds(ctx context.Context) ([]core.Kind, []core.UnservedGroup, error)
	ListMetadata(ctx context.Context, request core.ListRequest, visit func(page core.MetadataPage) error) error
}

// maxInhabitants is how many are named: one is enough to know that the cluster is not empty.
const maxInhabitants = 5

// Inhabitants names what others than Kubernetes and Kahu have in a cluster: namespaces, and where there is none, objects in
// namespace default. A cluster into which this backup is already being restored has none: what is there is expected.
func (c *Cluster) Inhabitants(ctx context.Context, choice recovery.Choice) ([]string, error) {
	begun := &kahuv1.Restore{}
	err := c.Client.Get(ctx, client.ObjectKey{Name: restoreName(choice)}, begun)
	if err == nil {
		return nil, nil
	}
	if !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("looking for an earlier restore: %w", err)
	}
	names, err := c.namespaces(ctx)
	if err != nil || len(names) > 0 {
		return names, err
	}
	return c.inDefault(ctx)
}

// namespaces names those that are neither Kubernetes' nor Kahu's own.
func (c *Cluster) namespaces(ctx context.Context) ([]string, error) {
	namespaces := &corev1.NamespaceList{}
	if err := c.Client.List(ctx, namespaces); err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	var names []string
	for i := range namespaces.Items {
		name := namespaces.Items[i].Name
		if name != metav1.NamespaceDefault && name != c.Namespace && !strings.HasPrefix(name, "kube-") && len(names) < maxInhabitants {
			names = append(names, "namespace "+name)
		}
	}
	return names, nil
}

// inDefault names objects of namespace default that Kubernetes has not put there. A kind that cannot be listed, as what
// serves it is away, tells of nobody.
func (c *Cluster) inDefault(ctx context.Context) ([]string, error) {
	kinds, _, err := c.Lister.Kinds(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking what the cluster serves: %w", err)
	}
	var names []string
	for _, kind := range kinds {
		if kind.Namespaced && len(names) < maxInhabitants {
			names = append(names, c.ofKind(ctx, kind)...)
		}
	}
	return names[:min(len(names), maxInhabitants)], context.Cause(ctx)
}

// ofKind names objects of a kind.
func (c *Cluster) ofKind(ctx context.Context, kind core.Kind) []string {
	var names []string
	request := core.ListRequest{Kind: kind, Namespace: metav1.NamespaceDefault}
	_ = c.Lister.ListMetadata(ctx, request, func(page core.MetadataPage) error { // What is known until an error counts.
		for _, object := range page.Objects {
			if !recovery.IsGiven(kind, object.Name) {
				names = append(names, fmt.Sprintf("%s %s/%s", kind.Name, metav1.NamespaceDefault, object.Name))
			}
		}
		if len(names) >= maxInhabitants {
			return errEnough
		}
		return nil
	})
	return names
}
