package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HookErrorMode says whether a run goes on when a command fails.
//
// +kubebuilder:validation:Enum=Continue;Fail
type HookErrorMode string

const (
	// HookErrorModeContinue goes on, with a warning.
	HookErrorModeContinue HookErrorMode = "Continue"
	// HookErrorModeFail fails the run.
	HookErrorModeFail HookErrorMode = "Fail"
)

// BackupHook is the commands that run in pods before and after their volumes are
// cut.
type BackupHook struct {
	// resources are the sets of commands. In a pod that one of them chooses, the
	// pod's own annotations do not count.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Resources []BackupResourceHook `json:"resources,omitempty"`

	// quiesceTimeout is for how long an application is kept from writing at most,
	// from the first command before to the cut of the last volume, for example 1m.
	// When it is over, the commands after are run, and the backup fails. Absent or
	// 0s means 5m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="spec.hook.quiesceTimeout must be a duration that is not negative, such as 1m"
	QuiesceTimeout metav1.Duration `json:"quiesceTimeout,omitzero"`
}

// BackupResourceHook is a set of commands and the pods that they run in.
//
// +kubebuilder:validation:XValidation:rule="(has(self.pre) && self.pre.exists(s, has(s.exec))) || (has(self.post) && self.post.exists(s, has(s.exec)))",message="the set has no command: name one below pre or post, or remove the set"
type BackupResourceHook struct {
	// name is the name of this set of commands.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// includeNamespaces are the namespaces whose pods are meant. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	IncludeNamespaces []NamespaceName `json:"includeNamespaces,omitempty"`

	// excludeNamespaces are the namespaces left out. They win over includeNamespaces.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	ExcludeNamespaces []NamespaceName `json:"excludeNamespaces,omitempty"`

	// includeResources are the objects whose pods are meant. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	IncludeResources []ResourceFilter `json:"includeResources,omitempty"`

	// excludeResources are the objects left out. They win over includeResources.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	ExcludeResources []ResourceFilter `json:"excludeResources,omitempty"`

	// labelSelector selects pods by their labels. Absent means all.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// continueHookIfContainerNotFound skips a pod that has no such container,
	// where it would fail otherwise.
	// +optional
	ContinueHookIfContainerNotFound bool `json:"continueHookIfContainerNotFound,omitempty"`

	// pre are the commands that run before the volumes are cut, each at most once.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Pre []BackupHookStep `json:"pre,omitempty"`

	// post are the commands that run after the volumes are cut, each at least once
	// whatever happened after its pre command: they must be idempotent.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Post []BackupHookStep `json:"post,omitempty"`
}

// BackupHookStep is one command of a backup.
type BackupHookStep struct {
	// exec is a command in a container that runs already.
	// +optional
	Exec *ExecHook `json:"exec,omitempty"`
}

// ExecHook is a command in a container of a running pod.
type ExecHook struct {
	// container is the container that runs the command. Empty means the first one.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Container string `json:"container,omitempty"`

	// command is the command and its arguments, not run in a shell.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=65536
	Command []string `json:"command,omitempty"`

	// onError says whether a run goes on when the command fails: Continue, with a
	// warning, or Fail, the default.
	// +optional
	OnError HookErrorMode `json:"onError,omitempty"`

	// timeout is how long the command may take, for example 30s, which is the
	// default. Its end ends the wait, and not the command.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="timeout must be a duration that is not negative, such as 30s"
	Timeout metav1.Duration `json:"timeout,omitzero"`
}

// RestoreHook is the commands that run in pods before anything is changed and after
// it is restored, and the init containers of restored pods.
type RestoreHook struct {
	// resources are the sets of commands. In a restored pod that one of them chooses,
	// the pod's own annotations do not count.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Resources []RestoreResourceHook `json:"resources,omitempty"`
}

// RestoreResourceHook is a set of commands and the pods that they run in.
//
// +kubebuilder:validation:XValidation:rule="(has(self.pre) && self.pre.exists(s, has(s.exec))) || (has(self.post) && self.post.exists(s, has(s.exec) || has(s.init)))",message="the set has neither a command nor init containers: name one below pre or post, or remove the set"
type RestoreResourceHook struct {
	// name is the name of this set of commands.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// includeNamespaces are the namespaces whose pods are meant. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	IncludeNamespaces []NamespaceName `json:"includeNamespaces,omitempty"`

	// excludeNamespaces are the namespaces left out. They win over includeNamespaces.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	ExcludeNamespaces []NamespaceName `json:"excludeNamespaces,omitempty"`

	// includeResources are the objects whose pods are meant. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	IncludeResources []ResourceFilter `json:"includeResources,omitempty"`

	// excludeResources are the objects left out. They win over includeResources.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	ExcludeResources []ResourceFilter `json:"excludeResources,omitempty"`

	// labelSelector selects pods by their labels. Absent means all.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// continueHookIfContainerNotFound skips a pod that has no such container,
	// where it would fail otherwise.
	// +optional
	ContinueHookIfContainerNotFound bool `json:"continueHookIfContainerNotFound,omitempty"`

	// pre are the commands that run in pods that are there already, before anything is
	// changed, each at most once.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Pre []BackupHookStep `json:"pre,omitempty"`

	// post are the commands that run in restored pods, each at least once: they must be
	// idempotent. Init containers are added to these pods before.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Post []RestoreHookStep `json:"post,omitempty"`
}

// RestoreHookStep is one command in a restored pod, or init containers of it.
type RestoreHookStep struct {
	// exec is a command in a container once that is ready.
	// +optional
	Exec *RestoreExecHook `json:"exec,omitempty"`

	// init is init containers that are added to a pod on its way back.
	// +optional
	Init *InitHook `json:"init,omitempty"`
}

// RestoreExecHook is a command in a container of a restored pod.
type RestoreExecHook struct {
	// container is the container that runs the command. Empty means the first one.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Container string `json:"container,omitempty"`

	// command is the command and its arguments, not run in a shell.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=65536
	Command []string `json:"command,omitempty"`

	// onError says whether a run goes on when the command fails: Continue, with a
	// warning, or Fail, the default.
	// +optional
	OnError HookErrorMode `json:"onError,omitempty"`

	// timeout is how long the command may take, for example 30s, which is the
	// default. Its end ends the wait, and not the command.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="timeout must be a duration that is not negative, such as 30s"
	Timeout metav1.Duration `json:"timeout,omitzero"`

	// waitTimeout is how long the container may take to be ready, for example 5m,
	// which is the default. What the init containers may take comes on top.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="waitTimeout must be a duration that is not negative, such as 5m"
	WaitTimeout metav1.Duration `json:"waitTimeout,omitzero"`
}

// InitHook is init containers that are added to a pod on its way back.
type InitHook struct {
	// initContainers is a list of containers of core/v1, which are added before the
	// pod's own init containers. They are checked when the run is accepted and not by
	// the API server: their schema here would be larger than all else.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	InitContainers JSONValue `json:"initContainers,omitzero"`

	// timeout is how long the init containers may take before commands that wait for
	// a container of the pod give up, for example 5m, which is the default.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="timeout must be a duration that is not negative, such as 30s"
	Timeout metav1.Duration `json:"timeout,omitzero"`
}
