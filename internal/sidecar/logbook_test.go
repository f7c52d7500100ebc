package sidecar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// logBook keeps a log.
type logBook struct {
	mutex   sync.Mutex
	lines   bytes.Buffer
	changed chan struct{}
}

func (l *logBook) add(prefix, args string) {
	l.mutex.Lock()
	fmt.Fprintln(&l.lines, prefix, args)
	l.mutex.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *logBook) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.lines.String()
}

// await waits until the log has a text for so many times.
func (l *logBook) await(ctx context.Context, words string, count int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for strings.Count(l.String(), words) < count {
		select {
		case <-l.changed:
		case <-ctx.Done():
			return errors.New("the log does not say it: " + words + "\n" + l.String())
		}
	}
	return nil
}
