package volume

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// Options bound the waits. The zero value is good.
type Options struct {
	// Namespace is Kahu's own, in which snapshots are made claims of; kahu-system by default.
	Namespace string
	// CutTime is how long snapshots may take to be cut, ReadyTime how long to be usable after that.
	CutTime, ReadyTime time.Duration
	// Patience is how long a provider may be away before its orders are given up.
	Patience time.Duration
	// StillTime is how long nothing may change about a volume that is being restored, LookTime how often it is looked at.
	StillTime, LookTime time.Duration
	// Page is how many objects are asked for at once when what is left is looked for.
	Page int64
}

const (
	defaultNamespace = "kahu-system"
	defaultCutTime   = 2 * time.Minute
	defaultReadyTime = 4 * time.Hour
	defaultPatience  = 5 * time.Minute
	defaultStillTime = 4 * time.Hour
	defaultLookTime  = 5 * time.Second
	defaultPage      = 500
	// atOnce is how many requests go on at once.
	atOnce = 16
)

// Client deals with the volumes of one cluster.
type Client struct {
	api     client.WithWatch
	clock   clock.Clock
	options Options
}

// New returns a Client for the API server that config names. It sends nothing yet, and does not change config.
func New(config *rest.Config, options Options) (*Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, storagev1.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	api, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	options.Namespace = cmp.Or(options.Namespace, defaultNamespace)
	options.CutTime = orDefault(options.CutTime, defaultCutTime)
	options.ReadyTime = orDefault(options.ReadyTime, defaultReadyTime)
	options.Patience = orDefault(options.Patience, defaultPatience)
	options.StillTime = orDefault(options.StillTime, defaultStillTime)
	options.LookTime = orDefault(options.LookTime, defaultLookTime)
	options.Page = cmp.Or(options.Page, defaultPage)
	return &Client{api: api, clock: clock.RealClock{}, options: options}, nil
}

func orDefault(wished, otherwise time.Duration) time.Duration {
	if wished == 0 {
		return otherwise
	}
	return wished
}

// digest returns so many hexadecimal digits that follow from the parts.
func digest(length int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:length]
}

// snapshotName returns the name of the snapshot of a claim that a run cuts.
func snapshotName(run volumework.Run, claim core.Key) string {
	const digits = 24
	return "kahu-" + digest(digits, run.UID, claim.Namespace, claim.Name)
}

// OrderName returns the name of the work order of a run for a claim, or for whatever else tells volumes apart.
func OrderName(run volumework.Run, volume ...string) string {
	const ofRun, ofVolume, stem = 4, 12, 200
	return run.Name[:min(len(run.Name), stem)] + "-" + digest(ofRun, run.UID) + "-" + digest(ofVolume, append([]string{run.UID}, volume...)...)
}

// ofRun chooses what belongs to a backup.
func ofRun(run volumework.Run) client.MatchingLabels {
	return client.MatchingLabels{kahuv1.BackupUIDLabel: run.UID}
}

// patiently does something again while the API server is away, or not as far yet, and the context goes on.
func patiently(ctx context.Context, do func() error) error {
	const steps, first, factor = 8, 100 * time.Millisecond, 2
	var last error
	ended := wait.ExponentialBackoffWithContext(ctx, wait.Backoff{Steps: steps, Duration: first, Factor: factor}, func(context.Context) (bool, error) {
		if last = do(); isLasting(last) {
			return false, last
		}
		return last == nil, nil
	})
	return cmp.Or(last, ended)
}

// isLasting tells whether it is useless to try again.
func isLasting(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || meta.IsNoMatchError(err)
}
