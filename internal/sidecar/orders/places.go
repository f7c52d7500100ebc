package orders

import "sync"

// key names an order.
type key struct{ kind, name string }

// places are those that the driver has for orders that it works on.
type places struct {
	mutex   sync.Mutex
	limit   int
	taken   map[key]bool
	waiting map[key]func() // What to call when there is a place.
}

// occupy gives a place to an order that is under way, whether there is one or not.
func (p *places) occupy(order key) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.taken[order] = true
	delete(p.waiting, order)
}

// take gives a place to an order, if there is one, and otherwise notes what to call when there may be.
func (p *places) take(order key, wake func()) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.taken[order] {
		return true
	}
	if len(p.taken) >= p.limit {
		p.waiting[order] = wake
		return false
	}
	p.taken[order] = true
	delete(p.waiting, order)
	return true
}

// give takes the place of an order back, if it had one, and wakes those that wait.
func (p *places) give(order key) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.waiting, order)
	if !p.taken[order] {
		return
	}
	delete(p.taken, order)
	for _, wake := range p.waiting {
		wake()
	}
}
