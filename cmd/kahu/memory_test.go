package main

import (
	"math"
	"runtime/debug"
	"testing"
)

// TestLimitMemory: a limit that somebody has set stays.
func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for given, want := range map[int64]int64{math.MaxInt64: memoryLimit, 1 << 40: 1 << 40} {
		debug.SetMemoryLimit(given)
		if got := limitMemory(); got != want || debug.SetMemoryLimit(-1) != want {
			t.Errorf("with a limit of %d: %d, want %d", given, got, want)
		}
	}
}
