package restoreplan

// chunks is a list that grows without moving or copying what is in it, so that one can point to its elements and no
// memory is kept for many that may never come.
type chunks[T any] [][]T

// chunkSize is how many elements are allocated at once.
const chunkSize = 512

// add appends the element and returns where it is.
func (c *chunks[T]) add(element T) *T {
	last := len(*c) - 1
	if last < 0 || len((*c)[last]) == chunkSize {
		*c = append(*c, make([]T, 0, chunkSize))
		last++
	}
	(*c)[last] = append((*c)[last], element)
	return &(*c)[last][len((*c)[last])-1]
}

func (c *chunks[T]) length() int {
	if len(*c) == 0 {
		return 0
	}
	return (len(*c)-1)*chunkSize + len((*c)[len(*c)-1])
}

// each visits the elements in the order in which they were added.
func (c *chunks[T]) each(visit func(element *T)) {
	for _, chunk := range *c {
		for i := range chunk {
			visit(&chunk[i])
		}
	}
}

// drain is each, and gives the memory of the elements back on the way.
func (c *chunks[T]) drain(visit func(element *T)) {
	for len(*c) > 0 {
		first := (*c)[:1]
		first.each(visit)
		(*c)[0] = nil
		*c = (*c)[1:]
	}
}
