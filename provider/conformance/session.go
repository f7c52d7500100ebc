package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
)

const (
	// promptly is how long a call may take to end after its context has.
	promptly = 10 * time.Second
	// settling is how long nothing may appear after a call that was broken off, where the driver may learn of it later
	// than the caller. What does not happen can only be seen by looking for a while.
	settling = 150 * time.Millisecond
	// lookEvery is the time between two looks.
	lookEvery = 10 * time.Millisecond
	// cleanUpTimeout limits the removal of what a check has stored.
	cleanUpTimeout = 30 * time.Second
)

// session is one run of one check. Its methods report to its T.
type session struct {
	T

	target       Target
	behind       provider.Driver      // the driver itself
	driver       provider.Driver      // the same, whose calls end
	volumes      provider.VolumeStore // the driver, for volumes
	attributes   provider.Attributes
	capabilities []provider.Capability
	prefix       string

	mu      sync.Mutex
	names   []string
	closers []io.Closer
}

// begin asks what the driver can do, and skips the check if that is not enough.
func (s *session) begin(ctx context.Context, check Check) {
	s.Helper()
	capabilities, err := s.driver.Capabilities(ctx)
	if err != nil {
		s.Fatalf("asking for the capabilities: %v", err)
	}
	s.capabilities = capabilities
	if reason := check.applies(capabilities, s.target); reason != nil {
		s.Skipf("%v", reason)
	}
	s.prefix = "kahu-conformance-" + strings.ToLower(rand.Text()[:12])
}

// cleanUp removes what the check may have stored. It works on after the check's own time is over.
func (s *session) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, closer := range s.closers {
		defer closeQuietly(closer)
	}
	for _, name := range s.names {
		err := s.driver.Delete(ctx, name, s.attributes)
		if err != nil && !errors.Is(err, provider.ErrNotFound) {
			s.Errorf("removing what the check has stored: %v", err)
			return
		}
	}
}

// name returns a name for an object of this check, and has it removed at the end. For an old driver it has no folders.
func (s *session) name(text string) string {
	separator := "/"
	if !isModern(s.capabilities) {
		separator = "-"
	}
	name := strings.ReplaceAll(s.prefix+"/"+text, "/", separator)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
	return name
}

// can tells whether the driver names a capability.
func (s *session) can(capability provider.Capability) bool {
	return slices.Contains(s.capabilities, capability)
}

// upload stores an object, or ends the check.
func (s *session) upload(ctx context.Context, name string, content []byte) {
	s.Helper()
	if err := s.driver.Upload(ctx, name, s.attributes, bytes.NewReader(content)); err != nil {
		s.Fatalf("storing %q: %v", name, err)
	}
}

// download returns the whole content of an object.
func (s *session) download(ctx context.Context, name string) ([]byte, error) {
	reader, err := s.driver.Download(ctx, name, s.attributes)
	return readAll(reader, err)
}

// expectContent reports an object that has another content, or none.
func (s *session) expectContent(ctx context.Context, name string, want []byte) {
	s.Helper()
	got, err := s.download(ctx, name)
	if err != nil {
		s.Errorf("reading %q: %v", name, err)
		return
	}
	if difference := compare(got, want); difference != "" {
		s.Errorf("object %q: %s", name, difference)
	}
}

// expectPresent reports an object that the driver says is not there.
func (s *session) expectPresent(ctx context.Context, name string) {
	s.Helper()
	if exists, err := s.driver.Exists(ctx, name, s.attributes); err != nil || !exists {
		s.Errorf("object %q: want one, exists is %v with the error %v", name, exists, err)
	}
}

// expectAbsent reports an object that the driver says is there.
func (s *session) expectAbsent(ctx context.Context, name string) {
	s.Helper()
	if exists, err := s.driver.Exists(ctx, name, s.attributes); err != nil || exists {
		s.Errorf("object %q: want none, exists is %v with the error %v", name, exists, err)
	}
}

// expectClass reports an error that is not of the class, or missing.
func (s *session) expectClass(what string, err, class error) {
	s.Helper()
	if err == nil {
		s.Errorf("%s: succeeded, want an error of the class %q", what, class)
		return
	}
	if !errors.Is(err, class) {
		s.Errorf("%s: the error is not of the class %q: %v", what, class, err)
	}
}

// watch calls look again and again for a short time, until it reports something. In the same process a call has ended
// when it has returned, and one look is enough.
func (s *session) watch(ctx context.Context, look func() (problem string)) {
	s.Helper()
	if s.target.Endpoint == "" {
		if problem := look(); problem != "" {
			s.Errorf("%s", problem)
		}
		return
	}
	end := time.NewTimer(settling)
	defer end.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if problem := look(); problem != "" {
			s.Errorf("%s", problem)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-tick.C:
		}
	}
}

// expectEndsPromptly runs a call whose context has ended or is about to, and returns its error.
func (s *session) expectEndsPromptly(what string, call func() error) error {
	s.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	timer := time.NewTimer(promptly)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		s.Fatalf("%s: the call has not ended %s after its context", what, promptly)
		return nil
	}
}

// require returns the driver as one of the optional interfaces, whose capability it names.
func require[I any](s *session, capability provider.Capability) I {
	s.Helper()
	_, has := s.behind.(I)
	driver, ok := s.driver.(I)
	if !has || !ok {
		s.Fatalf("the driver names the capability %s, and does not have its methods", capability)
	}
	return driver
}

// readAll reads and closes what a download returned.
func readAll(reader io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(reader)
	if closing := reader.Close(); closing != nil && err == nil {
		return nil, fmt.Errorf("closing: %w", closing)
	}
	return content, err
}

// compare says how two contents differ, in few words, or nothing.
func compare(got, want []byte) string {
	if bytes.Equal(got, want) {
		return ""
	}
	first := 0
	for first < min(len(got), len(want)) && got[first] == want[first] {
		first++
	}
	return fmt.Sprintf("got %d bytes, want %d, the first difference is at %d", len(got), len(want), first)
}

// digestOf returns the digest of a content as the contract writes it.
func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// closeQuietly closes something whose end nobody depends on any more.
func closeQuietly(closer io.Closer) { _ = closer.Close() }
