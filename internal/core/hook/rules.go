package hook

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// Set is commands and the pods that they are for.
type Set struct {
	// Field is where it stands, such as spec.hook.resources[0]; Name is what people call it.
	Field, Name string
	// Filters choose pods and what owns them. They have no labels.
	Filters selection.Filters
	// Labels are those that the pods themselves must have; nil means any.
	Labels labels.Selector
	// Pre are the commands before, Post those after.
	Pre, Post []Command
	// Init are the init containers of pods that are restored.
	Init []Init
}

// Rules are the sets of a run. They do not change, and may be used by several goroutines at once.
type Rules struct {
	sets []compiled
}

type compiled struct {
	Set

	chooses *selection.Selector
}

// Compile turns sets into Rules over the kinds that the cluster serves. Those with problems, whose fields are those of the sets,
// are not among them.
func Compile(sets []Set, kinds []core.Kind) (*Rules, []selection.Problem) {
	rules := &Rules{}
	var problems []selection.Problem
	for _, set := range sets {
		chooses, wrong := selection.Compile(set.Filters, kinds)
		for _, each := range wrong {
			each.Field = set.Field + strings.TrimPrefix(each.Field, "spec")
			problems = append(problems, each)
		}
		if len(wrong) == 0 {
			rules.sets = append(rules.sets, compiled{Set: set, chooses: chooses})
		}
	}
	return rules, problems
}

// May tells whether anything can be asked of the pod, whatever owns it.
func (r *Rules) May(pod *Pod) bool {
	return len(r.sets) > 0 || mention(pod.Annotations, PreBackup, PostBackup)
}

// Plan returns what the pod is asked to do around a backup, and what is wrong with it. A pod that is asked nothing has a plan
// without commands.
func (r *Rules) Plan(pod Pod) (Plan, []selection.Problem) {
	plan := Plan{Pod: pod}
	if pod.Over {
		return plan, nil
	}
	for _, set := range r.sets {
		if !set.choose(&pod) || len(set.Pre)+len(set.Post) == 0 {
			continue
		}
		plan.Sets = append(plan.Sets, set.Field)
		plan.Pre = append(plan.Pre, set.Pre...)
		plan.Post = after(set.Post, plan.Post)
	}
	if len(plan.Sets) > 0 {
		return plan, nil
	}
	pre, problems := fromAnnotations(&pod, PreBackup)
	post, more := fromAnnotations(&pod, PostBackup)
	plan.Pre, plan.Post = pre, post
	return plan, append(problems, more...)
}

// choose tells whether the set is for the pod.
func (c *compiled) choose(pod *Pod) bool {
	if c.Labels != nil && !c.Labels.Matches(labels.Set(pod.Labels)) {
		return false
	}
	found := verdicts(c.chooses, pod)
	excluded := slices.ContainsFunc(found, func(verdict selection.Verdict) bool { return verdict.Excluded })
	return !excluded && slices.ContainsFunc(found, isIn)
}

// InScope tells whether a pod belongs to what a backup backs up: by itself, or by what owns it. Who leaves pods out of a
// backup, as their workloads make them again, still means the application.
func InScope(backup *selection.Selector, pod *Pod) bool {
	return slices.ContainsFunc(verdicts(backup, pod), isIn)
}

func isIn(verdict selection.Verdict) bool { return verdict.In }

// verdicts are what filters say of a pod and of each of its owners.
func verdicts(selector *selection.Selector, pod *Pod) []selection.Verdict {
	found := []selection.Verdict{selector.Object(PodKind(), pod.Namespace, pod.Name, pod.Labels)}
	for _, owner := range pod.Owners {
		namespace := pod.Namespace
		if !owner.Kind.Namespaced {
			namespace = ""
		}
		found = append(found, selector.Object(owner.Kind, namespace, owner.Name, owner.Labels))
	}
	return found
}
