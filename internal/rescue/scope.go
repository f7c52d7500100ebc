package rescue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
)

// anything is the name of all kinds, or of all objects.
const anything = "*"

// limits say in words to what the spec of a Backup object limits a backup; none: it is of everything. Of an object that
// cannot be read nobody knows: that is a limit as well.
func limits(object json.RawMessage) []string {
	backup := &kahuv1.Backup{}
	if err := json.Unmarshal(object, backup); err != nil {
		return []string{fmt.Sprintf("what a Backup object asked for that cannot be read (%q)", err.Error())}
	}
	spec := &backup.Spec
	var all []string
	add := func(words string, names []string) {
		if len(names) > 0 {
			all = append(all, words+" "+listed(names))
		}
	}
	add("only the namespaces", spec.IncludeNamespaces)
	add("not the namespaces", spec.ExcludeNamespaces)
	if !slices.ContainsFunc(spec.IncludeResources, everyObject) {
		add("only the objects", resourceNames(spec.IncludeResources))
	}
	add("not the objects", resourceNames(spec.ExcludeResources))
	if label := spec.Label; label != nil && len(label.MatchLabels)+len(label.MatchExpressions) > 0 {
		add("only what has the labels", []string{metav1.FormatLabelSelector(label)})
	}
	return all
}

// everyObject tells whether a filter takes whatever there is.
func everyObject(filter kahuv1.ResourceFilter) bool {
	return filter.Kind == anything && (filter.Name == "" || filter.Name == anything)
}

func resourceNames(filters []kahuv1.ResourceFilter) []string {
	names := make([]string, 0, len(filters))
	for _, filter := range filters {
		names = append(names, strings.TrimSpace(filter.Kind+" "+filter.Name))
	}
	return names
}

// listed names the first of many. They are quoted: whoever can write to the store can have written them, for a terminal.
func listed(names []string) string {
	const most = 5
	quoted := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	if more := len(names) - most; more > 0 {
		quoted = append(quoted, fmt.Sprintf("%d more", more))
	}
	return strings.Join(quoted, " ")
}

// openDetails adds to a manifest what is encrypted of it, its Backup object too, where there is a key that opens it. What is
// the matter with the key is said when a backup is chosen.
func openDetails(ctx context.Context, files engine.FileReader, keys engine.Keys, manifest *archive.Manifest) error {
	if manifest.Encryption.IsZero() {
		return nil
	}
	contents, err := engine.ContentsOf(ctx, files, keys, manifest)
	if errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrDenied) {
		return err
	}
	if err != nil {
		return nil //nolint:nilerr // TryKey tells it.
	}
	return contents.Complete(ctx, manifest)
}

// ringOf returns what finds keys with the identities.
func ringOf(files keyring.Files, held []seal.Identity) *keyring.Ring {
	return &keyring.Ring{Files: files, Identities: func(context.Context) ([]seal.Identity, error) { return held, nil }}
}

// keys looks up each key once, whoever asks: thousands of backups have the same one.
type keys struct {
	ring *keyring.Ring

	mu    sync.Mutex
	known map[string]answer
}

type answer struct {
	key *seal.Key
	err error
}

func newKeys(files keyring.Files, held []seal.Identity) *keys {
	return &keys{ring: ringOf(files, held), known: map[string]answer{}}
}

// Key implements engine.Keys.
func (k *keys) Key(ctx context.Context, epoch string) (*seal.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, ok := k.known[epoch]
	if !ok {
		found.key, found.err = k.ring.Key(ctx, epoch)
		k.known[epoch] = found
	}
	return found.key, found.err
}
