package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	// longestEstablish bounds WaitEstablished where the context does not.
	longestEstablish = 10 * time.Minute
	// watchTime is after how long the server ends a watch, and a new one begins.
	watchTime = 4 * time.Minute
	// firstLook and longestLook are the waits between two looks at what the server serves, which cannot be watched.
	firstLook   = 50 * time.Millisecond
	longestLook = 250 * time.Millisecond
)

// WaitEstablished returns when all definitions of these names are established, their names accepted, and the API
// server serves every version of their kinds that they serve. When the context ends before (or after ten minutes),
// it returns core.ErrUnavailable with the names that are missing and what is known about each.
func (c *Client) WaitEstablished(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, longestEstablish)
	defer cancel()
	w := &waiter{client: c, names: names}
	w.reset()
	err := w.wait(waiting)
	if waiting.Err() != nil && err != nil {
		err = fmt.Errorf("%w: %s: %w", core.ErrUnavailable, w.describe(), context.Cause(waiting))
	}
	if err != nil {
		return fmt.Errorf("waiting for definitions: %w", err)
	}
	return nil
}

// waiter waits for definitions.
type waiter struct {
	client *Client
	// names are the definitions that are waited for.
	names []string
	// missing holds the names that are not established, with what is known about them.
	missing map[string]string
	// served holds, by name, the kinds of the established ones that the server must serve.
	served map[string][]core.Kind
	// version is the version from which to watch on.
	version string
}

func (w *waiter) wait(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := w.look(ctx)
		if err == nil && len(w.missing) > 0 {
			err = w.watch(ctx)
		}
		if err == nil && len(w.missing) == 0 {
			return w.waitServed(ctx)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, core.ErrExpired) && !errors.Is(err, core.ErrUnavailable) {
			return err
		}
		if err := w.client.sleep(ctx, lookWait(attempt)); err != nil {
			return err
		}
	}
}

// reset forgets what is known.
func (w *waiter) reset() {
	w.missing, w.served = map[string]string{}, map[string][]core.Kind{}
	for _, name := range w.names {
		w.missing[name] = "not there"
	}
}

// look reads the definitions as they are now. What was known before stays until all is read.
func (w *waiter) look(ctx context.Context) error {
	path, err := collectionPath(definitions(), "")
	if err != nil {
		return err
	}
	now := &waiter{client: w.client, names: w.names}
	now.reset()
	err = w.client.list(ctx, listing{kind: definitions(), path: path}, func(page core.Page) error {
		now.version = page.ResourceVersion
		for _, object := range page.Objects {
			if err := now.note(object.JSON); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	*w = *now
	return nil
}

// watch follows the definitions until none is missing. A watch that ends, as all do in time, gives core.ErrExpired.
func (w *waiter) watch(ctx context.Context) error {
	path, err := collectionPath(definitions(), "")
	if err != nil {
		return err
	}
	body, err := w.client.send(ctx, request{
		method: http.MethodGet,
		path:   path,
		query: url.Values{
			"watch":           {"true"},
			"resourceVersion": {w.version},
			"timeoutSeconds":  {strconv.Itoa(int(watchTime.Seconds()))},
		},
		timeout: watchTime + longestAdvice,
	})
	if err != nil {
		return err
	}
	// Nothing more is wanted of it.
	defer func() { _ = body.Close() }()
	return w.follow(json.NewDecoder(body))
}

func (w *waiter) follow(events *json.Decoder) error {
	for len(w.missing) > 0 {
		var event struct {
			Type   watch.EventType `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			if errors.Is(err, io.EOF) {
				return core.ErrExpired
			}
			return broken(err)
		}
		if err := w.apply(event.Type, event.Object); err != nil {
			return err
		}
	}
	return nil
}

// apply takes in one event of a watch.
func (w *waiter) apply(event watch.EventType, content []byte) error {
	switch event {
	case watch.Added, watch.Modified:
		return w.note(content)
	case watch.Deleted:
		var gone definition
		if err := json.Unmarshal(content, &gone); err == nil && !slices.Contains(w.names, gone.Metadata.Name) {
			return nil
		}
		// One that was waited for is missing again, which is seen by looking once more.
		return core.ErrExpired
	case watch.Bookmark, watch.Error:
		// An error mostly says that the version is too old: looking once more gives a new one.
		return core.ErrExpired
	}
	return nil
}

// definition is what is read of a custom resource definition; its schemas, which can be long, are not.
type definition struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Plural string `json:"plural"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Served bool   `json:"served"`
		} `json:"versions"`
	} `json:"spec"`
	Status struct {
		Conditions []apiextensionsv1.CustomResourceDefinitionCondition `json:"conditions"`
	} `json:"status"`
}

// note writes down what a definition says, where its name is waited for.
func (w *waiter) note(content []byte) error {
	var definition definition
	if err := json.Unmarshal(content, &definition); err != nil {
		return fmt.Errorf("%w: custom resource definition", core.ErrCorrupt)
	}
	name := definition.Metadata.Name
	if _, waited := w.missing[name]; !waited {
		return nil
	}
	if problem := definition.problem(); problem != "" {
		w.missing[name] = problem
		return nil
	}
	delete(w.missing, name)
	w.served[name] = definition.kinds()
	return nil
}

// problem tells why a definition is not established, or is empty.
func (d *definition) problem() string {
	for _, wanted := range []apiextensionsv1.CustomResourceDefinitionConditionType{
		apiextensionsv1.NamesAccepted, apiextensionsv1.Established,
	} {
		i := slices.IndexFunc(d.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == wanted
		})
		if i < 0 {
			return string(wanted) + " is unknown"
		}
		if condition := d.Status.Conditions[i]; condition.Status != apiextensionsv1.ConditionTrue {
			return fmt.Sprintf("%s is %s: %s", wanted, condition.Status, condition.Message)
		}
	}
	return ""
}

// kinds returns the kind in every version that the definition serves.
func (d *definition) kinds() []core.Kind {
	var kinds []core.Kind
	for _, version := range d.Spec.Versions {
		if version.Served {
			kinds = append(kinds, core.Kind{
				Group: d.Spec.Group, Version: version.Name, Resource: d.Spec.Names.Plural,
			})
		}
	}
	return kinds
}

// waitServed waits until the server serves what is established.
func (w *waiter) waitServed(ctx context.Context) error {
	for name := range w.served {
		w.missing[name] = "not known to be served"
	}
	for attempt := 1; ; attempt++ {
		groups, err := w.client.groups(ctx)
		if err != nil {
			return err
		}
		if w.noteServed(groups); len(w.missing) == 0 {
			return nil
		}
		if err := w.client.sleep(ctx, lookWait(attempt)); err != nil {
			return err
		}
	}
}

// noteServed sets as missing what the groups do not have.
func (w *waiter) noteServed(groups []group) {
	found := map[core.Key]bool{}
	for _, group := range groups {
		for _, version := range group.versions {
			for _, kind := range version.kinds {
				found[versionKey(kind)] = true
			}
		}
	}
	clear(w.missing)
	for name, kinds := range w.served {
		for _, kind := range kinds {
			if !found[versionKey(kind)] {
				w.missing[name] = "version " + kind.Version + " is not served yet"
			}
		}
	}
}

// versionKey names a kind in one version.
func versionKey(kind core.Kind) core.Key {
	return core.Key{Group: kind.Group, Resource: kind.Resource, Name: kind.Version}
}

func (w *waiter) describe() string {
	var lines []string
	for name, state := range w.missing {
		lines = append(lines, name+" ("+state+")")
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func lookWait(attempt int) time.Duration {
	const doublings = 10
	return min(firstLook<<min(attempt-1, doublings), longestLook)
}
