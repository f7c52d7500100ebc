package main

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	cases := map[string]struct {
		events string
		line   string
		good   bool
		shown  string
		hidden string
	}{
		"LeavesAreCounted": {
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A/one","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"A/one"}
{"Action":"skip","Package":"p","Test":"A/two"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Elapsed":1}`,
			line: "2 passed, 0 failed, 1 skipped", good: true, shown: "pass  p", hidden: "quiet",
		},
		"AFailedSubtestIsOneFailure": {
			events: `{"Action":"output","Package":"p","Test":"A/b/c","Output":"broken\n"}
{"Action":"fail","Package":"p","Test":"A/b/c"}
{"Action":"fail","Package":"p","Test":"A/b"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			line: "0 passed, 1 failed, 0 skipped", shown: "broken",
		},
		"AParentCanFailAlone": {
			events: `{"Action":"pass","Package":"p","Test":"A/one"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			line: "1 passed, 1 failed, 0 skipped",
		},
		"APackageThatDoesNotBuildFails": {
			events: `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: no\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			line: "0 passed, 1 failed, 0 skipped", shown: "p.go:1: no",
		},
		"ATestThatNeverEndsFails": {
			events: `{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"B","Output":"panic: B\n"}
{"Action":"fail","Package":"p"}`,
			line: "1 passed, 1 failed, 0 skipped", shown: "panic: B",
		},
		"NothingIsNotGood": {
			events: `{"Action":"skip","Package":"p"}`,
			line:   "0 passed, 0 failed, 0 skipped",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			total := newTally(&out)
			if err := total.read(strings.NewReader(c.events)); err != nil {
				t.Fatal(err)
			}
			if total.line() != c.line || total.good() != c.good {
				t.Errorf("got %q, good %v; want %q, good %v", total.line(), total.good(), c.line, c.good)
			}
			if !strings.Contains(out.String(), c.shown) {
				t.Errorf("%q is not shown in %q", c.shown, out.String())
			}
			if c.hidden != "" && strings.Contains(out.String(), c.hidden) {
				t.Errorf("%q is shown in %q", c.hidden, out.String())
			}
		})
	}
}
