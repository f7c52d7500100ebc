package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestReadAfterWrite: what was backed up from any cluster comes back as it was, whatever the names, contents, pages and
// expired lists. A seed that fails is in the name of its case.
func TestReadAfterWrite(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			w := world.New(t)
			w.Workers = 1 + random.IntN(4)
			w.Cluster.PageSize = 1 + random.IntN(20)
			w.Cluster.Backwards = random.IntN(2) == 0
			populate(t, w.Cluster, random)
			expires := random.IntN(2) == 0
			expired := map[core.Key]bool{}
			if expires {
				w.Workers = 1
				w.Cluster.Intercept = func(call fakecluster.Call) error {
					if call.Verb == "page" && call.Page == 2 && !expired[call.Key] {
						expired[call.Key] = true
						return core.ErrExpired
					}
					return nil
				}
			}
			result, err := w.Backup("one", selection.Filters{})
			if err != nil || !result.Manifest.Complete {
				t.Fatalf("got %v, missing %+v", err, result.Missing)
			}
			want := w.Cluster.Contents()
			if int(result.Manifest.Counts.Objects) != len(want) {
				t.Errorf("%d objects are counted, %d are there", result.Manifest.Counts.Objects, len(want))
			}
			if diff := cmp.Diff(want, w.Restored()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCompressionOfBackups: a backup of every level is restored the same, and a stronger one makes less of it.
func TestCompressionOfBackups(t *testing.T) {
	sizes := map[archive.Compression]int64{}
	for _, level := range []archive.Compression{archive.Fastest, archive.Smallest} {
		w := world.New(t)
		w.Compression = level
		random := rand.New(rand.NewPCG(1, 1))
		for range 10 {
			populate(t, w.Cluster, random)
		}
		result, err := w.Backup("one", selection.Filters{})
		if err != nil {
			t.Fatal(err)
		}
		for _, segment := range result.Manifest.Segments {
			sizes[level] += segment.Size
		}
		if diff := cmp.Diff(w.Cluster.Contents(), w.Restored()); diff != "" {
			t.Errorf("%q: %s", level, diff)
		}
	}
	if sizes[archive.Smallest] >= sizes[archive.Fastest] {
		t.Errorf("the segments have %v bytes", sizes)
	}
}

// populate puts random objects into the cluster. They have no fields that a restore changes.
func populate(t *testing.T, cluster *fakecluster.Cluster, random *rand.Rand) {
	t.Helper()
	for number := range 1 + random.IntN(4) {
		namespace := fmt.Sprintf("ns-%d", number)
		cluster.Put(t, world.Namespaces, "", namespace, `{}`)
		for _, kind := range []core.Kind{world.ConfigMaps, world.Secrets, world.Widgets} {
			for range random.IntN(30) {
				content, err := json.Marshal(map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"a": text(random, 10, "abc")}},
					"data":     randomValue(random, 3),
				})
				if err != nil {
					t.Fatal(err)
				}
				cluster.Put(t, kind, namespace, "x"+text(random, 8, "ab-.0")+"x", string(content))
			}
		}
	}
}

func randomValue(random *rand.Rand, depth int) any {
	switch choice := random.IntN(7); {
	case choice == 0 && depth > 0:
		found := map[string]any{}
		for range random.IntN(5) {
			found[text(random, 6, "abä \"\\/<\u2028")] = randomValue(random, depth-1)
		}
		return found
	case choice == 1 && depth > 0:
		found := []any{}
		for range random.IntN(5) {
			found = append(found, randomValue(random, depth-1))
		}
		return found
	case choice == 2:
		return random.Int64() - random.Int64()
	case choice == 3:
		return random.IntN(2) == 0
	case choice == 4:
		return nil
	case choice == 5:
		return random.NormFloat64()
	}
	return text(random, 3000, "abcdefgh 𝄞\x00\n\"<&>")
}

// text returns a text of at most that many letters.
func text(random *rand.Rand, most int, letters string) string {
	runes := []rune(letters)
	var made strings.Builder
	for range random.IntN(most + 1) {
		made.WriteRune(runes[random.IntN(len(runes))])
	}
	return made.String()
}
