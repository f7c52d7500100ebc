package conformance

import (
	"fmt"
	"runtime"
	"sync"
)

// recorder is the T of Execute.
type recorder struct {
	mu     sync.Mutex
	result Result
}

// Helper implements T.
func (*recorder) Helper() {}

// Errorf implements T.
func (r *recorder) Errorf(format string, args ...any) { r.record(Failed, format, args) }

// Fatalf implements T.
func (r *recorder) Fatalf(format string, args ...any) {
	r.record(Failed, format, args)
	runtime.Goexit()
}

// Skipf implements T.
func (r *recorder) Skipf(format string, args ...any) {
	r.record(Skipped, format, args)
	runtime.Goexit()
}

// record keeps a message. A failure outweighs everything else.
func (r *recorder) record(outcome Outcome, format string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.result.Outcome != Failed {
		r.result.Outcome = outcome
	}
	r.result.Messages = append(r.result.Messages, fmt.Sprintf(format, args...))
}

// hangs keeps the name of a call without an answer, which is a failure whatever the check made of it.
func (r *recorder) hangs(call string) {
	if call == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Hangs, r.result.Outcome = call, Failed
}

func (r *recorder) end() Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result
}
