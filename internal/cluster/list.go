package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soda-cdm/kahu/internal/cluster/stored"
	"github.com/soda-cdm/kahu/internal/core"
)

const (
	// firstLimit is the number of objects in the first page, which is held whole: a list says of which version it is
	// behind the objects, where they are custom ones, and every core.Page must tell. Most kinds have fewer objects.
	firstLimit = 25
	// pageLimit is the number of objects in the pages after it, and the most in one core.Page.
	pageLimit = 500
	// chunkBytes is the length of objects from which on a core.Page is handed over, in bytes.
	chunkBytes = 4 << 20
	// firstBytes is the same for the first page: firstLimit objects of the size that etcd takes at most.
	firstBytes = 40 << 20
)

// listing is what a list asks for.
type listing struct {
	kind     core.Kind
	path     string
	selector string
	accept   string
	// from is the only part of the list that is asked for; nil asks for all of it.
	from *core.Position
}

// List visits the objects of a kind as of one moment: the server reads the first page as of now, and the others as
// of the first. It returns the first error of visit. While visit has one page, the next one is read, and no more.
//
// A page has at most 500 objects and a few MiB unless a single object is longer. core.ErrExpired says that the
// server has forgotten the moment (or, against all rules, lists otherwise than a moment ago): begin again. The
// server's offer to go on from another moment is not taken. core.ErrUnsupported says that the server does not serve
// the kind.
func (c *Client) List(ctx context.Context, request core.ListRequest, visit func(page core.Page) error) error {
	path, err := collectionPath(request.Kind, request.Namespace)
	if err == nil {
		what := listing{kind: request.Kind, path: path, selector: request.LabelSelector}
		if request.MetadataOnly {
			what.accept = acceptMetadataList
		}
		err = c.list(ctx, what, visit)
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", request.Kind, err)
	}
	return nil
}

// ListPage visits the objects of one page of a list, which ListMetadata has visited without their contents, and a few of the
// next page where the server's pages of whole objects do not end where that one does. Errors are those of List.
func (c *Client) ListPage(
	ctx context.Context, request core.ListRequest, from core.Position, visit func(page core.Page) error,
) error {
	path, err := collectionPath(request.Kind, request.Namespace)
	if err == nil {
		err = c.list(ctx, listing{kind: request.Kind, path: path, selector: request.LabelSelector, from: &from}, visit)
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", request.Kind, err)
	}
	return nil
}

func (c *Client) list(ctx context.Context, what listing, visit func(page core.Page) error) error {
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan core.Page)
	end := make(chan error, 1)
	go func() {
		defer close(pages)
		l := &lister{client: c, listing: what, converter: stored.NewConverter(what.kind), pages: pages}
		end <- l.run(ctx)
	}()
	// The goroutine ends before this function: it does so when its context does, and whatever it still sends is
	// taken from it.
	defer func() {
		cancel()
		for range pages {
			continue
		}
	}()
	for page := range pages {
		if err := visit(page); err != nil {
			return err
		}
	}
	return <-end
}

// lister reads a list page by page and sends it on in chunks.
type lister struct {
	listing

	client    *Client
	converter *stored.Converter
	pages     chan<- core.Page

	// token asks for the next page of the server; empty for the first.
	token string
	// version is the version of the collection, once the first page has told.
	version string
	// total is the number of all objects, -1 where the server does not say.
	total int64
	// sent is the number of objects that were sent on, and sentOfPage those of the server's current page, the last of
	// which is last. They let a page that broke off be read again.
	sent       int64
	sentOfPage int
	last       core.Key
	// chunk is what has been read and not sent on, and size the length of its objects.
	chunk []core.Object
	size  int
}

// run reads all pages. A page that breaks off is read again from the same token, which leads to the same objects;
// only the first page has none, and once a part of it has been sent on the list must begin again.
func (l *lister) run(ctx context.Context) error {
	l.total = -1
	if l.from != nil {
		l.token = l.from.Token
	}
	for attempt := 1; ; attempt++ {
		before := l.sent
		more, err := l.readPage(ctx)
		if err == nil && (!more || l.hasEnough()) {
			return nil
		}
		if err == nil || l.sent > before {
			attempt = 0
		}
		if err == nil {
			continue
		}
		if err := l.recover(ctx, err, attempt); err != nil {
			return err
		}
	}
}

// hasEnough tells whether the part that is asked for was read.
func (l *lister) hasEnough() bool { return l.from != nil && l.sent >= int64(l.from.Objects) }

// recover waits until a page that broke off may be read again, or returns why it may not.
func (l *lister) recover(ctx context.Context, err error, attempt int) error {
	failed := new(failure)
	if !errors.As(err, &failed) || !failed.brokeOff || attempt >= l.client.attempts {
		return err
	}
	if l.token == "" && l.sent > 0 {
		return fmt.Errorf("%w: the first page broke off: %s", core.ErrExpired, failed.words())
	}
	return l.client.sleep(ctx, failed.wait(max(attempt, 1)))
}

// readPage reads one page of the server and tells whether there is another.
func (l *lister) readPage(ctx context.Context) (bool, error) {
	body, err := l.client.send(ctx, request{method: http.MethodGet, path: l.path, query: l.query(), accept: l.accept})
	if err != nil {
		return false, err
	}
	// All of it was read, or it is of no use any more.
	defer func() { _ = body.Close() }()
	reader := stored.NewReader(body, l.converter)
	l.chunk, l.size = nil, 0
	for skip := l.sentOfPage; ; skip-- {
		object, err := reader.Next()
		if errors.Is(err, io.EOF) && skip > 0 {
			return false, errOtherPage()
		}
		if errors.Is(err, io.EOF) {
			return l.finishPage(ctx, reader.Meta())
		}
		if err != nil {
			return false, l.explain(ctx, err)
		}
		if err := l.take(ctx, object, skip); err != nil {
			return false, err
		}
	}
}

// take adds an object to the chunk, and sends the chunk when it is full. While skip is positive, the object was sent
// before.
func (l *lister) take(ctx context.Context, object core.Object, skip int) error {
	if skip > 0 {
		if skip == 1 && object.Key() != l.last {
			return errOtherPage()
		}
		return nil
	}
	objects, bytes := pageLimit, chunkBytes
	if l.token == "" && l.from == nil {
		objects, bytes = firstLimit, firstBytes
	}
	if l.chunk == nil {
		l.chunk = make([]core.Object, 0, objects)
	}
	l.chunk = append(l.chunk, object)
	l.size += len(object.JSON)
	if l.size < bytes && len(l.chunk) < pageLimit {
		return nil
	}
	return l.flush(ctx)
}

func errOtherPage() error {
	return fmt.Errorf("%w: a page that broke off has other objects when it is read again", core.ErrExpired)
}

// finishPage sends the rest of a page and goes to the next one.
func (l *lister) finishPage(ctx context.Context, meta stored.ListMeta) (bool, error) {
	if l.token == "" {
		l.version = meta.ResourceVersion
		l.total = l.count(meta)
	}
	if meta.Continue != "" && meta.Continue == l.token {
		return false, fmt.Errorf("%w: list that leads back to the same page", core.ErrCorrupt)
	}
	// The last page is sent even when it is empty and the only one: it tells the version of the collection.
	if len(l.chunk) > 0 || l.sent == 0 && meta.Continue == "" {
		if err := l.flush(ctx); err != nil {
			return false, err
		}
	}
	l.token, l.sentOfPage = meta.Continue, 0
	return l.token != "", nil
}

// count returns the number of all objects from what the first page tells.
func (l *lister) count(meta stored.ListMeta) int64 {
	known := l.sent + int64(len(l.chunk))
	switch {
	case meta.Continue == "":
		return known
	case meta.RemainingItemCount == nil:
		return -1
	default:
		return known + *meta.RemainingItemCount
	}
}

// flush sends the chunk on, and waits until it is taken.
func (l *lister) flush(ctx context.Context) error {
	page := core.Page{Objects: l.chunk, Remaining: -1, ResourceVersion: l.version}
	after := l.sent + int64(len(l.chunk))
	if l.total >= 0 {
		page.Remaining = max(l.total-after, 0)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case l.pages <- page:
	}
	l.sent = after
	l.sentOfPage += len(l.chunk)
	if len(l.chunk) > 0 {
		l.last = l.chunk[len(l.chunk)-1].Key()
	}
	l.chunk, l.size = nil, 0
	return nil
}

// explain turns an error of reading a page into one of the client.
func (l *lister) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, core.ErrCorrupt) || errors.Is(err, core.ErrUnsupported) {
		return err
	}
	failed := broken(err)
	failed.brokeOff = true
	return failed
}

// query asks for the next page. The first is asked for without a resourceVersion, which means the state as of now;
// with one, the server may answer from an older state.
func (l *lister) query() url.Values {
	query := url.Values{"limit": {strconv.Itoa(firstLimit)}}
	switch {
	case l.token != "":
		query.Set("limit", strconv.Itoa(pageLimit))
		query.Set("continue", l.token)
	case l.from != nil:
		query.Set("limit", strconv.Itoa(pageLimit))
		query.Set("resourceVersion", l.from.Version)
		query.Set("resourceVersionMatch", string(metav1.ResourceVersionMatchExact))
	}
	if l.selector != "" {
		query.Set("labelSelector", l.selector)
	}
	return query
}
