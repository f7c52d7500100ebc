// Package transform_test shows on a real API server that objects come back as they were: what the transformation
// removes is written again, and what it leaves is accepted.
package transform_test

import (
	"os"
	"testing"

	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) } //nolint:forbidigo // This is the main of the tests.
