package backup_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/world"
	"github.com/soda-cdm/kahu/provider/memory"
)

// still is a cluster of one kind in which nothing changes.
type still struct{ objects []core.Object }

func newStill(count int) *still {
	made := &still{}
	content := strings.Repeat("abcdefgh", 128)
	for i := range count {
		name := fmt.Sprintf("object-%06d", i)
		uid := types.UID(fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%4294967296, i*40503))
		made.objects = append(made.objects, core.Object{
			Kind: world.ConfigMaps, Namespace: "scale", Name: name, UID: uid, ResourceVersion: fmt.Sprint(100_000 + i*3),
			Labels: map[string]string{"app.kubernetes.io/name": fmt.Sprintf("app-%d", i%50), "tier": "front"},
			JSON:   fmt.Appendf(nil, `{"apiVersion":"v1","data":{"a":%q,"b":"%d"},"kind":"ConfigMap","metadata":{"name":%q,"namespace":"scale","uid":%q}}`, content, i, name, uid),
		})
	}
	return made
}

func (s *still) Kinds(context.Context) ([]core.Kind, []core.UnservedGroup, error) {
	return []core.Kind{world.ConfigMaps}, nil, nil
}

func (s *still) Serves(context.Context, core.Kind) (bool, error) { return true, nil }

func (s *still) Get(context.Context, core.Kind, string, string) (core.Object, error) {
	return core.Object{}, core.ErrNotFound
}

func (s *still) List(_ context.Context, _ core.ListRequest, visit func(page core.Page) error) error {
	for rest := s.objects; len(rest) > 0; {
		part := append([]core.Object(nil), rest[:min(500, len(rest))]...)
		rest = rest[len(part):]
		if err := visit(core.Page{Objects: part, Remaining: int64(len(rest)), ResourceVersion: "900000"}); err != nil {
			return err
		}
	}
	return nil
}

func (s *still) ListMetadata(ctx context.Context, request core.ListRequest, visit func(page core.MetadataPage) error) error {
	return s.List(ctx, request, func(page core.Page) error {
		for i := range page.Objects {
			page.Objects[i].JSON = nil
		}
		return visit(core.MetadataPage{Page: page})
	})
}

func (s *still) ListPage(context.Context, core.ListRequest, core.Position, func(page core.Page) error) error {
	return core.ErrExpired
}

// BenchmarkModes makes full and incremental backups of 50,000 objects that do not change, without an API server.
func BenchmarkModes(b *testing.B) {
	const count = 50_000
	cluster := newStill(count)
	files := store.New(memory.New(memory.Options{}), store.Options{})
	run := func(b *testing.B, name string, of backup.Increment) backup.Result {
		b.Helper()
		runner := &backup.Runner{Cluster: cluster, Clock: clock.RealClock{}, Listers: 4, Packers: 2, Writer: "test", CheckpointEvery: time.Hour}
		result, err := runner.Run(b.Context(), backup.Request{
			ID: world.ID(name), Attempt: "attempt" + name, LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
			Confirm: func(context.Context) error { return nil }, Increment: of,
		}, files)
		if err != nil {
			b.Fatal(err)
		}
		return result
	}
	base := run(b, "base", backup.Increment{})
	modes := map[string]backup.Increment{"Full": {}, "Incremental": {
		Wish:       increment.Wish{Mode: increment.Incremental},
		Candidates: []increment.Candidate{{ID: base.Manifest.ID, Mode: increment.Full, Attempt: base.Manifest.Attempt, Started: time.Unix(1, 0)}},
		Owned:      func(context.Context) (bool, error) { return true, nil },
	}}
	runs := 0
	for _, mode := range []string{"Full", "Incremental"} {
		b.Run(mode, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				runs++
				made := run(b, fmt.Sprintf("b%d", runs), modes[mode])
				if made.Choice.Mode != increment.Mode(mode) {
					b.Fatalf("%+v", made.Choice)
				}
				b.ReportMetric(float64(made.Manifest.Index.Size)/count, "index-bytes/object")
				for _, timing := range made.Timings {
					if timing.Took > 5*time.Millisecond {
						b.ReportMetric(float64(timing.Took.Milliseconds()), timing.Step+"-ms")
					}
				}
			}
			b.ReportMetric(count*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}
