package e2e_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// TestCopyInterrupted: a manager that stops in the middle of a copying has it gone on with by the next one, and what was sent
// is not sent again.
func TestCopyInterrupted(t *testing.T) {
	held := &holding{Store: memory.New(memory.Options{}), arrived: make(chan struct{}), hold: true}
	stores := newDrivers(func(location string) provider.Driver {
		if location == "offsite" {
			return held
		}
		return newMemory(location)
	})
	w := newWorldIn(t, testcluster.Config(t), stores)
	w.newLocation("offsite", memoryProvider, nil)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.completedBackup("source", wishing(namespace, "offsite"))
	select {
	case <-held.arrived:
	case <-clock.RealClock{}.After(waitLimit):
		t.Fatal("the copying does not come to the report")
	}
	w.stop()
	held.release()
	startManager(t, testcluster.Config(t), stores)
	row := copyTo(w.copied("source", "offsite", ""), "offsite")
	if row.Tries != 2 || row.BytesPresent == 0 || row.Bytes+row.BytesPresent != row.BytesTotal {
		t.Errorf("the row is %+v", row)
	}
	if diff := cmp.Diff(filesOf(w.store), filesOf(driverSide{t: t, files: stores.of("offsite")})); diff != "" {
		t.Errorf("the copy has other files (-backup +copy):\n%s", diff)
	}
}

// holding is a driver that does not take a report for a while.
type holding struct {
	*memory.Store

	mu      sync.Mutex
	hold    bool
	arrived chan struct{}
	once    sync.Once
}

func (h *holding) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hold = false
}

// Create waits with a report until the call is given up, once the others are there.
func (h *holding) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	h.mu.Lock()
	holds := h.hold && strings.HasSuffix(name, "report.jsonl.zst")
	h.mu.Unlock()
	if !holds {
		return h.Store.Create(ctx, name, attributes, content)
	}
	h.once.Do(func() { close(h.arrived) })
	<-ctx.Done()
	return ctx.Err()
}
