package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/test/demo/compare"
)

// settling bounds how long controllers may take to do their part.
const settling = 45 * time.Second

// question says what is not yet as it should be among the objects of a kind, or nothing.
type question func(objects compare.Copy) string

// await waits until a question about the objects of a kind has no answer. It asks again after every change that the
// API server tells of.
func (c *cluster) await(ctx context.Context, of kind, ask question) error {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	missing := ""
	for {
		objects, version, err := c.list(ctx, of)
		if err == nil {
			if missing = ask(objects); missing == "" {
				return nil
			}
			err = c.change(ctx, of, version)
		}
		if ctx.Err() != nil && missing != "" {
			return fmt.Errorf("waiting for %s: %s: %w", of.Kind, missing, context.Cause(ctx))
		}
		if err != nil {
			return err
		}
	}
}

// list lists the objects of a kind.
func (c *cluster) list(ctx context.Context, of kind) (compare.Copy, string, error) {
	response, err := c.get(ctx, of.path(compare.Key{}))
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []compare.Object `json:"items"`
	}
	if response.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("listing %s: %s", of.Kind, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return nil, "", fmt.Errorf("listing %s: %w", of.Kind, err)
	}
	objects := compare.Copy{}
	for _, object := range list.Items { // A list of one kind does not say the kind again in each object.
		object["kind"], object["apiVersion"] = of.Kind, strings.TrimPrefix(of.Group+"/"+of.Version, "/")
		objects[object.Key()] = object
	}
	return objects, list.Metadata.ResourceVersion, nil
}

// change waits for the next change of any object of a kind.
func (c *cluster) change(ctx context.Context, of kind, since string) error {
	response, err := c.get(ctx, of.path(compare.Key{})+"?watch=1&resourceVersion="+since)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = bufio.NewReader(response.Body).ReadString('\n')
	if err != nil {
		return fmt.Errorf("watching %s: %w", of.Kind, err)
	}
	return nil
}

// settle waits until the controllers have done their part for the application: every workload is seen, every volume
// is bound, and everything that is made again is there.
func (c *cluster) settle(ctx context.Context, known compare.Copy, promised map[compare.Group]int) error {
	served, err := c.kinds(ctx)
	if err != nil {
		return err
	}
	for key, ready := range readiness() {
		if err := c.await(ctx, served[key], each(known, ready)); err != nil {
			return err
		}
	}
	waiting := map[string]bool{}
	for group := range promised {
		waiting[group.Kind] = true
	}
	for key, kind := range served {
		if !waiting[key[1]] {
			continue
		}
		if err := c.await(ctx, kind, counted(known, promised, kind.Kind)); err != nil {
			return err
		}
	}
	return nil
}

// each asks for the first object that is not ready.
func each(known compare.Copy, ready func(object compare.Object) bool) question {
	return func(objects compare.Copy) string {
		fresh := objects.Without(known)
		for _, key := range fresh.Keys() {
			if !ready(fresh[key]) {
				return key.String() + " is not ready"
			}
		}
		return ""
	}
}

// counted asks for the first group that has less objects than it should.
func counted(known compare.Copy, promised map[compare.Group]int, kind string) question {
	return func(objects compare.Copy) string {
		found := objects.Without(known).Made()
		for _, group := range slices.SortedFunc(maps.Keys(promised), func(x, y compare.Group) int {
			return strings.Compare(x.String(), y.String())
		}) {
			if group.Kind == kind && found[group] < promised[group] {
				return fmt.Sprintf("%s: %d of %d", group, found[group], promised[group])
			}
		}
		return ""
	}
}

// readiness says, by group and kind, when a controller has done its part for an object.
func readiness() map[[2]string]func(object compare.Object) bool {
	return map[[2]string]func(object compare.Object) bool{
		{"apps", "Deployment"}:  hasReplicas,
		{"apps", "StatefulSet"}: hasReplicas,
		{"apps", "ReplicaSet"}:  hasReplicas,
		{"apps", "DaemonSet"}:   isObserved,
		{"batch", "Job"}: func(job compare.Object) bool {
			suspended, _ := at(job, "spec", "suspend").(bool)
			return suspended || number(job, "status", "active") == number(job, "spec", "parallelism")
		},
		{"", "PersistentVolume"}: func(volume compare.Object) bool {
			return at(volume, "status", "phase") == "Bound"
		},
		{"", "PersistentVolumeClaim"}: func(claim compare.Object) bool {
			return at(claim, "spec", "storageClassName") == waitingClass || at(claim, "status", "phase") == "Bound"
		},
		{"", "Secret"}: func(secret compare.Object) bool {
			return at(secret, "type") != "kubernetes.io/service-account-token" || at(secret, "data", "token") != nil
		},
		{"", "ResourceQuota"}: func(quota compare.Object) bool { return at(quota, "status", "hard") != nil },
		{"rbac.authorization.k8s.io", "ClusterRole"}: func(role compare.Object) bool {
			rules, _ := at(role, "rules").([]any)
			return len(rules) > 0
		},
	}
}

func isObserved(object compare.Object) bool {
	return number(object, "status", "observedGeneration") == number(object, "metadata", "generation")
}

func hasReplicas(object compare.Object) bool {
	return isObserved(object) && number(object, "status", "replicas") == number(object, "spec", "replicas")
}

// at returns what is at the end of the path, or nil.
func at(object map[string]any, path ...string) any {
	var value any = object
	for _, name := range path {
		inner, _ := value.(map[string]any)
		value = inner[name]
	}
	return value
}

// number returns the number at the end of the path; one that is not there is 0, as in Kubernetes.
func number(object map[string]any, path ...string) float64 {
	value, _ := at(object, path...).(float64)
	return value
}
