package workload

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strconv"
)

// hold takes memory, page by page, and keeps it until the context ends.
func hold(ctx context.Context, arguments []string, stdout io.Writer) error {
	arguments, err := parse(flagsOf("hold"), arguments, 1, 1)
	if err != nil {
		return err
	}
	const most = 1 << 20 // a TiB
	count, err := strconv.Atoi(arguments[0])
	if err != nil || count < 0 || count > most {
		return fmt.Errorf("%w: %q is no number of MiB", errUsage, arguments[0])
	}
	held := make([][]byte, 0, count)
	for len(held) < count && ctx.Err() == nil {
		held = append(held, touched(1<<20))
	}
	_, _ = fmt.Fprintf(stdout, "holds %d MiB\n", len(held))
	<-ctx.Done()
	runtime.KeepAlive(held)
	return nil
}

// touched is memory that the kernel has really given.
func touched(size int) []byte {
	const page = 4 << 10
	memory := make([]byte, size)
	for i := 0; i < size; i += page {
		memory[i] = 1
	}
	return memory
}
