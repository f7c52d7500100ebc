package manager

import (
	"context"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// What controller-runtime says when it gives back the lease at its end, as if it were an error. Neither has a type.
const (
	afterStop = "error received after stop sequence was engaged"
	leaseLost = "leader election lost"
)

// quietAtEnd returns the logger of the context, without the one line by which controller-runtime calls it an error that the
// lease is given back when the context has ended. A lease that is lost before is told, as is everything else.
func quietAtEnd(ctx context.Context) logr.Logger {
	logger, err := logr.FromContext(ctx)
	if err != nil {
		logger = ctrl.Log
	}
	if logger.GetSink() == nil {
		return logger // It discards everything.
	}
	return logger.WithSink(&quietSink{LogSink: logger.GetSink(), ended: func() bool { return ctx.Err() != nil }})
}

// quietSink passes on all lines but that one.
type quietSink struct {
	logr.LogSink

	ended func() bool
}

// Error passes an error on, unless it is none.
func (s *quietSink) Error(err error, message string, pairs ...any) {
	if message == afterStop && err != nil && err.Error() == leaseLost && s.ended() {
		return
	}
	s.LogSink.Error(err, message, pairs...)
}

// WithValues returns a sink that is as quiet.
func (s *quietSink) WithValues(pairs ...any) logr.LogSink { //nolint:ireturn // As logr wants it.
	return &quietSink{LogSink: s.LogSink.WithValues(pairs...), ended: s.ended}
}

// WithName returns a sink that is as quiet.
func (s *quietSink) WithName(name string) logr.LogSink { //nolint:ireturn // As logr wants it.
	return &quietSink{LogSink: s.LogSink.WithName(name), ended: s.ended}
}
