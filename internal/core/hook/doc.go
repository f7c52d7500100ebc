// Package hook decides which commands run in which containers of which pods, and in which order.
//
// A Set is commands and the pods that they are for, as a spec has it. Rules are all sets of a run, compiled over the kinds
// that the cluster serves. What a pod is asked to do is a Plan: the sets that choose it, in their order; or, where none does,
// what its own annotations say. The two are never mixed in one pod, so that whoever writes a set knows all that runs in it.
//
// A set chooses a pod by the pod itself or by what owns it, at any distance: one that names deployments means their pods.
package hook

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// Command is a command in a container.
type Command struct {
	// Origin is where it is from: the path of a field, or an annotation.
	Origin string
	// Container is the container's name; empty means the first one of the pod.
	Container string
	// Words are the command and its arguments.
	Words []string
	// Continue tells that the run goes on when the command fails.
	Continue bool
	// SkipMissing tells that a pod without such a container is left out, and nothing has failed.
	SkipMissing bool
	// Timeout is how long the command may take.
	Timeout time.Duration
	// Wait is how long the container may take to be ready before it, after a restore.
	Wait time.Duration
}

// DefaultTimeout is how long a command may take that does not say it.
const DefaultTimeout = 30 * time.Second

// Pod is what is to be known of a pod to decide.
type Pod struct {
	Namespace, Name     string
	UID                 types.UID
	Labels, Annotations map[string]string
	// Containers are the names of its containers, in their order.
	Containers []string
	// Ready are those of them that run and are ready.
	Ready []string
	// Obstacle is what keeps its containers from being ready, as far as the cluster says; empty where all are.
	Obstacle string
	// Claims are the names of the claims whose volumes it has.
	Claims []string
	// Running tells that the pod runs; Over that it ran, and never will again.
	Running, Over bool
	// Going tells that its deletion has been asked for.
	Going bool
	// Owners are what controls the pod, what controls that, and so on.
	Owners []Owner
}

// Owner is an object that controls a pod.
type Owner struct {
	Kind   core.Kind
	Name   string
	UID    types.UID
	Labels map[string]string
}

// Plan is what a pod is asked to do.
type Plan struct {
	Pod Pod
	// Sets are the fields of the sets that choose it; none where its annotations ask.
	Sets []string
	// Pre are the commands before, Post those after, each in the order in which they run.
	Pre, Post []Command
}

// PodKind is the kind Pod.
func PodKind() core.Kind {
	return core.Kind{Version: "v1", Name: "Pod", Resource: "pods", Singular: "pod", ShortNames: []string{"po"}, Namespaced: true}
}

// The outcomes of a command. They are stable.
const (
	// Completed: it ran, and its exit code was 0.
	Completed = "Completed"
	// CommandFailed: it ran, and its exit code was another one; or the container has no such program.
	CommandFailed = "HookFailed"
	// TimedOut: it did not end in its time. It may still go on in the container.
	TimedOut = "HookTimedOut"
	// ContainerNotFound: the pod has no such container.
	ContainerNotFound = "ContainerNotFound"
	// ContainerNotRunning: the container is there and does not run.
	ContainerNotRunning = "ContainerNotRunning"
	// PodNotRunning: the pod is there and does not run.
	PodNotRunning = "PodNotRunning"
	// PodGone: there is no such pod any more.
	PodGone = "PodGone"
	// Unreachable: the API server or the node could not be asked, so that nobody knows whether it ran.
	Unreachable = "PodUnreachable"
	// NotReady: the container was not ready in the time that it had for that after a restore.
	NotReady = "ContainerNotReady"
	// Changed: what was promised to the pod cannot be found out any more.
	Changed = "HookChanged"
	// NotRun: it was not its turn before the run failed.
	NotRun = "NotRun"
)

// Result is what came of a command.
type Result struct {
	// Outcome is one of those of this package.
	Outcome string
	// Container is the container in which it ran.
	Container string
	// Message says what is wrong, without what the command wrote.
	Message string
	// Output is what the command wrote, its first and its last part where it was much.
	Output string
	// Began and Ended are when.
	Began, Ended time.Time
}
