// Package collection_test lets processes back up, copy, delete, collect and die on two stores, and looks whether any manifest
// ever names a file that is gone.
//
// The processes are this test binary, run again as a worker, and what they run is the engine as it is shipped: backups of a
// cluster in memory whose objects change, copies, deletions and collections. The stores are folders, through the driver that is
// shipped. What the API server is elsewhere, a folder of records is here: which backups there are, and whose attempt counts.
// A worker sleeps between its calls now and then, for longer than the grace too, so that another one goes on in its place, and
// dies at one of them. The test reads all manifests again and again, and in the end restores every backup that is left.
package collection_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// workerRole is the first argument of the test binary when it is to be a worker; the second one is its orders.
const workerRole = "be-a-worker"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == workerRole {
		var its orders
		err := json.Unmarshal([]byte(os.Args[2]), &its)
		if err == nil {
			err = work(context.Background(), its) //nolint:forbidigo // It is a main.
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1) //nolint:forbidigo // It is a main.
		}
		return
	}
	os.Exit(m.Run()) //nolint:forbidigo // The exit code is that of the tests.
}
