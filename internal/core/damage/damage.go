// Package damage finds what is wrong with the files of a backup that is read back, and which objects that concerns.
//
// A Row is one piece of damage: a file, the place in it where that is known, and the objects whose bytes are there. A
// List collects the rows of a backup, bounded and in the order of the files. CheckSegment compares a segment with what
// the index says of it; a Sample chooses frames of a backup that is not read as a whole.
package damage

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/soda-cdm/kahu/internal/core"
)

// The reasons of rows. They are stable.
const (
	// Missing: the file is not there.
	Missing = "FileMissing"
	// WrongContent: the bytes are not those that were written.
	WrongContent = "FileDamaged"
	// Contradiction: the file is as it was written, and says what another file of the backup does not.
	Contradiction = "FilesContradict"
)

const (
	// MaxRows bounds the rows of a List.
	MaxRows = 100
	// MaxObjects bounds the objects that a row names.
	MaxObjects = 10
	// Nowhere is the offset of damage whose place in the file is not known.
	Nowhere = -1
)

// Row is one piece of damage.
type Row struct {
	// File is the name of the file in the location.
	File string
	// Offset is the number of bytes before the damaged part, or Nowhere; Length is the length of that part, 0 where it
	// is not known.
	Offset, Length int64
	// Reason is one of the reasons of this package, Message says what was found.
	Reason, Message string
	// Objects are the first of the objects that cannot be restored because of it, ObjectsTotal is the number of all.
	Objects      []core.Key
	ObjectsTotal int64
}

// In returns damage of a file at no known place.
func In(file, reason, message string) Row {
	return Row{File: file, Offset: Nowhere, Reason: reason, Message: message}
}

// Concern adds an object that cannot be restored.
func (r *Row) Concern(key core.Key) {
	r.ObjectsTotal++
	if len(r.Objects) < MaxObjects {
		r.Objects = append(r.Objects, key)
	}
}

// follows tells whether the row's part of the file begins where the other one's ends.
func (r *Row) follows(other *Row) bool {
	return r.File == other.File && r.Reason == other.Reason && other.Offset >= 0 && other.Length > 0 &&
		r.Offset == other.Offset+other.Length
}

// join takes in a row that follows.
func (r *Row) join(next Row) {
	r.Length += next.Length
	r.ObjectsTotal += next.ObjectsTotal
	r.Objects = append(r.Objects, next.Objects...)
	r.Objects = r.Objects[:min(len(r.Objects), MaxObjects)]
}

// List is the damage of a backup. It is safe for concurrent use. The zero value is empty.
type List struct {
	mu      sync.Mutex
	rows    []Row
	total   int64
	objects int64
}

// Add writes down pieces of damage. Of pieces of one file that lie side by side it makes one.
func (l *List) Add(rows ...Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, row := range joined(rows) {
		l.total++
		l.objects += row.ObjectsTotal
		at, _ := slices.BinarySearchFunc(l.rows, row, compare)
		l.rows = slices.Insert(l.rows, at, row)
		l.rows = l.rows[:min(len(l.rows), MaxRows)]
	}
}

// Rows returns the first rows in the order of file and offset, and the numbers of all rows and of all objects that
// cannot be restored.
func (l *List) Rows() (rows []Row, total, objects int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.rows), l.total, l.objects
}

// Any tells whether there is damage.
func (l *List) Any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total > 0
}

func joined(rows []Row) []Row {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, compare)
	var kept []Row
	for _, row := range rows {
		if last := len(kept) - 1; last >= 0 && row.follows(&kept[last]) {
			kept[last].join(row)
			continue
		}
		kept = append(kept, row)
	}
	return kept
}

func compare(a, b Row) int {
	return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Offset, b.Offset), strings.Compare(a.Message, b.Message))
}
