package orders

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// soonest and latest bound the time between two looks for the kinds of orders: they cannot be watched before they are there.
const (
	soonest = 50 * time.Millisecond
	latest  = 5 * time.Second
)

// awaitKinds returns when the API server serves the kinds of orders: a sidecar may come up before Kahu is installed. It is an
// error only that the context ends.
func awaitKinds(ctx context.Context, options Options, reader client.Reader) error {
	said := ""
	look := func(ctx context.Context) (bool, error) {
		for _, list := range []client.ObjectList{&kahuv1.VolumeBackupContentList{}, &kahuv1.VolumeRestoreContentList{}} {
			err := reader.List(ctx, list, client.Limit(1))
			if err == nil {
				continue
			}
			if err.Error() != said && ctx.Err() == nil {
				said = err.Error()
				options.Logger.Info("orders are not served yet", "reason", said)
			}
			return false, nil
		}
		return true, nil
	}
	backoff := wait.Backoff{Duration: soonest, Factor: 2, Jitter: 0.1, Steps: 1 << 30, Cap: latest}
	return backoff.DelayFunc().Until(ctx, true, true, look)
}
