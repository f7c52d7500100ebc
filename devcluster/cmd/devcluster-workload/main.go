// Devcluster-workload is what runs in the pods of a test: one static program
// with a function for each thing that a workload does. See package workload.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/soda-cdm/kahu/devcluster/internal/workload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT) //nolint:forbidigo // this is main
	code := workload.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // this is main
}
