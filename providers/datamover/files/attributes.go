package files

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"time"
)

// special is what an entry is that is no folder, file or symbolic link.
type special string

const (
	pipe            special = "pipe"
	socket          special = "socket"
	characterDevice special = "character"
	blockDevice     special = "block"
)

// attributes are what the tree has no place for of one entry. Its names are part of what is stored, and do not change.
type attributes struct {
	// Name is the stored name of the entry, or a dot for the folder itself.
	Name string `json:"name"`
	// Extended are the extended attributes, access control lists among them.
	Extended map[string][]byte `json:"xattrs,omitempty"`
	// Link is the same for all names of one file that has several.
	Link string `json:"link,omitempty"`
	// Sparse tells that the file has holes.
	Sparse bool `json:"sparse,omitempty"`
	// Modified is when a folder was changed, in nanoseconds since 1970: in its place the tree has the latest time of what is below.
	Modified int64 `json:"mtime,omitempty"`
	// Special tells of an entry that is not in the tree, with what else is known of it.
	Special *specialEntry `json:"special,omitempty"`
}

// specialEntry is a pipe, a socket or a device.
type specialEntry struct {
	Kind     special `json:"kind"`
	Device   uint64  `json:"device,omitempty"`
	Mode     uint32  `json:"mode"`
	Owner    uint32  `json:"uid"`
	Group    uint32  `json:"gid"`
	Modified int64   `json:"mtime"` // In nanoseconds since 1970.
}

// ordinary tells that there is nothing to tell.
func (a attributes) ordinary() bool {
	return len(a.Extended) == 0 && a.Link == "" && !a.Sparse && a.Modified == 0 && a.Special == nil
}

// encode returns the content of the file of attributes: a line of JSON for each.
func encode(rows []attributes) ([]byte, error) {
	var content bytes.Buffer
	lines := json.NewEncoder(&content)
	for _, row := range rows {
		if err := lines.Encode(row); err != nil {
			return nil, fmt.Errorf("telling the attributes of %s: %w", row.Name, err)
		}
	}
	return content.Bytes(), nil
}

// decode reads a file of attributes, by stored name.
func decode(from io.Reader) (map[string]attributes, error) {
	rows := map[string]attributes{}
	lines := json.NewDecoder(bufio.NewReader(from))
	for {
		var row attributes
		switch err := lines.Decode(&row); {
		case err == io.EOF:
			return rows, nil
		case err != nil:
			return nil, fmt.Errorf("reading attributes: %w", err)
		}
		rows[row.Name] = row
	}
}

// stampOf returns a time that is the same for the same content, so that the repository sees whether it has changed. It is before 1990,
// and hides no other time where the latest one is asked for.
func stampOf(content []byte) time.Time {
	hash := fnv.New64a()
	_, _ = hash.Write(content)
	return time.Unix(0, int64(hash.Sum64()>>5)).UTC()
}
