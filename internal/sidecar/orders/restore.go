package orders

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeorder"
	"github.com/soda-cdm/kahu/provider"
)

// restores is the kind VolumeRestoreContent.
func restores(shared *desk) kind {
	return kind{
		name:   "volume-restore",
		object: func() client.Object { return &kahuv1.VolumeRestoreContent{} },
		list:   func() client.ObjectList { return &kahuv1.VolumeRestoreContentList{} },
		order: func(object client.Object) *order {
			return shared.restore(object.(*kahuv1.VolumeRestoreContent)) //nolint:forcetypeassert // It is what object gives.
		},
		orders: func(list client.ObjectList) (found []*order) {
			items := list.(*kahuv1.VolumeRestoreContentList).Items //nolint:forcetypeassert // It is what list gives.
			for i := range items {
				found = append(found, shared.restore(&items[i]))
			}
			return found
		},
	}
}

// restore returns the order that a VolumeRestoreContent is.
func (d *desk) restore(content *kahuv1.VolumeRestoreContent) *order {
	spec, status := &content.Spec, &content.Status
	return &order{
		object: content, status: &status.VolumeOrderStatus,
		provider: spec.ProviderName, location: spec.Location, timeout: spec.Timeout.Duration,
		facts: volumeorder.Order{Known: status.Volume != nil, Cancelled: spec.Cancel},
		// What the cluster makes may wait for the first pod that uses it.
		patient: status.DataSource != nil,
		work:    &restoreWork{desk: d, content: content},
	}
}

// restoreWork asks the driver about a restore.
type restoreWork struct {
	desk    *desk
	content *kahuv1.VolumeRestoreContent
}

// begin implements work.
func (w *restoreWork) begin(ctx context.Context, with call) error {
	spec, status := &w.content.Spec, &w.content.Status
	encoded, err := w.claim()
	if err != nil {
		return err
	}
	made, err := w.desk.options.Driver.CreateVolumeFromBackup(ctx, provider.CreateVolumeRequest{
		Order:      w.content.Name,
		Claim:      provider.Claim{Namespace: spec.Claim.Namespace, Name: spec.Claim.Name, Encoded: encoded},
		Backup:     provider.BackupIdentity{Handle: spec.Backup.Handle, Attributes: spec.Backup.Attributes},
		Attributes: with.attributes,
	})
	if err != nil {
		return err
	}
	if err := noCredentials(with.secrets, made.Volume.Handle, made.Volume.Attributes); err != nil {
		return err
	}
	status.Volume = &kahuv1.VolumeIdentity{Handle: made.Volume.Handle, Attributes: made.Volume.Attributes}
	if source := made.DataSource; source != nil {
		status.DataSource = &kahuv1.VolumeDataSource{APIGroup: source.APIGroup, Kind: source.Kind, Name: source.Name}
	}
	return nil
}

// claim returns the claim as it will be created, encoded.
func (w *restoreWork) claim() ([]byte, error) {
	claim := &corev1.PersistentVolumeClaim{}
	if err := json.Unmarshal(w.content.Spec.ClaimTemplate.Raw, claim); err != nil {
		return nil, fmt.Errorf("reading spec.claimTemplate: %w: %w", err, provider.ErrInvalidArgument)
	}
	claim.Namespace, claim.Name = w.content.Spec.Claim.Namespace, w.content.Spec.Claim.Name
	return claim.Marshal()
}

// identity is what the driver knows the volume by.
func (w *restoreWork) identity() provider.VolumeIdentity {
	known := w.content.Status.Volume
	return provider.VolumeIdentity{Handle: known.Handle, Attributes: known.Attributes}
}

// stat implements work.
func (w *restoreWork) stat(ctx context.Context, with call) (provider.VolumeStat, error) {
	return w.desk.options.Driver.RestoreStat(ctx, w.identity(), with.attributes)
}

// cancel implements work.
func (w *restoreWork) cancel(ctx context.Context, with call) error {
	return w.desk.options.Driver.CancelRestore(ctx, w.identity(), with.attributes)
}

// remove implements work. A restored volume belongs to the application.
func (*restoreWork) remove(context.Context, call) error { return nil }
