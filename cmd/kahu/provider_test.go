package main

import (
	"testing"

	"github.com/soda-cdm/kahu/provider"
)

// TestBuiltInProvidersAreWhole: what a process tree runs can do all that the provider can.
func TestBuiltInProvidersAreWhole(t *testing.T) {
	for _, name := range []string{"filesystem", "s3", "nfs"} {
		driver, end, err := newDriver(providerOptions{name: name, root: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		_, lists := driver.(provider.Lister)
		_, creates := driver.(provider.Creator)
		_, ranges := driver.(provider.RangeReader)
		if !lists || !creates || !ranges || end() != nil {
			t.Errorf("%s: lists %t, creates %t, reads ranges %t", name, lists, creates, ranges)
		}
	}
	for _, wrong := range []providerOptions{{name: "tape"}, {name: "filesystem"}} {
		if _, _, err := newDriver(wrong); err == nil {
			t.Errorf("%+v is a provider", wrong)
		}
	}
}
