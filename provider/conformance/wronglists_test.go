package conformance_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// ghostly lists what is not there.
type ghostly struct{ *memory.Store }

func (d ghostly) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	if last := len(page.Objects) - 1; last >= 0 && page.NextPageToken == "" {
		ghost := page.Objects[last]
		ghost.Name += "~"
		page.Objects = append(page.Objects, ghost)
	}
	return page, err
}

// repeating begins each page with the last entry of the one before.
type repeating struct {
	*memory.Store

	last sync.Map
}

func (d *repeating) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	if err != nil || len(page.Objects) == 0 {
		return page, err
	}
	d.last.Store(page.NextPageToken, page.Objects[len(page.Objects)-1])
	if before, known := d.last.Load(request.PageToken); known && request.PageToken != "" {
		page.Objects = append([]provider.ObjectInfo{before.(provider.ObjectInfo)}, page.Objects...)
		if request.PageSize > 0 {
			page.Objects = page.Objects[:min(len(page.Objects), request.PageSize)]
		}
	}
	return page, err
}

// endless gives the token that it was asked with.
type endless struct{ *memory.Store }

func (d endless) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	if request.PageToken != "" {
		page.NextPageToken = request.PageToken
	}
	return page, err
}

// timeless lists without times.
type timeless struct{ *memory.Store }

func (d timeless) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	for i := range page.Objects {
		page.Objects[i].Modified = time.Time{}
	}
	return page, err
}

// late lists what was there when the prefix was listed before.
type late struct {
	*memory.Store

	before sync.Map
}

func (d *late) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	if err != nil || request.PageToken != "" {
		return page, err
	}
	if old, known := d.before.Swap(request.Prefix, page); known && strings.HasSuffix(request.Prefix, "/") {
		return old.(provider.ListPage), nil
	}
	return page, nil
}

// digesting lists digests of something else.
type digesting struct{ *memory.Store }

func (d digesting) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	for i := range page.Objects {
		page.Objects[i].Digest = "sha256:" + strings.Repeat("0", 64)
	}
	return page, err
}
