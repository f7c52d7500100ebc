package transform

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// Owners gives each owner reference of the object the UID of the living owner, which resolve returns, and drops the
// references whose owners resolve does not know: Kubernetes deletes objects whose owners have another UID than their
// references say. Where none is left, the field is removed. The changes are in the order of the references.
func Owners(object map[string]any, resolve func(owner core.Owner) (uid types.UID, ok bool)) []Change {
	metadata := child(object, "metadata")
	references, _ := metadata["ownerReferences"].([]any)
	if len(references) == 0 {
		return nil
	}
	var changes []Change
	kept := make([]any, 0, len(references))
	for i, element := range references {
		path := position("metadata.ownerReferences", i)
		reference, isMap := element.(map[string]any)
		owner := ownerOf(reference)
		uid, ok := resolve(owner)
		if !ok || !isMap {
			changes = append(changes, Change{
				Path: path, Reason: fmt.Sprintf("its owner %s %s is not there", owner.Kind, owner.Name), Dropped: true,
			})
			continue
		}
		if uid != owner.UID {
			reference["uid"] = string(uid)
			changes = append(changes, Change{
				Path: path + ".uid", Reason: fmt.Sprintf("its owner %s %s has a new UID", owner.Kind, owner.Name),
			})
		}
		kept = append(kept, element)
	}
	if len(kept) == 0 {
		delete(metadata, "ownerReferences")
		return changes
	}
	metadata["ownerReferences"] = kept
	return changes
}

func ownerOf(reference map[string]any) core.Owner {
	controller, _ := reference["controller"].(bool)
	return core.Owner{
		APIVersion: text(reference, "apiVersion"), Kind: text(reference, "kind"), Name: text(reference, "name"),
		UID: types.UID(text(reference, "uid")), Controller: controller,
	}
}
