package collection

import (
	"math/bits"
	"slices"
)

// numbers is a set of numbers of segments: a bit for each, so that the segments of thousands of backups take little.
type numbers []uint64

const wordSize = 64

// with returns the set with one more number. It may change the set.
func (n numbers) with(number int) numbers {
	for len(n) <= number/wordSize {
		n = append(n, 0)
	}
	n[number/wordSize] |= 1 << (number % wordSize)
	return n
}

// union returns the numbers of both sets. It may change the first.
func (n numbers) union(other numbers) numbers {
	for at, word := range other {
		if at == len(n) {
			n = append(n, 0)
		}
		n[at] |= word
	}
	return n
}

// without returns the numbers that are not in the other set.
func (n numbers) without(other numbers) numbers {
	rest := make(numbers, len(n))
	for at, word := range n {
		if at < len(other) {
			word &^= other[at]
		}
		rest[at] = word
	}
	return rest
}

func (n numbers) count() int {
	sum := 0
	for _, word := range n {
		sum += bits.OnesCount64(word)
	}
	return sum
}

// descending visits the numbers, the greatest first, until visit returns false.
func (n numbers) descending(visit func(number int) bool) {
	for at, word := range slices.Backward(n) {
		for word != 0 {
			top := bits.Len64(word) - 1
			if !visit(at*wordSize + top) {
				return
			}
			word &^= 1 << top
		}
	}
}
