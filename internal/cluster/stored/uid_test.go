package stored_test

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/cluster/stored"
	"github.com/soda-cdm/kahu/internal/core"
)

func TestUID(t *testing.T) {
	for raw, want := range map[string]types.UID{
		`{"kind":"PartialObjectMetadata","metadata":{"name":"a","uid":"1-2","managedFields":[{"fieldsV1":{"uid":"9"}}]}}`: "1-2",
		`{ "metadata" : { "uid" : "\u0031" } }`:              "1",
		`{"metadata":{"uid":"1"},"metadata":{"uid":"2"}}`:    "2",
		`{"spec":{"metadata":{"uid":"1"}},"metadata":{}}`:    "",
		`{"metadata":{"labels":{"uid":"1"},"name":"\"uid"}}`: "",
	} {
		if got, err := stored.UID([]byte(raw)); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		``, `null`, `[]`, `{}`, `{"metadata":"text"}`, `{"metadata":{"uid":1}}`, `{"metadata":{"uid":"1"}`, `{"metadata":{"uid":"1"}}}`,
	} {
		if uid, err := stored.UID([]byte(raw)); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: got %q, %v; want an error of the class %v", raw, uid, err, core.ErrCorrupt)
		}
	}
}
