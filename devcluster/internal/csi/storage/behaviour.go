package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Behaviour is what a test wants to go slowly or wrong. It is read anew for every snapshot.
type Behaviour struct {
	// CutAfter is how long after it was asked for a snapshot is cut.
	CutAfter metav1.Duration `json:"cutAfter,omitzero"`
	// ReadyAfter is how long after it was cut a snapshot can be read.
	ReadyAfter metav1.Duration `json:"readyAfter,omitzero"`
	// Refuse is why no snapshot is made; empty for none.
	Refuse string `json:"refuse,omitempty"`
	// RefuseClaim limits that to the volume of one claim, namespace/name.
	RefuseClaim string `json:"refuseClaim,omitempty"`
}

func (b Behaviour) refuses(volume Volume) bool {
	return b.Refuse != "" && (b.RefuseClaim == "" || b.RefuseClaim == volume.Claim)
}

// Behaviour gives the one that is set, or none.
func (s *System) Behaviour() (Behaviour, error) {
	var behaviour Behaviour
	content, err := os.ReadFile(s.behaviourFile())
	if errors.Is(err, fs.ErrNotExist) {
		return behaviour, nil
	}
	if err != nil {
		return behaviour, fmt.Errorf("reading the behaviour: %w", err)
	}
	if err := json.Unmarshal(content, &behaviour); err != nil {
		return behaviour, fmt.Errorf("reading %s: %w", s.behaviourFile(), err)
	}
	return behaviour, nil
}

// Behave sets the behaviour.
func (s *System) Behave(behaviour Behaviour) error {
	if err := write(s.behaviourFile(), behaviour); err != nil {
		return fmt.Errorf("setting the behaviour: %w", err)
	}
	return nil
}

func (s *System) behaviourFile() string { return filepath.Join(s.Folder, "behaviour.json") }

func (s *System) wait(ctx context.Context, delay time.Duration) error {
	if delay <= 0 {
		return nil
	}
	timer := s.Clock.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C():
		return nil
	}
}
