package kill_test

import (
	"bufio"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/client-go/kubernetes"

	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// created matches a line of the API server's metrics about requests that created something.
var created = regexp.MustCompile(`^apiserver_request_total\{code="201",.*dry_run="",.*resource="([a-z]+)",.*verb="POST",.*\} ([0-9.e+]+)$`)

// createdByAll returns how many objects of the kinds that nobody makes but restores the API server has created for
// anybody.
func (w *world) createdByAll() map[string]int {
	w.t.Helper()
	asked, err := kubernetes.NewForConfig(testcluster.Config(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	content, err := asked.RESTClient().Get().AbsPath("/metrics").DoRaw(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	found := map[string]int{}
	lines := bufio.NewScanner(strings.NewReader(string(content)))
	lines.Buffer(nil, len(content)+1)
	for lines.Scan() {
		match := created.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		switch kind := match[1]; kind {
		case "secrets", "roles", "rolebindings":
			number, err := strconv.ParseFloat(match[2], 64)
			if err != nil {
				w.t.Fatal(err)
			}
			found[kind] += int(number)
		}
	}
	return found
}

// countCreated holds what the API server has created since to what the runs should have created: each object once,
// however many managers tried.
func (c *campaign) countCreated(before map[string]int) {
	c.t.Helper()
	if c.of.name != "restore" {
		return
	}
	after := c.createdByAll()
	for kind, each := range map[string]int{"secrets": appSecrets, "roles": 1, "rolebindings": 1} {
		number, want := after[kind]-before[kind], each*len(c.points)
		c.t.Logf("restore, %s: the API server has created %d %s for %d runs", c.by.by, number, kind, len(c.points))
		if number != want {
			c.wrong = append(c.wrong, fmt.Sprintf("the API server has created %d %s, and %d were to be", number, kind, want))
		}
	}
}

// replaced returns the objects in a namespace that have other UIDs than they had.
func (w *world) replaced(namespace string, before map[string]string) []string {
	w.t.Helper()
	var wrong []string
	now := w.uids(namespace)
	for name, uid := range before {
		if now[name] != uid {
			wrong = append(wrong, fmt.Sprintf("%s was created again: its UID was %s, and is %q", name, uid, now[name]))
		}
	}
	return wrong
}

// createdTwice returns the objects of which one name was created more than once, by whichever managers.
func (w *world) createdTwice() []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.folder, "audit-*"))
	if err != nil {
		w.t.Fatal(err)
	}
	times := map[string]int{}
	for _, file := range files {
		for _, line := range w.audit(strings.TrimPrefix(filepath.Base(file), "audit-")) {
			if line.Object != "" {
				times[line.What+"/"+line.Object]++
			}
		}
	}
	var wrong []string
	for what, number := range times {
		if number > 1 {
			wrong = append(wrong, fmt.Sprintf("%s was created %d times", what, number))
		}
	}
	return wrong
}
