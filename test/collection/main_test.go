// Package collection_test lets processes back up, delete, collect and die on one store, and looks whether any manifest
// ever names a segment that is gone.
//
// The processes are this test binary, run again as a worker; the store is a folder, through the driver that is shipped.
// What the API server is elsewhere, a folder of records is here: which backups there are, and whose attempt counts. The
// test kills the workers, stops some of them for a while and lets them go on, and reads all manifests again and again.
package collection_test

import (
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
			err = work(its)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1) //nolint:forbidigo // It is a main.
		}
		return
	}
	os.Exit(m.Run()) //nolint:forbidigo // The exit code is that of the tests.
}
