package naming_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/naming"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

func namespaced(group, name, resource string) core.Kind {
	return core.Kind{Group: group, Version: "v1", Name: name, Resource: resource, Namespaced: true}
}

func atCluster(group, name, resource string) core.Kind {
	return core.Kind{Group: group, Version: "v1", Name: name, Resource: resource}
}

var (
	secrets     = namespaced("", "Secret", "secrets")
	services    = namespaced("", "Service", "services")
	accounts    = namespaced("", "ServiceAccount", "serviceaccounts")
	configMaps  = namespaced("", "ConfigMap", "configmaps")
	claims      = namespaced("", "PersistentVolumeClaim", "persistentvolumeclaims")
	volumes     = atCluster("", "PersistentVolume", "persistentvolumes")
	deployments = namespaced("apps", "Deployment", "deployments")
	sets        = namespaced("apps", "StatefulSet", "statefulsets")
	cronJobs    = namespaced("batch", "CronJob", "cronjobs")
	jobs        = namespaced("batch", "Job", "jobs")
	scalers     = namespaced("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
	clusterRole = atCluster("rbac.authorization.k8s.io", "ClusterRole", "clusterroles")
	roleBinding = namespaced("rbac.authorization.k8s.io", "RoleBinding", "rolebindings")
	classes     = atCluster("storage.k8s.io", "StorageClass", "storageclasses")
	widgets     = core.Kind{Group: "example.com", Version: "v1", Name: "Widget", Resource: "widgets", Namespaced: true, Custom: true}
)

func all() []core.Kind {
	return []core.Kind{
		secrets, services, accounts, configMaps, claims, volumes, deployments, sets, cronJobs, jobs, scalers, clusterRole,
		roleBinding, classes, widgets,
	}
}

// named is an object of a restore.
type named struct {
	kind            core.Kind
	namespace, name string
	labels          map[string]string
}

func newNames(prefix string, objects ...named) *naming.Names {
	names := naming.New(prefix)
	names.Follow(reference.NewRules(), all())
	for _, object := range objects {
		names.Add(object.kind, object.namespace, object.name, object.labels)
	}
	return names
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	object := map[string]any{}
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestWhatGetsThePrefix(t *testing.T) {
	t.Parallel()
	defaults := map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"}
	cases := map[string]struct {
		object named
		want   string
	}{
		"an object in a namespace":                  {named{kind: secrets, namespace: "shop", name: "db"}, "blue-db"},
		"a custom resource":                         {named{kind: widgets, namespace: "shop", name: "db"}, "blue-db"},
		"a claim":                                   {named{kind: claims, namespace: "shop", name: "data"}, "blue-data"},
		"a cluster role":                            {named{kind: clusterRole, name: "reader"}, "blue-reader"},
		"a cluster role of the system":              {named{kind: clusterRole, name: "system:node"}, "system:node"},
		"a cluster role of the API server":          {named{kind: clusterRole, name: "edit", labels: defaults}, "edit"},
		"a namespace":                               {named{kind: atCluster("", "Namespace", "namespaces"), name: "shop"}, "shop"},
		"a volume":                                  {named{kind: volumes, name: "v"}, "v"},
		"a class":                                   {named{kind: classes, name: "fast"}, "fast"},
		"a webhook":                                 {named{kind: atCluster("admissionregistration.k8s.io", "x", "validatingwebhookconfigurations"), name: "w"}, "w"},
		"a definition":                              {named{kind: atCluster("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"), name: "w.e"}, "w.e"},
		"the account of every namespace":            {named{kind: accounts, namespace: "shop", name: "default"}, "default"},
		"the certificates of every namespace":       {named{kind: configMaps, namespace: "shop", name: "kube-root-ca.crt"}, "kube-root-ca.crt"},
		"a config map that is called like accounts": {named{kind: configMaps, namespace: "shop", name: "default"}, "blue-default"},
		"the Service of the API server":             {named{kind: services, namespace: "default", name: "kubernetes"}, "kubernetes"},
		"a Service that is called like it":          {named{kind: services, namespace: "shop", name: "kubernetes"}, "blue-kubernetes"},
		"what is the cluster's own":                 {named{kind: configMaps, namespace: "kube-system", name: "coredns"}, "coredns"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names := newNames("blue-", c.object)
			if got := names.Of(c.object.kind, c.object.namespace, c.object.name); got != c.want {
				t.Errorf("it is called %s, want %s", got, c.want)
			}
			if why := naming.Keeps(c.object.kind, c.object.namespace, c.object.name, c.object.labels); (why != "") != (c.want == c.object.name) {
				t.Errorf("it keeps its name because: %q", why)
			}
		})
	}
}

func TestWithoutPrefix(t *testing.T) {
	t.Parallel()
	names := newNames("", named{kind: secrets, namespace: "shop", name: "db"})
	object := decode(t, `{"metadata": {"namespace": "shop", "name": "db"}}`)
	if names.Of(secrets, "shop", "db") != "db" || names.Rename(secrets, object) != nil || names.Mentions(widgets, "shop", object) != nil {
		t.Error("a name has changed")
	}
}

// What is not in the restore keeps its name, and references to it stay what they were.
func TestOnlyWhatIsRestored(t *testing.T) {
	t.Parallel()
	names := newNames("blue-", named{kind: deployments, namespace: "shop", name: "web"}, named{kind: secrets, namespace: "shop", name: "db"},
		named{kind: secrets, namespace: "bank", name: "other"})
	object := decode(t, `{"metadata": {"namespace": "shop", "name": "web"}, "spec": {"template": {"spec": {"volumes": [
		{"name": "db", "secret": {"secretName": "db"}}, {"name": "other", "secret": {"secretName": "other"}},
		{"name": "settings", "configMap": {"name": "db"}}]}}}}`)
	want := decode(t, `{"metadata": {"namespace": "shop", "name": "blue-web"}, "spec": {"template": {"spec": {"volumes": [
		{"name": "db", "secret": {"secretName": "blue-db"}}, {"name": "other", "secret": {"secretName": "other"}},
		{"name": "settings", "configMap": {"name": "db"}}]}}}}`)
	renamed := names.Rename(deployments, object)
	if diff := cmp.Diff(want, object); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	wanted := []reference.Renamed{
		{Field: "metadata.name", From: "web", To: "blue-web"},
		{Field: "spec.template.spec.volumes[0].secret.secretName", From: "db", To: "blue-db"},
	}
	if diff := cmp.Diff(wanted, renamed); diff != "" {
		t.Errorf("renamed (-want +got):\n%s", diff)
	}
}

// The claims of a StatefulSet get the names under which the new one looks for them, wherever they are named.
func TestClaimsOfStatefulSets(t *testing.T) {
	t.Parallel()
	var objects []named
	for _, name := range []string{"data-db-0", "data-db-12", "data-db-", "data-db-x", "log-db-0", "data-other-0"} {
		objects = append(objects, named{kind: claims, namespace: "shop", name: name})
	}
	names := newNames("blue-", append(objects, named{kind: claims, namespace: "bank", name: "data-db-0"},
		named{kind: sets, namespace: "shop", name: "db"})...)
	names.Set(decode(t, `{"metadata": {"namespace": "shop", "name": "db"}, "spec": {"volumeClaimTemplates": [
		{"metadata": {"name": "data"}}, {"metadata": {}}, 3]}}`))
	for name, want := range map[string]string{
		"data-db-0": "data-blue-db-0", "data-db-12": "data-blue-db-12", "data-db-": "blue-data-db-", "data-db-x": "blue-data-db-x",
		"log-db-0": "blue-log-db-0", "data-other-0": "blue-data-other-0", "data-db-1": "data-db-1",
	} {
		if got := names.Of(claims, "shop", name); got != want {
			t.Errorf("%s becomes %s, want %s", name, got, want)
		}
	}
	if got := names.Of(claims, "bank", "data-db-0"); got != "blue-data-db-0" {
		t.Errorf("the claim of another namespace becomes %s", got)
	}
	volume := decode(t, `{"metadata": {"name": "v"}, "spec": {"claimRef": {"namespace": "shop", "name": "data-db-0"}}}`)
	names.Rename(volumes, volume)
	if diff := cmp.Diff(decode(t, `{"metadata": {"name": "v"}, "spec": {"claimRef": {"namespace": "shop", "name": "data-blue-db-0"}}}`), volume); diff != "" {
		t.Errorf("volume (-want +got):\n%s", diff)
	}
}

func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	long := func(length int) string { return strings.Repeat("a", length) }
	cases := map[string]struct {
		object named
		says   string // nothing: it can be
	}{
		"a Service as long as it can be":     {named{kind: services, namespace: "shop", name: long(58)}, ""},
		"a Service that is too long":         {named{kind: services, namespace: "shop", name: long(59)}, "choose a prefix that is one character shorter"},
		"a StatefulSet as long as it can be": {named{kind: sets, namespace: "shop", name: long(47)}, ""},
		"a StatefulSet that is too long":     {named{kind: sets, namespace: "shop", name: long(50)}, "3 characters shorter"},
		"a CronJob that is too long":         {named{kind: cronJobs, namespace: "shop", name: long(48)}, "its jobs have it in their names"},
		"a Job that is too long":             {named{kind: jobs, namespace: "shop", name: long(59)}, "its pods have it in a label"},
		"a Deployment that is too long":      {named{kind: deployments, namespace: "shop", name: long(238)}, "with a hash behind it"},
		"a config map as long as it can be":  {named{kind: configMaps, namespace: "shop", name: long(248)}, ""},
		"a config map that is too long":      {named{kind: configMaps, namespace: "shop", name: long(249)}, "of 254 characters, and can have 253"},
		"a class, which keeps its long name": {named{kind: classes, name: long(253)}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newNames("blue-", c.object).Check(c.object.kind, c.object.namespace, c.object.name)
			if !strings.Contains(got, c.says) || (got == "") != (c.says == "") {
				t.Errorf("the check says %q", got)
			}
		})
	}
	if got := newNames("def", named{kind: accounts, namespace: "shop", name: "ault"}).Check(accounts, "shop", "ault"); !strings.Contains(got, "both become default") {
		t.Errorf("the check says %q", got)
	}
}

// Two claims would get one name, as the one gets its prefix within: neither is restored.
func TestTwoClaimsOfOneName(t *testing.T) {
	t.Parallel()
	names := newNames("a-", named{kind: claims, namespace: "shop", name: "a-t-s-0"}, named{kind: claims, namespace: "shop", name: "t-a-s-0"})
	names.Set(decode(t, `{"metadata": {"namespace": "shop", "name": "s"}, "spec": {"volumeClaimTemplates": [{"metadata": {"name": "a-t"}}]}}`))
	if got := names.Check(claims, "shop", "a-t-s-0"); !strings.Contains(got, "shop/a-t-s-0 and shop/t-a-s-0 would both become a-t-a-s-0") {
		t.Errorf("the check says %q", got)
	}
}

func TestMentions(t *testing.T) {
	t.Parallel()
	names := newNames("blue-", named{kind: secrets, namespace: "shop", name: "db"}, named{kind: widgets, namespace: "shop", name: "w"})
	object := decode(t, `{"apiVersion": "v1", "kind": "db", "metadata": {"name": "blue-w", "namespace": "stage", "labels": {"a": "db"}},
		"spec": {"b": [{"secretName": "db"}], "a": "blue-db", "c": "d", "n": 1}, "status": {"x": "db"}}`)
	want := []naming.Mention{{Field: "spec.b[0].secretName", Name: "db"}}
	if diff := cmp.Diff(want, names.Mentions(widgets, "shop", object)); diff != "" {
		t.Errorf("mentions (-want +got):\n%s", diff)
	}
	if found := names.Mentions(widgets, "bank", object); len(found) > 0 {
		t.Errorf("in another namespace it mentions %v", found)
	}
	if found := names.Mentions(configMaps, "shop", object); len(found) > 0 {
		t.Errorf("an object whose references are known mentions %v", found)
	}
	many := decode(t, `{"spec": {"a": ["db", "db", "w", "w", "db"]}}`)
	if found := names.Mentions(widgets, "shop", many); len(found) != 3 {
		t.Errorf("it mentions %v", found)
	}
}
