package main

import (
	"context"
	"fmt"

	kahuruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/recovery"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
	"github.com/soda-cdm/kahu/internal/engine/restore"
)

// bringSigningKey restores the key with which the lost cluster signed, before a manager makes another one: the new cluster
// then goes on as the old one, and whoever believes its signatures goes on to.
func (r *recovering) bringSigningKey(ctx context.Context, config *rest.Config, choice recovery.Choice) error {
	if choice.Epoch == "" {
		return nil
	}
	target, err := cluster.New(config, cluster.Options{Version: version})
	if err != nil {
		return fmt.Errorf("reaching the cluster: %w", err)
	}
	use := &restore.Runner{Cluster: target, Clock: clock.RealClock{}, Creators: 1}
	result, err := use.Run(ctx, restore.Request{
		Attempt: "recover", Backup: choice.ID, AllowIncomplete: true,
		Filters: selection.Filters{
			IncludeNamespaces: []string{r.options.namespace},
			IncludeResources:  []selection.ResourceFilter{{Kind: "secrets", Name: place.SigningSecret}},
		},
		Keys: &keyring.Ring{Files: r.files, Identities: func(context.Context) ([]seal.Identity, error) { return r.key.Held, nil }},
	}, r.files)
	if err != nil {
		return fmt.Errorf("bringing back the key that signs: %w", err)
	}
	if result.Counts.Created > 0 {
		r.tellf("The key with which the cluster signed is back")
	}
	return nil
}

// kahuScheme has the kinds that a rescue writes.
func kahuScheme() (*kahuruntime.Scheme, error) {
	made := kahuruntime.NewScheme()
	if err := scheme.AddToScheme(made); err != nil {
		return nil, err
	}
	return made, kahuv1.AddToScheme(made)
}
