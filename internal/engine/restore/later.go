package restore

import (
	"context"
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// postponed are the objects that could not be created and are tried again when all others are there: what refused them
// may itself have been restored meanwhile, such as the server of a webhook that was there before, or the one that
// converts between the versions of a kind.
type postponed struct {
	items []postponedItem
	ids   map[restoreplan.ID]bool // of the items
	round int                     // how often they are being tried again; 0 while the waves are created
	over  bool                    // nothing is put off any more
}

// postponedItem is one of them, with why it is.
type postponedItem struct {
	wish draft.Draft // without the object
	err  error
	size int64
}

const (
	firstRetry   = 50 * time.Millisecond
	longestRetry = 5 * time.Second
)

// passing tells whether an error may be another one in a moment: who was asked was away or busy, or the kind is not
// served yet.
func passing(err error) bool {
	_, waits := errors.AsType[*claimPostponedError](err)
	return waits || errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrConflict) ||
		errors.Is(err, core.ErrUnsupported) || errors.Is(err, draft.ErrOwnerPostponed)
}

// postpone puts an object that could not be created off, or tells that there is no use in it: each is tried a second
// time but those whose volume was not made, and those whose trouble passes as long as there is patience.
func (r *run) postpone(wish draft.Draft, size int64, err error) bool {
	if _, final := errors.AsType[*volumeError](err); final {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.later.over || r.later.round > 0 && !passing(err) {
		return false
	}
	if r.later.ids == nil {
		r.later.ids = map[restoreplan.ID]bool{}
	}
	r.later.items = append(r.later.items, postponedItem{wish: wish.Named(), err: err, size: size})
	r.later.ids[wish.Item.ID] = true
	return true
}

// ownerPostponed tells whether an owner of the object has been put off.
func (r *run) ownerPostponed(object *unstructured.Unstructured) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.later.ids) == 0 {
		return false
	}
	return slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
		return r.later.ids[restoreplan.IDOf(owner.UID)]
	})
}

// createPostponed tries what was put off again: all of it once, and then, whenever the servers behind services change
// and now and again, what may still come.
func (r *run) createPostponed(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	since := ""
	for len(r.later.items) > 0 {
		r.later.round++
		items := r.later.take()
		if since == "" {
			since = r.awaitServers(patient, since, longestRetry)
		}
		if err := r.eachObject(ctx, restoreplan.Wave{Items: items}, r.createItem); err != nil {
			return err
		}
		switch {
		case len(r.later.items) == 0:
			return nil
		case patient.Err() != nil:
			return r.giveUp(ctx)
		case len(r.later.items) < len(items):
			continue // What waited for others may come now.
		}
		wait := min(firstRetry<<min(r.later.round, retryDoublings), longestRetry)
		if since = r.awaitServers(patient, since, wait); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// retryDoublings is how often the wait between two rounds is doubled.
const retryDoublings = 7

// giveUp writes down what could not be created, and creates what waited for an owner without it.
func (r *run) giveUp(ctx context.Context) error {
	last := r.later.items
	r.later.take()
	r.later.ids, r.later.over = nil, true
	var orphans []*restoreplan.Item
	for _, postponed := range last {
		if errors.Is(postponed.err, draft.ErrOwnerPostponed) {
			orphans = append(orphans, postponed.wish.Item)
			continue
		}
		r.refused(postponed.wish, postponed.err)
		r.progress.Done(1, postponed.size)
	}
	if len(orphans) == 0 {
		return nil
	}
	return r.eachObject(ctx, restoreplan.Wave{Items: orphans}, r.createItem)
}

// awaitServers returns when the addresses of a service have changed since the version, or when the time is up, with the
// version from which to wait on: it is the readiness of servers that calls to webhooks wait for.
func (r *run) awaitServers(ctx context.Context, since string, longest time.Duration) string {
	waiting, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	slicesKind := core.Kind{Group: "discovery.k8s.io", Version: "v1", Name: "EndpointSlice", Resource: "endpointslices", Namespaced: true}
	next, err := r.Cluster.WaitChange(waiting, slicesKind, since)
	switch {
	case err == nil:
		return next
	case waiting.Err() == nil && since != "":
		<-waiting.Done()
		return "" // The version is too old, or nothing can be watched.
	}
	return since
}

// take returns the items and forgets them.
func (p *postponed) take() []*restoreplan.Item {
	items := make([]*restoreplan.Item, 0, len(p.items))
	for _, postponed := range p.items {
		items = append(items, postponed.wish.Item)
	}
	p.items = nil
	return items
}

// settled takes note that an object has been dealt with.
func (r *run) settled(item *restoreplan.Item, size int64) {
	r.mu.Lock()
	delete(r.later.ids, item.ID)
	if data := r.data[item]; data != nil && data.state == claimOpen {
		data.state = claimSettled
		if data.outcome.State == volumework.Planned {
			data.outcome.State = volumework.Going
		}
	}
	r.mu.Unlock()
	r.progress.Done(1, size)
}
