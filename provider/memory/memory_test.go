package memory_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/provider/memory"
)

func TestConformance(t *testing.T) {
	store := memory.New(memory.Options{})
	conformance.Run(t, func(*testing.T) conformance.Target {
		return conformance.Target{Driver: store}
	})
	page, err := store.List(t.Context(), provider.ListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Objects) > 0 {
		t.Errorf("the suite has left %d objects behind, the first is %q", len(page.Objects), page.Objects[0].Name)
	}
}

func TestLimit(t *testing.T) {
	store := memory.New(memory.Options{MaxBytes: 10})
	upload := func(name, content string) error {
		return store.Upload(t.Context(), name, nil, strings.NewReader(content))
	}
	if err := upload("a", "123456"); err != nil {
		t.Fatal(err)
	}
	if err := upload("b", "12345"); !errors.Is(err, provider.ErrResourceExhausted) {
		t.Errorf("over the limit: got %v, want %v", err, provider.ErrResourceExhausted)
	}
	if exists, err := store.Exists(t.Context(), "b", nil); exists || err != nil {
		t.Errorf("what did not fit exists: %v, %v", exists, err)
	}
	if err := upload("a", "1234567890"); err != nil {
		t.Errorf("what is replaced counts no longer: %v", err)
	}
	if err := store.Delete(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	if err := upload("b", "1234567890"); err != nil {
		t.Errorf("what is deleted counts no longer: %v", err)
	}
}
