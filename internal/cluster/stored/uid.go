package stored

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// UID returns the UID in the metadata of the object that is the whole of raw; it is empty where there is none. Nothing
// else is taken out: an answer to a creation is checked and otherwise of no use. What is not a JSON object with
// metadata gives core.ErrCorrupt.
func UID(raw []byte) (types.UID, error) {
	metadata, err := find(raw, "metadata")
	if err != nil || metadata == nil {
		return "", fmt.Errorf("%w: object whose metadata cannot be read", core.ErrCorrupt)
	}
	value, err := find(metadata, "uid")
	if err != nil {
		return "", fmt.Errorf("reading metadata: %w", err)
	}
	if value == nil {
		return "", nil
	}
	uid, err := text(value, "")
	return types.UID(uid), err
}

// find returns the value of a member, nil where there is none; of two the last one counts, as in encoding/json.
func find(raw []byte, name string) ([]byte, error) {
	const usual = 16 // members of an object, and of metadata
	members, _, err := membersOf(raw, make([]member, 0, usual))
	if err != nil {
		return nil, err
	}
	var value []byte
	for _, each := range members {
		if string(each.name) == name {
			value = each.value
		}
	}
	return value, nil
}
