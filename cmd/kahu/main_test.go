package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/supervise"
)

func TestExitCode(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"the API server is away":     {fmt.Errorf("reaching the cluster: %w", &url.Error{Op: "Get", Err: refused}), supervise.ExitPassing},
		"it has too much to do":      {fmt.Errorf("reading: %w", apierrors.NewTooManyRequests("later", 1)), supervise.ExitPassing},
		"it has no answer":           {apierrors.NewInternalError(errors.New("etcd")), supervise.ExitPassing},
		"it refuses":                 {apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "a", nil), 1},
		"an address that is taken":   {fmt.Errorf("listening: %w", &net.OpError{Op: "listen", Err: syscall.EADDRINUSE}), 1},
		"a flag that makes no sense": {errors.New("--runs 0"), 1},
	} {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}
