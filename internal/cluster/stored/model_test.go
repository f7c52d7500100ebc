package stored_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

type modelMember struct {
	key, value []byte
}

// modelMembers cuts an object with the tokens of encoding/json, or returns false where it is none or has a key twice.
func modelMembers(raw []byte) (map[string]*modelMember, bool) {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil || compact.Len() == 0 || compact.Bytes()[0] != '{' {
		return nil, false
	}
	raw = compact.Bytes()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	members := map[string]*modelMember{}
	if _, err := decoder.Token(); err != nil {
		return nil, false
	}
	for decoder.More() {
		start := decoder.InputOffset()
		token, err := decoder.Token()
		key, ok := token.(string)
		if err != nil || !ok || members[key] != nil {
			return nil, false
		}
		m := &modelMember{key: bytes.TrimPrefix(raw[start:decoder.InputOffset()], []byte(","))}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil, false
		}
		m.value = value
		members[key] = m
	}
	return members, true
}

func modelObject(members map[string]*modelMember) []byte {
	var parts [][]byte
	for _, key := range slices.Sorted(maps.Keys(members)) {
		parts = append(parts, slices.Concat(members[key].key, []byte(":"), members[key].value))
	}
	return slices.Concat([]byte("{"), bytes.Join(parts, []byte(",")), []byte("}"))
}

// nullLabel tells whether a label is null, which encoding/json takes for an empty one.
func nullLabel(raw []byte) bool {
	var labels map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &labels) != nil {
		return false
	}
	for _, value := range labels {
		if string(value) == "null" {
			return true
		}
	}
	return false
}

// modelItems returns the number of items of a list.
func modelItems(page []byte) (int, bool) {
	if !json.Valid(page) {
		return 0, false
	}
	members, ok := modelMembers(page)
	if !ok || members["items"] == nil {
		// A key that stands twice is read as JSON allows it; the number of items is then not known here.
		var list struct {
			Items []json.RawMessage `json:"items"`
		}
		return len(list.Items), json.Unmarshal(page, &list) == nil
	}
	var items []json.RawMessage
	err := json.Unmarshal(members["items"].value, &items)
	return len(items), err == nil
}
