package main

import (
	"fmt"
	"io"
	"strings"
)

// event is one line of go test -json: see `go doc test2json`.
type event struct {
	Action     string  `json:"Action"`
	Package    string  `json:"Package"`
	ImportPath string  `json:"ImportPath"`
	Test       string  `json:"Test"`
	Elapsed    float64 `json:"Elapsed"`
	Output     string  `json:"Output"`
}

// id names a test, or with an empty test a package.
type id struct{ pkg, test string }

// tally counts the tests of any number of packages.
type tally struct {
	out                     io.Writer
	passed, failed, skipped int
	// output is what a running test has printed, shown if it fails.
	output map[id]*strings.Builder
	// results are the ends of the tests of packages that still run.
	results map[id]string
	// built is what the compiler said, by import path.
	built map[string]*strings.Builder
}

func newTally(out io.Writer) *tally {
	return &tally{
		out:     out,
		output:  map[id]*strings.Builder{},
		results: map[id]string{},
		built:   map[string]*strings.Builder{},
	}
}

// take counts what one event says.
func (t *tally) take(e event) {
	key := id{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		appendTo(t.built, e.ImportPath, e.Output)
	case "build-fail":
		fmt.Fprint(t.out, text(t.built, e.ImportPath))
		delete(t.built, e.ImportPath)
	case "output":
		appendTo(t.output, key, e.Output)
	case "pass", "fail", "skip":
		t.end(key, e)
	}
}

// end records the end of a test, or counts a package whose tests have all ended.
func (t *tally) end(key id, e event) {
	if key.test != "" {
		t.results[key] = e.Action
		if e.Action == "fail" {
			fmt.Fprint(t.out, text(t.output, key))
		}
		delete(t.output, key)
		return
	}
	failedBefore := t.failed
	t.countPackage(key.pkg)
	if e.Action == "fail" && t.failed == failedBefore {
		t.failed++
		fmt.Fprint(t.out, text(t.output, key))
	}
	delete(t.output, key)
	if e.Action != "skip" {
		fmt.Fprintf(t.out, "%-4s  %s  %.1fs\n", e.Action, key.pkg, e.Elapsed)
	}
}

// countPackage adds the tests of a package that has ended: the leaves, and a test
// that failed although none of its subtests did. A test that never ended, as its
// process died, has failed.
func (t *tally) countPackage(pkg string) {
	for key := range t.output {
		if key.pkg == pkg && key.test != "" {
			t.results[key] = "fail"
			fmt.Fprint(t.out, text(t.output, key))
			delete(t.output, key)
		}
	}
	failedBelow, parents := t.parents(pkg)
	for key, action := range t.results {
		if key.pkg != pkg {
			continue
		}
		delete(t.results, key)
		if parents[key.test] && (action != "fail" || failedBelow[key.test]) {
			continue
		}
		switch action {
		case "pass":
			t.passed++
		case "fail":
			t.failed++
		default:
			t.skipped++
		}
	}
}

// parents returns which tests of a package have subtests, and which of them have
// one that failed.
func (t *tally) parents(pkg string) (failedBelow, parents map[string]bool) {
	failedBelow, parents = map[string]bool{}, map[string]bool{}
	for key, action := range t.results {
		if key.pkg != pkg {
			continue
		}
		for i := strings.LastIndexByte(key.test, '/'); i > 0; i = strings.LastIndexByte(key.test[:i], '/') {
			parents[key.test[:i]] = true
			if action == "fail" {
				failedBelow[key.test[:i]] = true
			}
		}
	}
	return failedBelow, parents
}

// failModule counts a module in which go test itself failed.
func (t *tally) failModule(folder string, err error) {
	t.failed++
	fmt.Fprintf(t.out, "FAIL  %s: %v\n", folder, err)
}

// line is the count in one line.
func (t *tally) line() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
}

// good says that something passed and nothing failed.
func (t *tally) good() bool { return t.failed == 0 && t.passed > 0 }

func appendTo[K comparable](all map[K]*strings.Builder, key K, more string) {
	if all[key] == nil {
		all[key] = &strings.Builder{}
	}
	all[key].WriteString(more)
}

func text[K comparable](all map[K]*strings.Builder, key K) string {
	if all[key] == nil {
		return ""
	}
	return all[key].String()
}
