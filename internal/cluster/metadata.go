package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/soda-cdm/kahu/internal/core"
)

// acceptBinaryMetadata asks for the metadata of a list in the form that costs the server least, and takes another one, or
// the objects, from a server that cannot do it.
const acceptBinaryMetadata = binaryType + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1," + acceptMetadataList

// binaryType is the form in which servers keep most objects, and binaryMark what it begins with.
const (
	binaryType = "application/vnd.kubernetes.protobuf"
	binaryMark = "k8s\x00"
)

// ListMetadata visits the objects of a kind without their contents, as of one moment, like List. Each page says where it
// begins, so that ListPage can read the same objects whole.
func (c *Client) ListMetadata(
	ctx context.Context, request core.ListRequest, visit func(page core.MetadataPage) error,
) error {
	path, err := collectionPath(request.Kind, request.Namespace)
	if err == nil {
		what := listing{kind: request.Kind, path: path, selector: request.LabelSelector, accept: acceptBinaryMetadata}
		err = c.listMetadata(ctx, what, visit)
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", request.Kind, err)
	}
	return nil
}

// listMetadata reads the next page while visit has one.
func (c *Client) listMetadata(ctx context.Context, what listing, visit func(page core.MetadataPage) error) error {
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan core.MetadataPage)
	end := make(chan error, 1)
	go func() {
		defer close(pages)
		end <- c.sendMetadata(ctx, what, pages)
	}()
	// As in list: the goroutine ends before this function.
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

func (c *Client) sendMetadata(ctx context.Context, what listing, pages chan<- core.MetadataPage) error {
	var position core.Position
	reader := metadataReader{client: c, listing: what, limit: pageLimit}
	for first := true; first || position.Token != ""; first = false {
		found, err := reader.read(ctx, position.Token)
		if err != nil {
			return err
		}
		if first {
			position.Version = found.ResourceVersion
		}
		position.Objects = len(found.Items)
		page := core.MetadataPage{Position: position}
		page.ResourceVersion, page.Remaining = position.Version, remaining(found.ListMeta)
		page.Objects = make([]core.Object, 0, len(found.Items))
		for i := range found.Items {
			page.Objects = append(page.Objects, unreadOf(what.kind, &found.Items[i].ObjectMeta))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case pages <- page:
		}
		if found.Continue != "" && found.Continue == position.Token {
			return fmt.Errorf("%w: list that leads back to the same page", core.ErrCorrupt)
		}
		position.Token = found.Continue
	}
	return nil
}

// remaining returns the number of objects after a page as the server tells it, -1 where it does not.
func remaining(page metav1.ListMeta) int64 {
	switch {
	case page.Continue == "":
		return 0
	case page.RemainingItemCount == nil:
		return -1
	}
	return *page.RemainingItemCount
}

// metadataReader reads pages of metadata, as long as it may: for each page an API server goes through all that comes after it,
// to count it, so that many small pages of a large kind cost it more than their objects do.
type metadataReader struct {
	listing

	client *Client
	limit  int // how many objects the next page may have
}

const (
	// metadataLimit is the most objects that a page of metadata has.
	metadataLimit = 5000
	// metadataBytes is how long a page of metadata is to be, in bytes: 5,000 objects of 400 bytes, or 16 with annotations as
	// long as Kubernetes takes them.
	metadataBytes = 2 << 20
)

// read reads one page whole.
func (r *metadataReader) read(ctx context.Context, token string) (*metav1.PartialObjectMetadataList, error) {
	for {
		page, length, err := r.readOnce(ctx, token)
		switch {
		case errors.Is(err, errAnswerTooLong) && r.limit > 1:
			r.limit /= 2
		case err != nil:
			return nil, err
		default:
			r.limit = limitAfter(len(page.Items), length)
			return page, nil
		}
	}
}

// limitAfter returns how many objects the next page may have where one had so many, of so many bytes in all.
func limitAfter(objects, length int) int {
	if objects == 0 || length == 0 {
		return pageLimit
	}
	return min(max(objects*metadataBytes/length, 1), metadataLimit)
}

func (r *metadataReader) readOnce(ctx context.Context, token string) (*metav1.PartialObjectMetadataList, int, error) {
	query := url.Values{"limit": {strconv.Itoa(r.limit)}}
	if token != "" {
		query.Set("continue", token)
	}
	if r.selector != "" {
		query.Set("labelSelector", r.selector)
	}
	content, contentType, err := r.client.read(ctx, request{method: http.MethodGet, path: r.path, query: query, accept: r.accept})
	if err != nil {
		return nil, 0, err
	}
	page := &metav1.PartialObjectMetadataList{}
	if err := decodeMetadata(content, contentType, page); err != nil {
		// The error itself is left out, as it can quote content.
		return nil, 0, fmt.Errorf("%w: answer of the API server that cannot be read as metadata", core.ErrCorrupt)
	}
	for i := range page.Items {
		if page.Items[i].Name == "" {
			return nil, 0, fmt.Errorf("%w: object without a name", core.ErrCorrupt)
		}
	}
	return page, len(content), nil
}

// decodeMetadata decodes an answer in the form that the server chose.
func decodeMetadata(content []byte, contentType string, page *metav1.PartialObjectMetadataList) error {
	if !strings.HasPrefix(contentType, binaryType) {
		return json.Unmarshal(content, page)
	}
	wrapped, is := bytes.CutPrefix(content, []byte(binaryMark))
	if !is {
		return core.ErrCorrupt
	}
	var unknown runtime.Unknown
	if err := unknown.Unmarshal(wrapped); err != nil {
		return err
	}
	if unknown.Kind != "PartialObjectMetadataList" {
		return core.ErrCorrupt
	}
	return page.Unmarshal(unknown.Raw)
}

// unreadOf returns an object without its content.
func unreadOf(kind core.Kind, metadata *metav1.ObjectMeta) core.Object {
	return core.Object{
		Kind: kind, Namespace: metadata.Namespace, Name: metadata.Name, UID: metadata.UID,
		ResourceVersion: metadata.ResourceVersion, Labels: metadata.Labels, Owners: ownersOf(metadata),
		Terminating: metadata.DeletionTimestamp != nil,
	}
}
