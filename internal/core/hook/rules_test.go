package hook_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

func kinds() []core.Kind {
	return []core.Kind{
		hook.PodKind(),
		{Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Singular: "deployment", ShortNames: []string{"deploy"}, Namespaced: true},
		{Group: "apps", Version: "v1", Name: "ReplicaSet", Resource: "replicasets", Namespaced: true},
		{Version: "v1", Name: "ConfigMap", Resource: "configmaps", Namespaced: true},
	}
}

func command(origin string) hook.Command {
	return hook.Command{Origin: origin, Words: []string{"sync"}, Timeout: time.Second}
}

// db is a pod of a Deployment.
func db() hook.Pod {
	all := kinds()
	return hook.Pod{
		Namespace: "shop", Name: "db-1-2", UID: "1", Running: true, Labels: map[string]string{"app": "db"}, Containers: []string{"main"},
		Annotations: map[string]string{"pre.hook.backup.kahu.io/command": "sync", "post.hook.backup.kahu.io/command": `["resume", "-v"]`},
		Owners: []hook.Owner{
			{Kind: all[2], Name: "db-1"}, {Kind: all[1], Name: "db", Labels: map[string]string{"tier": "data"}},
		},
	}
}

func set(field string, filters selection.Filters) hook.Set {
	return hook.Set{
		Field: field, Filters: filters,
		Pre:  []hook.Command{command(field + ".pre[0]"), command(field + ".pre[1]")},
		Post: []hook.Command{command(field + ".post[0]"), command(field + ".post[1]")},
	}
}

func resources(kind, name string) selection.Filters {
	return selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: kind, Name: name}}}
}

func labelled(of hook.Set, selector string) hook.Set {
	parsed, err := labels.Parse(selector)
	if err != nil {
		panic(err)
	}
	of.Labels = parsed
	return of
}

func origins(commands []hook.Command) (all []string) {
	for _, each := range commands {
		all = append(all, each.Origin)
	}
	return all
}

func TestPlan(t *testing.T) {
	t.Parallel()
	fromSpec := func(fields ...string) (pre, post []string) {
		for _, field := range fields {
			pre = append(pre, field+".pre[0]", field+".pre[1]")
		}
		for _, field := range slices.Backward(fields) {
			post = append(post, field+".post[0]", field+".post[1]")
		}
		return pre, post
	}
	noted := []string{"annotation pre.hook.backup.kahu.io/command"}
	excluding := selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "deploy", Name: "db"}}}
	cases := map[string]struct {
		sets   []hook.Set
		change func(pod *hook.Pod)
		spec   []string // the fields of the sets that choose the pod
		noted  bool
	}{
		"annotations":                       {noted: true},
		"a set for all":                     {sets: []hook.Set{set("a", selection.Filters{})}, spec: []string{"a"}},
		"several sets":                      {sets: []hook.Set{set("a", selection.Filters{}), set("b", resources("pods", ""))}, spec: []string{"a", "b"}},
		"by the owner of the owner":         {sets: []hook.Set{set("a", resources("deployments", "db"))}, spec: []string{"a"}},
		"by the short name":                 {sets: []hook.Set{set("a", resources("deploy", ""))}, spec: []string{"a"}},
		"another workload":                  {sets: []hook.Set{set("a", resources("deployments", "web"))}, noted: true},
		"what owns it is excluded":          {sets: []hook.Set{set("a", excluding)}, noted: true},
		"another namespace":                 {sets: []hook.Set{set("a", selection.Filters{IncludeNamespaces: []string{"bank"}})}, noted: true},
		"an excluded namespace":             {sets: []hook.Set{set("a", selection.Filters{ExcludeNamespaces: []string{"shop"}})}, noted: true},
		"its labels":                        {sets: []hook.Set{labelled(set("a", selection.Filters{}), "app=db")}, spec: []string{"a"}},
		"the labels of its owner are not":   {sets: []hook.Set{labelled(set("a", selection.Filters{}), "tier=data")}, noted: true},
		"a set without commands":            {sets: []hook.Set{{Field: "a"}}, noted: true},
		"a pod that has ended":              {sets: []hook.Set{set("a", selection.Filters{})}, change: func(pod *hook.Pod) { pod.Over = true }},
		"a pod of which nothing is asked":   {change: func(pod *hook.Pod) { pod.Annotations = nil }},
		"a pod that nothing owns, by owner": {sets: []hook.Set{set("a", resources("deployments", ""))}, change: func(pod *hook.Pod) { pod.Owners = nil }, noted: true},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, problems := hook.Compile(test.sets, kinds())
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			pod := db()
			if test.change != nil {
				test.change(&pod)
			}
			plan, problems := rules.Plan(pod)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			pre, post := fromSpec(test.spec...)
			if test.noted {
				pre, post = noted, []string{"annotation post.hook.backup.kahu.io/command"}
			}
			if diff := cmp.Diff([][]string{pre, post}, [][]string{origins(plan.Pre), origins(plan.Post)}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if asked := len(pre)+len(post) > 0; asked && !rules.May(&pod) {
				t.Error("it is not even looked at")
			}
		})
	}
}

func TestAnnotations(t *testing.T) {
	t.Parallel()
	const at = "pre.hook.backup.kahu.io/"
	cases := map[string]struct {
		annotations map[string]string
		want        hook.Command
		wrong       string // the annotation
	}{
		"a word":          {map[string]string{"command": "/bin/sync now"}, hook.Command{Words: []string{"/bin/sync now"}, Timeout: hook.DefaultTimeout}, ""},
		"an array":        {map[string]string{"command": ` ["sh", "-c", "a b"]`}, hook.Command{Words: []string{"sh", "-c", "a b"}, Timeout: hook.DefaultTimeout}, ""},
		"everything":      {map[string]string{"command": "a", "container": "c", "on-error": "Continue", "timeout": "2m"}, hook.Command{Words: []string{"a"}, Container: "c", Continue: true, Timeout: 2 * time.Minute}, ""},
		"zero":            {map[string]string{"command": "a", "timeout": "0s", "on-error": "Fail"}, hook.Command{Words: []string{"a"}, Timeout: hook.DefaultTimeout}, ""},
		"no array":        {map[string]string{"command": `["a`}, hook.Command{}, "command"},
		"an array of sum": {map[string]string{"command": `[1]`}, hook.Command{}, "command"},
		"an empty array":  {map[string]string{"command": `[]`}, hook.Command{}, "command"},
		"no program":      {map[string]string{"command": `["", "a"]`}, hook.Command{}, "command"},
		"no mode":         {map[string]string{"command": "a", "on-error": "Ignore"}, hook.Command{}, "on-error"},
		"no duration":     {map[string]string{"command": "a", "timeout": "long"}, hook.Command{}, "timeout"},
		"negative":        {map[string]string{"command": "a", "timeout": "-1s"}, hook.Command{}, "timeout"},
		"mistyped":        {map[string]string{"comand": "a"}, hook.Command{}, "comand"},
		"one more":        {map[string]string{"command": "a", "on-eror": "Continue"}, hook.Command{}, "on-eror"},
		"of restores":     {map[string]string{"command": "a", "exec-timeout": "1m"}, hook.Command{}, "exec-timeout"},
		"a time alone":    {map[string]string{"timeout": "1m"}, hook.Command{}, "command"},
		"a mode alone":    {map[string]string{"on-error": "Continue", "container": "c"}, hook.Command{}, "command"},
		"an empty one":    {map[string]string{"command": "", "timeout": "1m"}, hook.Command{}, "command"},
	}
	rules, _ := hook.Compile(nil, kinds())
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := db()
			pod.Annotations = map[string]string{}
			for key, value := range test.annotations {
				pod.Annotations[at+key] = value
			}
			if !rules.May(&pod) {
				t.Error("it is not even looked at")
			}
			plan, problems := rules.Plan(pod)
			if test.wrong != "" {
				if len(problems) != 1 || problems[0].Field != "Pod shop/db-1-2, annotation "+at+test.wrong || problems[0].Reason != hook.ReasonInvalid {
					t.Errorf("problems are %v", problems)
				}
				return
			}
			test.want.Origin = "annotation " + at + "command"
			if diff := cmp.Diff([]hook.Command{test.want}, plan.Pre); diff != "" || len(problems) > 0 || len(plan.Post) > 0 {
				t.Errorf("%v (-want +got):\n%s", problems, diff)
			}
		})
	}
}

// TestMistypedAnnotation: who mistyped a key is told which there are; an empty command, as a template may leave it, asks for nothing,
// and where a set of the spec chooses the pod, its annotations do not count.
func TestMistypedAnnotation(t *testing.T) {
	t.Parallel()
	pod := db()
	pod.Annotations["pre.hook.backup.kahu.io/comand"] = "sync"
	rules, _ := hook.Compile(nil, kinds())
	_, problems := rules.Plan(pod)
	if len(problems) != 1 || problems[0].Message != "there is no such annotation: those that begin with pre.hook.backup.kahu.io/ end with command, container, on-error, timeout" {
		t.Errorf("problems are %v", problems)
	}
	rules, _ = hook.Compile([]hook.Set{set("a", selection.Filters{})}, kinds())
	if _, problems := rules.Plan(pod); len(problems) > 0 {
		t.Errorf("the spec chooses it, and its problems are %v", problems)
	}
	rules, _ = hook.Compile(nil, kinds())
	pod.Annotations = map[string]string{"pre.hook.backup.kahu.io/command": "", "post.hook.backup.kahu.io/timeout": ""}
	if plan, problems := rules.Plan(pod); len(problems)+len(plan.Pre)+len(plan.Post) > 0 {
		t.Errorf("an empty command asks for %v, %v", plan, problems)
	}
}

// TestScope: an application belongs to a backup with its pods, or with what owns these.
func TestScope(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		filters selection.Filters
		want    bool
	}{
		"everything":         {selection.Filters{}, true},
		"its namespace":      {selection.Filters{IncludeNamespaces: []string{"shop"}}, true},
		"another namespace":  {selection.Filters{IncludeNamespaces: []string{"bank"}}, false},
		"only its workload":  {resources("deployments", "db"), true},
		"another workload":   {resources("deployments", "web"), false},
		"only other kinds":   {resources("configmaps", ""), false},
		"its pods left out":  {selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "pods"}}}, true},
		"its namespace, too": {selection.Filters{ExcludeNamespaces: []string{"shop"}}, false},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			selector, problems := selection.Compile(test.filters, kinds())
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			pod := db()
			if got := hook.InScope(selector, &pod); got != test.want {
				t.Errorf("it is %v", got)
			}
		})
	}
}

// TestCompileNamesTheField: what is wrong with a set is told with its field, and the other sets are kept.
func TestCompileNamesTheField(t *testing.T) {
	t.Parallel()
	wrong := set("spec.hook.resources[0]", resources("deploymets", ""))
	rules, problems := hook.Compile([]hook.Set{wrong, set("spec.hook.resources[1]", selection.Filters{})}, kinds())
	if len(problems) != 1 || problems[0].Field != "spec.hook.resources[0].includeResources[0].kind" || !strings.Contains(problems[0].Message, "deployments") {
		t.Errorf("problems are %v", problems)
	}
	if plan, _ := rules.Plan(db()); len(plan.Pre) != 2 {
		t.Errorf("the other set is lost: %v", plan)
	}
}

// TestWrote: what a failed command wrote is in no status, which says where it is.
func TestWrote(t *testing.T) {
	t.Parallel()
	for want, result := range map[string]hook.Result{
		`; what it wrote is in the log of the manager, in the line "hook ran" with backup=shop and this hook`: {Outcome: hook.CommandFailed, Output: "hunter2"},
		"; it wrote nothing": {Outcome: hook.TimedOut},
		"":                   {Outcome: hook.PodGone},
	} {
		if got := result.Wrote("backup", "shop"); got != want {
			t.Errorf("it says %q", got)
		}
	}
}
