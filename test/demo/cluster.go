package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/soda-cdm/kahu/test/demo/compare"
)

// cluster is one Kubernetes, used through kubectl alone.
type cluster struct {
	stage      *stage
	name       string
	kubeconfig string
	proxy      string // where `kubectl proxy` serves the API, for 404s and watches
	isUp       bool
}

// up starts the cluster, with what the flags ask for.
func (c *cluster) up(ctx context.Context, flags ...string) error {
	c.isUp = true // Half a cluster has to be ended as well.
	out, err := output(ctx, c.stage.program("devcluster"), append([]string{"up", "--dir", c.stage.dir, "--name", c.name}, flags...)...)
	if err != nil {
		return err
	}
	c.kubeconfig = strings.TrimSpace(string(out))
	return nil
}

func (c *cluster) down(ctx context.Context) error {
	if !c.isUp {
		return nil
	}
	_, err := output(ctx, c.stage.program("devcluster"), "down", "--dir", c.stage.dir, "--name", c.name)
	return err
}

func proxyName(c *cluster) string { return "proxy-" + c.name }

// serve starts `kubectl proxy` and waits for the line in which it names its address.
func (c *cluster) serve() error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = read.Close() }()
	_, err = c.stage.start(proxyName(c), write, filepath.Join(c.stage.dir, "kubectl"), c.args("proxy", "--port=0")...)
	_ = write.Close() // The proxy has its own.
	if err != nil {
		return err
	}
	var address string
	if _, err := fmt.Fscanf(read, "Starting to serve on %s\n", &address); err != nil {
		return fmt.Errorf("reading the address of kubectl proxy: %w", err)
	}
	c.proxy = "http://" + address
	return nil
}

func (c *cluster) args(args ...string) []string {
	return append([]string{
		"--kubeconfig", c.kubeconfig, "--cache-dir", filepath.Join(c.stage.dir, "cache-"+c.name),
	}, args...)
}

// kubectl runs kubectl.
func (c *cluster) kubectl(ctx context.Context, args ...string) ([]byte, error) {
	return output(ctx, filepath.Join(c.stage.dir, "kubectl"), c.args(args...)...)
}

// kahu runs the command line client.
func (c *cluster) kahu(ctx context.Context, args ...string) (string, error) {
	out, err := output(ctx, c.stage.program("kubectl-kahu"), append(args, "--kubeconfig", c.kubeconfig)...)
	return strings.TrimSpace(string(out)), err
}

// kind is one kind that the API server serves.
type kind struct {
	Name       string `json:"name"`
	Group      string `json:"group"`
	Version    string `json:"version"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced"`
}

// path returns where the API server has the objects, or the one object that the key names.
func (k kind) path(key compare.Key) string {
	path := "/api/" + k.Version
	if k.Group != "" {
		path = "/apis/" + k.Group + "/" + k.Version
	}
	if key.Namespace != "" {
		path += "/namespaces/" + key.Namespace
	}
	path += "/" + k.Name
	if key.Name != "" {
		path += "/" + key.Name
	}
	return path
}

// kinds are by group and kind.
type kinds map[[2]string]kind

func (k kinds) of(key compare.Key) kind { return k[[2]string{key.Group, key.Kind}] }

// kinds asks for every kind that can be listed, read and created.
func (c *cluster) kinds(ctx context.Context) (kinds, error) {
	out, err := c.kubectl(ctx, "api-resources", "--verbs=list,get,create", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Resources []kind `json:"resources"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("reading the kinds: %w", err)
	}
	found := kinds{}
	for _, kind := range list.Resources {
		found[[2]string{kind.Group, kind.Kind}] = kind
	}
	return found, nil
}

// copy takes a copy of everything, by plain kubectl.
func (c *cluster) copy(ctx context.Context) (compare.Copy, kinds, error) {
	served, err := c.kinds(ctx)
	if err != nil {
		return nil, nil, err
	}
	names := make([]string, 0, len(served))
	for _, kind := range served {
		names = append(names, strings.TrimSuffix(kind.Name+"."+kind.Group, "."))
	}
	out, err := c.kubectl(ctx, "get", strings.Join(names, ","), "--all-namespaces", "-o", "json")
	if err != nil {
		return nil, nil, err
	}
	copied, err := compare.Read(bytes.NewReader(out))
	return copied, served, err
}

// status asks for a path and returns the status code of the answer.
func (c *cluster) status(ctx context.Context, path string) (int, error) {
	response, err := c.get(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func (c *cluster) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.proxy+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	return response, nil
}

// absent asks for every object and returns those for which the API server answers 404.
func (c *cluster) absent(ctx context.Context, keys []compare.Key, served kinds) (map[compare.Key]bool, error) {
	const askers = 8
	queue := make(chan compare.Key, len(keys))
	for _, key := range keys {
		queue <- key
	}
	close(queue)
	var group sync.WaitGroup
	var lock sync.Mutex
	var failures []error
	missing := map[compare.Key]bool{}
	for range askers {
		group.Go(func() {
			for key := range queue {
				code, err := c.status(ctx, served.of(key).path(key))
				lock.Lock()
				failures = append(failures, err)
				missing[key] = code == http.StatusNotFound
				lock.Unlock()
			}
		})
	}
	group.Wait()
	return missing, errors.Join(failures...)
}
