package rescue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/recovery"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

const (
	// LocationName is the BackupLocation of the place that is restored from.
	LocationName = "recovery"
	// credentialsSecret and identitySecret are in Kahu's namespace for as long as that location is there.
	credentialsSecret = "kahu-recovery-credentials" //nolint:gosec // This is a name.
	identitySecret    = "kahu-recovery-identity"    //nolint:gosec // This is a name.
	identityKey       = "identity"
	// fieldManager is who the API server says made them.
	fieldManager = client.FieldOwner("kahu-recover")
	// restoreTries bounds how many restores of one backup are looked at: each that failed has another name than the next.
	restoreTries = 100
	// shortUID is how much of a backup's UID is in the name of its restore.
	shortUID = 8
)

// Cluster is the new cluster, in which Kahu's definitions and its namespace are installed and a manager runs.
type Cluster struct {
	// Client reaches it, and Lister lists what is in it.
	Client client.WithWatch
	Lister Lister
	// Namespace is Kahu's own.
	Namespace string
	// Clock tells how long things take.
	Clock clock.PassiveClock
	// Tell shows a line to the person who waits.
	Tell func(line string)
	// Patience is how long a place may take to become ready.
	Patience time.Duration
}

// Key is what opens the backups of an encrypted location.
type Key struct {
	// Content is the file of the identities, and Held what is in it.
	Content []byte
	Held    []seal.Identity
}

// MakeKnown makes the location known, and returns when it is ready. What is there from an earlier run is brought up to date.
// It is only read: what opens the place need not permit to write.
func (c *Cluster) MakeKnown(ctx context.Context, place *Place, key Key, choice recovery.Choice) error {
	location := &kahuv1.BackupLocation{
		TypeMeta:   metav1.TypeMeta{APIVersion: kahuv1.GroupVersion.String(), Kind: "BackupLocation"},
		ObjectMeta: metav1.ObjectMeta{Name: LocationName},
		Spec: kahuv1.BackupLocationSpec{
			ProviderName: place.Provider, Config: place.Config, AccessMode: kahuv1.AccessReadOnly,
		},
	}
	if len(place.Credentials) > 0 {
		if err := c.applySecret(ctx, credentialsSecret, place.Credentials); err != nil {
			return err
		}
		location.Spec.CredentialsSecretRef.Name = credentialsSecret
	}
	if choice.Epoch != "" {
		if err := c.applySecret(ctx, identitySecret, map[string]string{identityKey: string(key.Content)}); err != nil {
			return err
		}
		location.Spec.Encryption = encryptionOf(key, choice)
	}
	if err := c.apply(ctx, location); err != nil {
		return fmt.Errorf("creating BackupLocation %s: %w", LocationName, err)
	}
	return c.awaitReady(ctx)
}

// encryptionOf lets the owners of the identities read, and believes who signed the backup.
func encryptionOf(key Key, choice recovery.Choice) *kahuv1.LocationEncryption {
	encryption := &kahuv1.LocationEncryption{IdentitySecretRef: kahuv1.SecretReference{Name: identitySecret}}
	for _, identity := range key.Held {
		encryption.Recipients = append(encryption.Recipients, identity.Recipient().String())
	}
	if choice.Signer != "" {
		encryption.TrustedSigners = []string{string(choice.Signer)}
	}
	return encryption
}

func (c *Cluster) applySecret(ctx context.Context, name string, data map[string]string) error {
	secret := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: name}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{},
	}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	if err := c.apply(ctx, secret); err != nil {
		if apierrors.IsInvalid(err) { // The answer may quote values.
			err = errors.New("the API server does not take it: see its keys")
		}
		return fmt.Errorf("writing Secret %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) apply(ctx context.Context, object client.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	delete(content, "status")
	configuration := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: content})
	return c.Client.Apply(ctx, configuration, fieldManager, client.ForceOwnership)
}

// awaitReady returns when the location is ready, or cannot become so.
func (c *Cluster) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	shown, last := "", ""
	err := c.await(ctx, &kahuv1.BackupLocationList{}, LocationName, func(object client.Object) (bool, error) {
		location, ok := object.(*kahuv1.BackupLocation)
		if !ok {
			return false, nil
		}
		ready := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionReady)
		if ready == nil || ready.ObservedGeneration != location.Generation {
			return false, nil
		}
		if last = ready.Message; last != shown && ready.Status != metav1.ConditionTrue {
			c.Tell("  the place: " + last)
			shown = last
		}
		if meta.IsStatusConditionTrue(location.Status.Conditions, kahuv1.ConditionStalled) {
			return false, fmt.Errorf("the place cannot be used: %s", ready.Message)
		}
		return ready.Status == metav1.ConditionTrue, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the place is not ready after %s: %s", c.Patience, last)
	}
	return err
}

// Find returns the restore of the backup that was begun before, nil where there is none that goes on or is over and well, and
// the name that the next one gets. One that failed is followed by another, which leaves alone what is there.
func (c *Cluster) Find(ctx context.Context, choice recovery.Choice) (*kahuv1.Restore, string, error) {
	base := restoreName(choice)
	for number := range restoreTries {
		name := base
		if number > 0 {
			name = fmt.Sprintf("%s-%d", base, number+1)
		}
		restore := &kahuv1.Restore{}
		err := c.Client.Get(ctx, client.ObjectKey{Name: name}, restore)
		switch {
		case apierrors.IsNotFound(err):
			return nil, name, nil
		case err != nil:
			return nil, "", fmt.Errorf("reading Restore %s: %w", name, err)
		case restore.Status.Stage != kahuv1.StageFinished || restore.Status.State == kahuv1.StateCompleted:
			return restore, name, nil
		}
		c.Tell("Restore " + name + " has failed: another one follows, and what is there stays")
	}
	return nil, "", fmt.Errorf("%d restores of this backup have failed: delete them when it is known why", restoreTries)
}

func restoreName(choice recovery.Choice) string {
	return fmt.Sprintf("recover-%s-%.*s", choice.ID.Name, shortUID, choice.ID.UID)
}

// IsOver tells whether a restore has brought everything back.
func IsOver(restore *kahuv1.Restore) bool {
	return restore != nil && restore.Status.Stage == kahuv1.StageFinished && restore.Status.State == kahuv1.StateCompleted
}

// Restore has everything of the backup restored, and returns what became of it. A restore that was begun is gone on with.
func (c *Cluster) Restore(ctx context.Context, choice recovery.Choice, wish recovery.Wish) (*kahuv1.Restore, error) {
	restore, name, err := c.Find(ctx, choice)
	if err != nil {
		return nil, err
	}
	if restore != nil {
		c.Tell("Restore " + name + " was begun before: " + progressOf(restore))
	} else if err := c.create(ctx, name, choice, wish); err != nil {
		return nil, err
	}
	progress := &progress{clock: c.Clock, tell: c.Tell, began: c.Clock.Now()}
	err = c.await(ctx, &kahuv1.RestoreList{}, name, func(object client.Object) (bool, error) {
		found, ok := object.(*kahuv1.Restore)
		if !ok {
			return false, nil
		}
		restore = found
		progress.show(found)
		return found.Status.Stage == kahuv1.StageFinished, nil
	})
	return restore, err
}

func progressOf(begun *kahuv1.Restore) string {
	if IsOver(begun) {
		return "it is over, and what is left is to tidy up"
	}
	return "going on with it"
}

func (c *Cluster) create(ctx context.Context, name string, choice recovery.Choice, wish recovery.Wish) error {
	restore := &kahuv1.Restore{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: kahuv1.RestoreSpec{
			BackupName: choice.ID.Name, MetadataLocation: LocationName, ClusterID: choice.ID.ClusterID, BackupUID: choice.ID.UID,
			AllowIncomplete: wish.AllowIncomplete, AllowUnknownSigner: wish.AllowUnknownSigner,
		},
	}
	if err := c.Client.Create(ctx, restore); err != nil {
		return fmt.Errorf("creating Restore %s: %w", name, err)
	}
	return nil
}

// TidyUp takes the location of the rescue and its Secrets away where the place has come back under its own name, and tells
// under which; otherwise it is empty, and they stay.
func (c *Cluster) TidyUp(ctx context.Context) (string, error) {
	name, err := c.same(ctx)
	if err != nil || name == "" {
		return "", err
	}
	// The location last: as long as it is there, another run tidies up.
	for _, each := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: credentialsSecret}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: identitySecret}},
		&kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: LocationName}},
	} {
		if err := client.IgnoreNotFound(c.Client.Delete(ctx, each)); err != nil {
			return "", fmt.Errorf("taking %s away: %w", each.GetName(), err)
		}
	}
	return name, nil
}

// IsTidy tells whether the location of the rescue is not there.
func (c *Cluster) IsTidy(ctx context.Context) (bool, error) {
	err := c.Client.Get(ctx, client.ObjectKey{Name: LocationName}, &kahuv1.BackupLocation{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for BackupLocation %s: %w", LocationName, err)
	}
	return false, nil
}

// judging is how long a location that has come back may take to be looked at.
const judging = 30 * time.Second

// same returns the name of another location that is the place of the rescue: the manager has told that the place is there twice.
func (c *Cluster) same(ctx context.Context) (string, error) {
	locations := &kahuv1.BackupLocationList{}
	if err := c.Client.List(ctx, locations); err != nil {
		return "", fmt.Errorf("listing locations: %w", err)
	}
	at := slices.IndexFunc(locations.Items, func(each kahuv1.BackupLocation) bool { return each.Name == LocationName })
	if at < 0 || locations.Items[at].Status.LocationID == "" {
		return "", nil
	}
	id := locations.Items[at].Status.LocationID
	ctx, cancel := context.WithTimeout(ctx, judging)
	defer cancel()
	for i := range locations.Items {
		name := locations.Items[i].Name
		if name == LocationName {
			continue
		}
		twice, err := c.isTwice(ctx, name, id)
		if twice || err != nil && ctx.Err() == nil {
			return name, err
		}
	}
	return "", nil
}

// isTwice waits until the manager has judged a location, and tells whether it is the place of that id, which has another name
// already. The id of a place that is refused is not on the record of the location: the message has it. Two that were restored
// may be one place as well, which says nothing about that of the rescue.
func (c *Cluster) isTwice(ctx context.Context, name, id string) (bool, error) {
	twice := false
	err := c.await(ctx, &kahuv1.BackupLocationList{}, name, func(object client.Object) (bool, error) {
		location, ok := object.(*kahuv1.BackupLocation)
		if !ok {
			return false, nil
		}
		ready := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionReady)
		twice = ready != nil && ready.Reason == kahuv1.ReasonLocationTwice && strings.Contains(ready.Message, id)
		return ready != nil && ready.Reason != kahuv1.ReasonPending, nil
	})
	return twice, err
}
