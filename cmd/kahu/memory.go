package main

import (
	"math"
	"runtime/debug"
)

// memoryLimit is the amount of memory, in bytes, from which on the manager rather collects its garbage than take more: a
// restore of 300,000 objects holds less than half of it at a time, and the rest is garbage that has not been collected.
// Nothing fails where more is needed. GOMEMLIMIT in the environment sets another one.
const memoryLimit = 200 << 20

// limitMemory sets the limit, unless there is one, and returns the one that holds.
func limitMemory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit
	}
	debug.SetMemoryLimit(memoryLimit)
	return memoryLimit
}
