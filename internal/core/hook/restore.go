package hook

import (
	"fmt"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// The annotations of pods, and of pod templates, that ask for something when they are restored.
const (
	PostRestore = "post.hook.restore.kahu.io/"
	InitRestore = "init.hook.restore.kahu.io/"
)

// The parts of these annotations after their prefix.
const (
	keyExecTimeout = "exec-timeout"
	keyWaitTimeout = "wait-timeout"
	keyImage       = "container-image"
	keyName        = "container-name"
)

// DefaultWait is how long a container may take to be ready, and DefaultInit how long init containers may take, unless it is said.
const (
	DefaultWait = 5 * time.Minute
	DefaultInit = 5 * time.Minute
)

// defaultInitName is the name of an init container that an annotation asks for without a name.
const defaultInitName = "kahu-init"

// Init is init containers that a restored pod gets, before its own.
type Init struct {
	// Origin is where they are from: the path of a field, or an annotation.
	Origin string
	// Containers are as a pod has them.
	Containers []any
	// Timeout is how long they may take: a command that waits for a container of the pod waits for that longer.
	Timeout time.Duration
}

// Known is a pod under the names by which the filters of a restore mean it, which are those of the backup.
func (p *Pod) Known(source func(kind core.Kind, namespace, name string) (inNamespace, asName string)) Pod {
	known := *p
	known.Namespace, known.Name = source(PodKind(), p.Namespace, p.Name)
	known.Owners = slices.Clone(p.Owners)
	for i := range known.Owners {
		owner := &known.Owners[i]
		_, owner.Name = source(owner.Kind, p.Namespace, owner.Name)
	}
	return known
}

// Before returns the commands that run in a pod before a restore changes anything, and the fields of the sets that they are of.
// Annotations ask for none.
func (r *Rules) Before(known *Pod) (commands []Command, sets []string) {
	if known.Over {
		return nil, nil
	}
	for _, set := range r.sets {
		if len(set.Pre) > 0 && set.choose(known) {
			commands, sets = append(commands, set.Pre...), append(sets, set.Field)
		}
	}
	return commands, sets
}

// Restored is what a restored pod is asked to do.
type Restored struct {
	// Sets are the fields of the sets that choose it; none where its annotations ask.
	Sets []string
	// Init are the init containers that it gets, Post the commands that run in it, in their order.
	Init []Init
	Post []Command
}

// MayRestored tells whether anything can be asked of a restored pod, whatever owns it.
func (r *Rules) MayRestored(pod *Pod) bool {
	return len(r.sets) > 0 || mention(pod.Annotations, PostRestore, InitRestore)
}

// Restored returns what a restored pod, or each pod of a restored template, is asked to do, and what is wrong with it: by the
// sets that choose it, in their order, and where none does, by its annotations. Each command waits as long as it says, and as
// long as the init containers may take.
func (r *Rules) Restored(known *Pod) (Restored, []selection.Problem) {
	var asked Restored
	if known.Over {
		return asked, nil
	}
	for _, set := range r.sets {
		if len(set.Init)+len(set.Post) == 0 || !set.choose(known) {
			continue
		}
		asked.Sets = append(asked.Sets, set.Field)
		asked.Init = append(asked.Init, set.Init...)
		asked.Post = append(asked.Post, set.Post...)
	}
	var problems []selection.Problem
	if len(asked.Sets) == 0 {
		asked, problems = noted(known)
	}
	longer := time.Duration(0)
	for _, each := range asked.Init {
		longer += each.Timeout
	}
	for i := range asked.Post {
		asked.Post[i].Wait += longer
	}
	return asked, problems
}

// noted returns what the annotations of a pod ask for. What asks for a command that cannot be read asks for one all the same: its
// pod is awaited, and told of.
func noted(pod *Pod) (Restored, []selection.Problem) {
	var asked Restored
	after := newAnnotationReader(pod, PostRestore)
	if after.has(keyCommand) || len(after.problems) > 0 {
		asked.Post = []Command{{
			Origin:    "annotation " + PostRestore + keyCommand,
			Container: pod.Annotations[PostRestore+keyContainer],
			Words:     after.words(keyCommand),
			Continue:  after.continues(keyOnError),
			Timeout:   after.duration(keyExecTimeout, DefaultTimeout),
			Wait:      after.duration(keyWaitTimeout, DefaultWait),
		}}
	}
	init := newAnnotationReader(pod, InitRestore)
	image := pod.Annotations[InitRestore+keyImage]
	if image == "" {
		return asked, append(after.problems, init.problems...)
	}
	container := map[string]any{"name": defaultInitName, "image": image}
	if name := pod.Annotations[InitRestore+keyName]; name != "" {
		container["name"] = name
	}
	if init.has(keyCommand) {
		var words []any
		for _, word := range init.words(keyCommand) {
			words = append(words, word)
		}
		container["command"] = words
	}
	asked.Init = []Init{{
		Origin: "annotation " + InitRestore + keyImage, Containers: []any{container}, Timeout: init.duration(keyTimeout, DefaultInit),
	}}
	return asked, append(after.problems, init.problems...)
}

// CheckInit returns what is wrong with init containers of a field: their API server would refuse the pod, long after.
func CheckInit(field string, containers []any) []selection.Problem {
	var problems []selection.Problem
	for i, each := range containers {
		container, _ := each.(map[string]any)
		for _, key := range []string{"name", "image"} {
			if text, _ := container[key].(string); text == "" {
				problems = append(problems, selection.Problem{
					Field: fmt.Sprintf("%s[%d].%s", field, i, key), Reason: ReasonInvalid, Message: "it is required",
				})
			}
		}
	}
	return problems
}
