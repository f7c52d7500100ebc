package fakecluster

import (
	"context"
	"fmt"
	"strconv"

	"github.com/soda-cdm/kahu/internal/core"
)

// ListMetadata visits the objects page by page without their contents, as they are when it begins.
func (c *Cluster) ListMetadata(ctx context.Context, request core.ListRequest, visit func(page core.MetadataPage) error) error {
	key := core.Key{Group: request.Kind.Group, Resource: request.Kind.Resource, Namespace: request.Namespace}
	if err := c.enter(Call{Verb: "metadata", Key: key}); err != nil {
		return err
	}
	objects, version, err := c.snapshot(request)
	if err != nil {
		return err
	}
	c.remember(version, key, objects)
	for start := 0; start == 0 || start < len(objects); start += c.pageSize() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.enter(Call{Verb: "metadata page", Key: key, Page: start / c.pageSize()}); err != nil {
			return err
		}
		end := min(start+c.pageSize(), len(objects))
		page := core.MetadataPage{Position: core.Position{Version: version}}
		if start > 0 {
			page.Position.Token = strconv.Itoa(start)
		}
		page.Position.Objects = end - start
		page.Remaining, page.ResourceVersion = int64(len(objects)-end), version
		for _, object := range objects[start:end] {
			object.JSON = nil
			page.Objects = append(page.Objects, object)
		}
		if err := visit(page); err != nil {
			return err
		}
	}
	return nil
}

// ListPage visits the objects of one page of a list whose metadata were visited.
func (c *Cluster) ListPage(
	_ context.Context, request core.ListRequest, from core.Position, visit func(page core.Page) error,
) error {
	key := core.Key{Group: request.Kind.Group, Resource: request.Kind.Resource, Namespace: request.Namespace}
	if err := c.enter(Call{Verb: "whole page", Key: key}); err != nil {
		return err
	}
	c.mu.Lock()
	objects, there := c.lists[from.Version+" "+key.String()]
	c.mu.Unlock()
	if !there {
		return fmt.Errorf("listing %s: %w", request.Kind, core.ErrExpired)
	}
	start := 0
	if from.Token != "" {
		var err error
		if start, err = strconv.Atoi(from.Token); err != nil {
			return err
		}
	}
	end := min(start+c.pageSize(), len(objects))
	return visit(core.Page{Objects: objects[start:end:end], Remaining: int64(len(objects) - end), ResourceVersion: from.Version})
}

// remember keeps a list for ListPage.
func (c *Cluster) remember(version string, key core.Key, objects []core.Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lists == nil {
		c.lists = map[string][]core.Object{}
	}
	c.lists[version+" "+key.String()] = objects
}

func (c *Cluster) pageSize() int {
	if c.PageSize == 0 {
		return 2
	}
	return c.PageSize
}
