package hook_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/hook"
)

func TestObstacle(t *testing.T) {
	for name, test := range map[string]struct{ status, want string }{
		"nothing": {`{"phase":"Running","containerStatuses":[{"name":"db","ready":true,"state":{"running":{}}}]}`, ""},
		"no node": {
			`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes are available"}]}`,
			"no node has taken it: Unschedulable: 0/1 nodes are available",
		},
		"not begun": {`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"True"}]}`, "no node has begun it yet"},
		"no image": {
			`{"phase":"Pending","containerStatuses":[{"name":"db","state":{"waiting":{"reason":"ImagePullBackOff","message":"no such host"}}}]}`,
			"container db waits: ImagePullBackOff: no such host",
		},
		"no image of an init container": {
			`{"phase":"Pending","initContainerStatuses":[{"name":"done","ready":true,"state":{"terminated":{}}},
				{"name":"own","state":{"waiting":{"reason":"ErrImagePull"}}}],"containerStatuses":[{"name":"db","state":{"waiting":{"reason":"PodInitializing"}}}]}`,
			"init container own waits: ErrImagePull",
		},
		"a container that ends": {
			`{"phase":"Running","containerStatuses":[{"name":"db","state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":3}}}]}`,
			"container db waits: CrashLoopBackOff; it ended before with code 3",
		},
		"a container that has ended": {
			`{"phase":"Running","containerStatuses":[{"name":"db","state":{"terminated":{"reason":"OOMKilled","exitCode":137}}}]}`,
			"container db has ended with code 137: OOMKilled",
		},
		"not ready": {
			`{"phase":"Running","containerStatuses":[{"name":"web","ready":true,"state":{"running":{}}},{"name":"db","state":{"running":{}}}]}`,
			"container db runs and is not ready",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var status hook.PodStatus
			if err := json.Unmarshal([]byte(test.status), &status); err != nil {
				t.Fatal(err)
			}
			if got := status.Obstacle(); got != test.want {
				t.Errorf("%q", got)
			}
		})
	}
	long := hook.PodStatus{Phase: "Pending", Message: strings.Repeat("x", 5000)}
	if got := long.Obstacle(); len(got) > 500 {
		t.Errorf("%d bytes", len(got))
	}
}
