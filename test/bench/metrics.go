package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// call is a sort of request in apiserver_request_total.
type call struct{ verb, resource, group, code string }

// requests are how many requests the API server has answered, by sort.
type requests map[call]int64

// requests reads apiserver_request_total.
func (p *place) requests(ctx context.Context) (requests, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.config.Host+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics: %w", err)
	}
	response, err := p.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	counted := requests{}
	const most = 1 << 20
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, most)
	for lines.Scan() {
		rest, is := strings.CutPrefix(lines.Text(), "apiserver_request_total{")
		if !is {
			continue
		}
		labels, value, _ := strings.Cut(rest, "} ")
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("reading the metrics: %w", err)
		}
		counted[call{label(labels, "verb"), label(labels, "resource"), label(labels, "group"), label(labels, "code")}] += int64(number)
	}
	return counted, lines.Err()
}

// label returns the value of one label. No value that is asked for has a quote in it.
func label(labels, name string) string {
	_, after, _ := strings.Cut(","+labels, ","+name+`="`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

// since returns what came after an earlier reading.
func (r requests) since(before requests) requests {
	later := requests{}
	for each, count := range r {
		if count -= before[each]; count > 0 {
			later[each] = count
		}
	}
	return later
}

// own counts the requests about kinds that nobody but Kahu touches in a bench, as no controller makes or reads an
// object of these by itself: the creations that made one, and all others.
func (r requests) own() (created, others int64) {
	for each, count := range r {
		switch {
		case !each.isOwn():
		case each.verb == "POST" && each.code == "201":
			created += count
		default:
			others += count
		}
	}
	return created, others
}

func (c call) isOwn() bool {
	if c.verb == "WATCH" || c.verb == "LIST" {
		return false
	}
	return c.group == group || c.resource == "secrets" || c.resource == "roles" || c.resource == "networkpolicies"
}

// posts is the number of all creations.
func (r requests) posts() int64 {
	var sum int64
	for each, count := range r {
		if each.verb == "POST" {
			sum += count
		}
	}
	return sum
}
