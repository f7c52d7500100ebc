package stored

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// maxInterned bounds the label keys that a Converter remembers.
const maxInterned = 256

// Converter makes objects of one kind from what the API server sends. It reuses memory from object to object; the
// objects it returns share none of it. It is not for several goroutines at once.
type Converter struct {
	kind core.Kind
	// apiVersion and name are members that the items of a built-in list lack.
	apiVersion, name member
	members          []member
	metadata         []member
	labels           []member
	// interned holds the label keys that came before, as most objects of a kind have the same ones.
	interned map[string]string
	// namespace is the namespace of the object before, as a list goes namespace by namespace.
	namespace string
}

// NewConverter returns a Converter for objects of the kind.
func NewConverter(kind core.Kind) *Converter {
	return &Converter{
		kind:       kind,
		apiVersion: textMember("apiVersion", kind.APIVersion()),
		name:       textMember("kind", kind.Name),
		interned:   map[string]string{},
	}
}

// Object returns the object that is the whole of raw, which it does not keep. What is not a JSON object with
// metadata and a name, or has a key twice where keys have a meaning here, gives core.ErrCorrupt.
func (c *Converter) Object(raw []byte) (core.Object, error) {
	if err := c.cut(raw); err != nil {
		return core.Object{}, err
	}
	object := core.Object{Kind: c.kind}
	if err := c.readMetadata(&object); err != nil {
		return core.Object{}, err
	}
	if object.Name == "" {
		return core.Object{}, fmt.Errorf("%w: object without a name", core.ErrCorrupt)
	}
	object.JSON = c.form()
	return object, nil
}

// cut sets the members of the object and of its metadata, sorted and complete, from compact bytes.
func (c *Converter) cut(raw []byte) error {
	var spaced bool
	var err error
	if c.members, spaced, err = membersOf(raw, c.members); err != nil {
		return err
	}
	if spaced {
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return fmt.Errorf("%w: JSON of an object that cannot be made compact", core.ErrCorrupt)
		}
		if c.members, _, err = membersOf(compact.Bytes(), c.members); err != nil {
			return err
		}
	}
	c.addMissing(c.apiVersion)
	c.addMissing(c.name)
	if err := sortMembers(c.members); err != nil {
		return err
	}
	i := slices.IndexFunc(c.members, isMetadata)
	if i < 0 {
		return fmt.Errorf("%w: object without metadata", core.ErrCorrupt)
	}
	if c.metadata, _, err = membersOf(c.members[i].value, c.metadata); err != nil {
		return fmt.Errorf("reading metadata: %w", err)
	}
	return sortMembers(c.metadata)
}

func (c *Converter) addMissing(added member) {
	same := func(m member) bool { return bytes.Equal(m.name, added.name) }
	if !slices.ContainsFunc(c.members, same) {
		c.members = append(c.members, added)
	}
}

// readMetadata sets what the object's metadata tell.
func (c *Converter) readMetadata(object *core.Object) error {
	for _, m := range c.metadata {
		if string(m.value) == "null" {
			continue
		}
		if err := c.readField(object, m); err != nil {
			return fmt.Errorf("reading metadata.%s: %w", m.name, err)
		}
	}
	return nil
}

func (c *Converter) readField(object *core.Object, m member) error {
	var err error
	switch string(m.name) {
	case "namespace":
		object.Namespace, err = text(m.value, c.namespace)
		c.namespace = object.Namespace
	case "name":
		object.Name, err = text(m.value, "")
	case "uid":
		var uid string
		uid, err = text(m.value, "")
		object.UID = types.UID(uid)
	case "resourceVersion":
		object.ResourceVersion, err = text(m.value, "")
	case "labels":
		object.Labels, err = c.readLabels(m.value)
	case "ownerReferences":
		if err := json.Unmarshal(m.value, &object.Owners); err != nil {
			return fmt.Errorf("%w: not a list of owners", core.ErrCorrupt)
		}
	case "deletionTimestamp":
		object.Terminating = true
	}
	return err
}

func (c *Converter) readLabels(raw []byte) (map[string]string, error) {
	var err error
	if c.labels, _, err = membersOf(raw, c.labels); err != nil {
		return nil, err
	}
	labels := make(map[string]string, len(c.labels))
	for _, m := range c.labels {
		value, err := text(m.value, "")
		if err != nil {
			return nil, err
		}
		labels[c.intern(m.name)] = value
	}
	return labels, nil
}

func (c *Converter) intern(name []byte) string {
	if known, ok := c.interned[string(name)]; ok {
		return known
	}
	added := string(name)
	if len(c.interned) < maxInterned {
		c.interned[added] = added
	}
	return added
}

// form puts the members together.
func (c *Converter) form() []byte {
	size := len(`{}`)
	for _, m := range c.members {
		size += m.size()
	}
	for _, m := range c.metadata {
		if isVolatile(m) {
			size -= m.size()
		}
	}
	out := make([]byte, 0, size)
	out = append(out, '{')
	for i, m := range c.members {
		if i > 0 {
			out = append(out, ',')
		}
		if isMetadata(m) {
			out = c.appendMetadata(append(append(out, m.key...), ':'))
			continue
		}
		out = m.append(out)
	}
	return append(out, '}')
}

func (c *Converter) appendMetadata(out []byte) []byte {
	out = append(out, '{')
	first := true
	for _, m := range c.metadata {
		if isVolatile(m) {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = m.append(out)
	}
	return append(out, '}')
}

func isMetadata(m member) bool { return string(m.name) == "metadata" }

// isVolatile tells whether a member of metadata is left out of the stored form.
func isVolatile(m member) bool {
	return string(m.name) == "managedFields" || string(m.name) == "resourceVersion"
}

func textMember(name, value string) member {
	return member{name: []byte(name), key: quote(name), value: quote(value)}
}

// quote returns the text as a JSON string.
func quote(text string) []byte {
	quoted := []byte{'"'}
	for _, c := range []byte(text) {
		if c < ' ' || c == '"' || c == '\\' {
			quoted = fmt.Appendf(quoted, `\u%04x`, c)
			continue
		}
		quoted = append(quoted, c)
	}
	return append(quoted, '"')
}

// size returns the length of the member with its colon and a comma.
func (m member) size() int { return len(m.key) + len(m.value) + len(`:,`) }

func (m member) append(out []byte) []byte {
	return append(append(append(out, m.key...), ':'), m.value...)
}

// sortMembers sorts by the bytes of the names, and refuses two of one name: readers of JSON differ in which they
// take.
func sortMembers(members []member) error {
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.name, b.name) })
	for i := 1; i < len(members); i++ {
		if bytes.Equal(members[i-1].name, members[i].name) {
			return fmt.Errorf("%w: key that stands twice in an object", core.ErrCorrupt)
		}
	}
	return nil
}

// text returns the string in a checked value, and known itself where it is the same.
func text(value []byte, known string) (string, error) {
	if value[0] != '"' {
		return "", fmt.Errorf("%w: not a string", core.ErrCorrupt)
	}
	content, err := unquote(value)
	if err != nil {
		return "", err
	}
	if string(content) == known {
		return known, nil
	}
	return string(content), nil
}
