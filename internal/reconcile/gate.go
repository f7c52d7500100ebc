package reconcile

import "sync"

// Gate lets only so many passes of a group through to something slow, such as a store, so that a group whose store hangs
// does not hold all the workers of a controller.
type Gate struct {
	mu     sync.Mutex
	inside map[string]int
	limit  int
}

// NewGate returns a gate for so many passes of each group at once.
func NewGate(limit int) *Gate { return &Gate{inside: map[string]int{}, limit: limit} }

// Enter lets a pass through, until leave is called, or returns false where enough of its group are inside.
func (g *Gate) Enter(group string) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[group] >= g.limit {
		return nil, false
	}
	g.inside[group]++
	return sync.OnceFunc(func() { g.leave(group) }), true
}

func (g *Gate) leave(group string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[group]--; g.inside[group] == 0 {
		delete(g.inside, group)
	}
}
