package hook

import (
	"fmt"
	"strings"
	"sync"
)

// half is how much is kept of the beginning, and of the end, of what a command writes.
const half = 32 << 10

// Output keeps the first and the last part of what is written to it. It may be written to by several goroutines at once, and
// read before they end.
type Output struct {
	mu    sync.Mutex
	first []byte
	last  []byte // a ring
	next  int    // where the ring goes on
	total int64
}

// Write keeps what there is room for, and never fails.
func (o *Output) Write(part []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	written := len(part)
	o.total += int64(written)
	room := min(half-len(o.first), len(part))
	o.first = append(o.first, part[:room]...)
	o.keepLast(part[room:])
	return written, nil
}

func (o *Output) keepLast(part []byte) {
	if len(part) > half {
		part = part[len(part)-half:]
	}
	room := min(half-len(o.last), len(part))
	o.last = append(o.last, part[:room]...)
	for _, each := range part[room:] {
		o.last[o.next] = each
		o.next = (o.next + 1) % half
	}
}

// String returns what was kept, and says how much is left out between its parts.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := string(o.first)
	if left := o.total - int64(len(o.first)+len(o.last)); left > 0 {
		text += fmt.Sprintf("\n... %d bytes left out ...\n", left)
	}
	text += string(o.last[o.next:]) + string(o.last[:o.next])
	return strings.ToValidUTF8(text, "\uFFFD")
}
