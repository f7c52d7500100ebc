package transform_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
)

// kind makes a kind of plural.group.
func kind(name string) core.Kind {
	resource, group, _ := strings.Cut(name, ".")
	return core.Kind{Group: group, Version: "v1", Resource: resource, Name: resource}
}

func custom(name string) core.Kind {
	made := kind(name)
	made.Custom = true
	return made
}

// object reads an object as the engine does.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var made map[string]any
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
	return made
}
