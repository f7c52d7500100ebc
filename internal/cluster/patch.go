package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// Merge changes fields of an object, or of a subresource of it, in the name of a manager. An object that is not there
// gives core.ErrNotFound, a subresource that its kind does not have core.ErrUnsupported or core.ErrNotFound, what the
// server does not accept core.ErrInvalid.
func (c *Client) Merge(ctx context.Context, patch core.MergePatch, manager string) error {
	if err := c.merge(ctx, patch, manager); err != nil {
		name := describe(patch.Kind, patch.Namespace, patch.Name)
		return fmt.Errorf("changing %s: %w", name, withoutContent(patch.Kind, err))
	}
	return nil
}

func (c *Client) merge(ctx context.Context, patch core.MergePatch, manager string) error {
	path, err := objectPath(patch.Kind, patch.Namespace, patch.Name)
	if err != nil {
		return err
	}
	if patch.Subresource != "" {
		if err := checkSegment("subresource", patch.Subresource); err != nil {
			return err
		}
		path += "/" + patch.Subresource
	}
	body, err := json.Marshal(patch.Content)
	if err != nil {
		// The error itself is left out, as it can quote content.
		return fmt.Errorf("%w: patch that cannot be encoded as JSON", core.ErrInvalid)
	}
	_, err = c.write(ctx, request{
		method: http.MethodPatch, path: path, body: body, contentType: string(types.MergePatchType),
	}, manager)
	return err
}
