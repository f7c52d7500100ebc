package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// Away returns why volumes of that provider cannot be restored now; empty where they can.
func (c *Client) Away(ctx context.Context, name string) (string, error) {
	all, err := c.providers(ctx)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(all, func(each volumeplan.Provider) bool { return each.Name == name })
	if at < 0 {
		return "there is no volume provider of that name in this cluster", nil
	}
	return all[at].Unavailable, nil
}

// KeepsSnapshots tells whether backups of that provider that were made by a snapshot are that snapshot.
func (c *Client) KeepsSnapshots(ctx context.Context, name string) (bool, error) {
	all, err := c.providers(ctx)
	return slices.ContainsFunc(all, func(each volumeplan.Provider) bool { return each.Name == name && each.KeepsSnapshot }), err
}

// Make orders a volume, and returns what its claim is created with, as soon as the provider says so: a data source, or a
// volume that is whole. What an earlier attempt has ordered is not ordered again.
func (c *Client) Make(ctx context.Context, run volumework.Run, wish volumework.RestoreOrder) (volumework.Made, error) {
	order := restoreOrder(run, wish)
	err := patiently(ctx, func() error { return c.api.Create(ctx, order.DeepCopy()) })
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return volumework.Made{}, fmt.Errorf("giving the order to provider %s: %w", wish.Provider, err)
	}
	waiting := &making{name: order.Name, provider: wish.Provider}
	away := newAbsences(c.clock, wish.Provider)
	err = c.untilAway(ctx, away, wish.Provider, func(ctx context.Context) error {
		return c.follow(ctx, follower{
			list: func() client.ObjectList { return &kahuv1.VolumeRestoreContentList{} }, options: []client.ListOption{ofRestore(run)},
			look: waiting.look, over: waiting.over,
		})
	})
	if err != nil {
		return volumework.Made{}, err
	}
	return waiting.made, waiting.failure
}

func ofRestore(run volumework.Run) client.MatchingLabels {
	return client.MatchingLabels{kahuv1.RestoreUIDLabel: run.UID}
}

// restoreOrder is the work order, which goes with its Restore.
func restoreOrder(run volumework.Run, wish volumework.RestoreOrder) *kahuv1.VolumeRestoreContent {
	return &kahuv1.VolumeRestoreContent{
		ObjectMeta: metav1.ObjectMeta{
			Name: OrderName(run, wish.Namespace, wish.Name), Labels: map[string]string{kahuv1.RestoreUIDLabel: run.UID},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: kahuv1.GroupVersion.String(), Kind: "Restore", Name: run.Name, UID: types.UID(run.UID),
			}},
		},
		Spec: kahuv1.VolumeRestoreContentSpec{
			RestoreName: run.Name, RestoreUID: run.UID, ProviderName: wish.Provider, Location: wish.Location,
			Backup:        kahuv1.VolumeBackupIdentity{Handle: wish.Handle, Attributes: wish.Attributes},
			Claim:         kahuv1.VolumeClaim{Namespace: wish.Namespace, Name: wish.Name},
			ClaimTemplate: kahuv1.JSONValue{Raw: wish.Claim},
		},
	}
}

// making waits for what a provider makes.
type making struct {
	name, provider string
	seen           bool
	made           volumework.Made
	failure        error
}

func (m *making) over() bool { return m.seen }

func (m *making) look(_ context.Context, object client.Object, gone bool) error {
	order, is := object.(*kahuv1.VolumeRestoreContent)
	if !is || order.Name != m.name || m.seen {
		return nil
	}
	status := &order.Status
	switch {
	case gone:
		m.seen, m.failure = true, fmt.Errorf("its work order %s was deleted", order.Name)
	case status.Phase == kahuv1.VolumePhaseFailed:
		m.seen, m.failure = true, fmt.Errorf("provider %s could not make its volume: %s", m.provider, status.FailureReason)
	case status.DataSource != nil:
		m.seen = true
		m.made = volumework.Made{Group: status.DataSource.APIGroup, Kind: status.DataSource.Kind, Source: status.DataSource.Name}
	case status.Phase == kahuv1.VolumePhaseCompleted && status.Volume != nil:
		m.seen = true
		m.made = volumework.Made{Volume: status.Volume.Handle, Attributes: status.Volume.Attributes}
	case status.Phase == kahuv1.VolumePhaseCompleted:
		m.seen, m.failure = true, fmt.Errorf("provider %s does not say what it has made", m.provider)
	}
	return nil
}

// errAway: a provider gave no sign of life for long.
var errAway = errors.New("the provider is away")

// untilAway does something until the provider has been away for too long.
func (c *Client) untilAway(ctx context.Context, watched *absences, name string, do func(ctx context.Context) error) error {
	doing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		never := func() bool { return false }
		for doing.Err() == nil {
			round, stop := context.WithTimeout(doing, c.options.Patience/rounds)
			_ = c.follow(round, follower{list: func() client.ObjectList { return &kahuv1.ProviderList{} }, over: never, look: watched.look})
			stop()
			if since, is := watched.away[name]; is && c.clock.Since(since) >= c.options.Patience {
				cancel(errAway)
			}
		}
	}()
	err := do(doing)
	gone := errors.Is(context.Cause(doing), errAway)
	cancel(nil)
	<-ended
	if gone {
		return fmt.Errorf("provider %s gave no sign of life for %s: %w", name, c.options.Patience, core.ErrUnavailable)
	}
	return err
}
