package archive

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/soda-cdm/kahu/internal/core"
)

// Entry is what the name of a tar entry says about the object in it.
type Entry struct {
	// Group is the API group, empty for the core group.
	Group string
	// Version is the version in which the object is stored.
	Version string
	// Resource is the plural name of the object's kind.
	Resource string
	// Namespace is empty for an object at cluster scope.
	Namespace string
	// Name is the object's name.
	Name string
	// Offset is the number of bytes before the content in its decompressed frame, where the entry comes from one.
	Offset int64
}

// Key returns the name of the object in the cluster.
func (e Entry) Key() core.Key {
	return core.Key{Group: e.Group, Resource: e.Resource, Namespace: e.Namespace, Name: e.Name}
}

const (
	coreGroup     = "core"     // stands for the empty group; no group may be called so
	clusterScope  = "_cluster" // stands for no namespace; the underscore keeps it apart from all namespaces
	entrySuffix   = ".json"
	maxKindWord   = 253 // of the groups, versions, resources and namespaces
	hexDigits     = "0123456789ABCDEF"
	deleteControl = 0x7f
)

// EntryName returns the name of the tar entry of an object: <group or core>/<version>/<resource>/<namespace or
// _cluster>/<name>.json. Control characters, the backslash and the percent sign, which a name may hold in theory, are
// written as a percent sign and two hexadecimal digits in upper case. Names that the API does not allow and that
// would leave the folder give core.ErrInvalid.
func EntryName(kind core.Kind, namespace, name string) (string, error) {
	if err := checkObjectName(kind, namespace, name); err != nil {
		return "", err
	}
	group, scope := kind.Group, namespace
	if group == "" {
		group = coreGroup
	}
	if scope == "" {
		scope = clusterScope
	}
	return group + "/" + kind.Version + "/" + kind.Resource + "/" + scope + "/" + escapeName(name) + entrySuffix, nil
}

// ParseEntryName is the inverse of EntryName; ok is false for every other name.
func ParseEntryName(name string) (entry Entry, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 5 {
		return Entry{}, false
	}
	base, found := strings.CutSuffix(parts[4], entrySuffix)
	if !found {
		return Entry{}, false
	}
	entry = Entry{Group: parts[0], Version: parts[1], Resource: parts[2], Namespace: parts[3], Name: unescapeName(base)}
	if entry.Group == coreGroup {
		entry.Group = ""
	}
	if entry.Namespace == clusterScope {
		entry.Namespace = ""
	}
	kind := core.Kind{
		Group: entry.Group, Version: entry.Version, Resource: entry.Resource, Namespaced: entry.Namespace != "",
	}
	again, err := EntryName(kind, entry.Namespace, entry.Name)
	if err != nil || again != name {
		return Entry{}, false
	}
	return entry, true
}

// checkObjectName returns core.ErrInvalid for a kind or an object that cannot be named in an archive.
func checkObjectName(kind core.Kind, namespace, name string) error {
	if err := checkKind(kind); err != nil {
		return err
	}
	if (namespace != "") != kind.Namespaced {
		return fmt.Errorf("%s: %q in namespace %q does not fit the scope of its kind: %w",
			kind.GroupResource(), clip(name), clip(namespace), core.ErrInvalid)
	}
	if namespace != "" && !isWord(namespace) {
		return fmt.Errorf("%s: namespace %q: %w", kind.GroupResource(), clip(namespace), core.ErrInvalid)
	}
	if !isObjectName(name) {
		return fmt.Errorf("%s: name %q: %w", kind.GroupResource(), clip(name), core.ErrInvalid)
	}
	return nil
}

// checkKind returns core.ErrInvalid for a kind that cannot be named in an archive.
func checkKind(kind core.Kind) error {
	if kind.Group == coreGroup || kind.Group != "" && !isWord(kind.Group) {
		return fmt.Errorf("group %q: %w", clip(kind.Group), core.ErrInvalid)
	}
	if !isWord(kind.Version) || !isWord(kind.Resource) {
		return fmt.Errorf("resource %q in version %q: %w", clip(kind.Resource), clip(kind.Version), core.ErrInvalid)
	}
	return nil
}

// isWord accepts what groups, versions, resources and namespaces are made of.
func isWord(word string) bool {
	return word != "" && len(word) <= maxKindWord && word[0] != '.' &&
		consists(word, func(char byte) bool { return isIdentity(char) || char == '.' })
}

// isObjectName accepts every name that the API could have accepted as a part of a path.
func isObjectName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= MaxNameSize &&
		!strings.Contains(name, "/") && utf8.ValidString(name)
}

func mustEscape(char rune) bool {
	return char < ' ' || char == deleteControl || char == '%' || char == '\\'
}

func escapeName(name string) string {
	if strings.IndexFunc(name, mustEscape) < 0 {
		return name
	}
	var escaped strings.Builder
	for i := range len(name) {
		char := name[i]
		if !mustEscape(rune(char)) {
			escaped.WriteByte(char)
			continue
		}
		escaped.WriteByte('%')
		escaped.WriteByte(hexDigits[char>>4])
		escaped.WriteByte(hexDigits[char&0x0f])
	}
	return escaped.String()
}

// unescapeName takes back escapeName. What cannot be taken back it leaves: the caller escapes again and compares.
func unescapeName(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	var plain strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '%' && i+2 < len(name) {
			if char, err := strconv.ParseUint(name[i+1:i+3], 16, 8); err == nil {
				plain.WriteByte(byte(char))
				i += 2
				continue
			}
		}
		plain.WriteByte(name[i])
	}
	return plain.String()
}
