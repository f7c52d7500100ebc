package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BackupHooks is what is on record of the commands that run in pods around the cut
// of the volumes. It is written before the first of them runs.
type BackupHooks struct {
	// attempt is the attempt whose commands these are. No other one runs the commands
	// before; any that finds those after not done runs them.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Attempt string `json:"attempt,omitempty"`

	// startTimestamp is when the commands before began.
	// +optional
	// +nullable
	StartTimestamp *metav1.Time `json:"startTimestamp,omitempty"`

	// deadline is until when the volumes had to be cut.
	// +optional
	// +nullable
	Deadline *metav1.Time `json:"deadline,omitempty"`

	// completionTimestamp is when every command after had run. Absent: they are owed.
	// +optional
	// +nullable
	CompletionTimestamp *metav1.Time `json:"completionTimestamp,omitempty"`

	// quiescedMilliseconds is the time from the beginning of the first command before
	// to the end of the last command after.
	// +optional
	// +kubebuilder:validation:Minimum=0
	QuiescedMilliseconds int64 `json:"quiescedMilliseconds,omitempty"`

	// cutStartTimestamp is when every command before had run, and volumes began to be
	// cut.
	// +optional
	// +nullable
	CutStartTimestamp *metav1.MicroTime `json:"cutStartTimestamp,omitempty"`

	// cutCompletionTimestamp is when the cut was over, whatever came of it, and before
	// the commands after began. No volume is cut any more then. Absent: nobody knows
	// which were.
	// +optional
	// +nullable
	CutCompletionTimestamp *metav1.MicroTime `json:"cutCompletionTimestamp,omitempty"`

	// volumesCut says that every volume that was to be cut was cut between the two:
	// uncut is 0. It is true where none was to be cut, and says nothing of claims whose
	// data is missing for another reason, such as that there is no provider for it.
	// +optional
	VolumesCut bool `json:"volumesCut,omitempty"`

	// uncut is the number of volumes that were to be cut, and were not.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Uncut int64 `json:"uncut,omitempty"`

	// uncutVolumes names these, at most 100.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	UncutVolumes []UncutVolume `json:"uncutVolumes,omitempty"`

	// pods is the number of pods in which commands were to run.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pods int64 `json:"pods,omitempty"`

	// commands is the number of commands that were run.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Commands int64 `json:"commands,omitempty"`

	// failedCommands is the number of commands, of these, that failed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailedCommands int64 `json:"failedCommands,omitempty"`

	// owed is what each pod was promised to run after the cut, as it was before
	// anything ran in it, of at most 100 pods. It is gone when it has run; that of pods
	// that may still be held still stays.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Owed []OwedHook `json:"owed,omitempty"`

	// containers are what came of the commands in each container, at most 100. The
	// report at the location has every command, and what it wrote.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Containers []HookContainer `json:"containers,omitempty"`
}

// OwedHook is what a pod was promised to run after the cut.
type OwedHook struct {
	// namespace is the namespace of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// pod is the name of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Pod string `json:"pod,omitempty"`

	// podUID is the UID of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	PodUID string `json:"podUID,omitempty"`

	// sets are the sets of commands that chose the pod, such as
	// spec.hook.resources[0].
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=64
	Sets []string `json:"sets,omitempty"`

	// exec is the command that the annotations of the pod asked for.
	// +optional
	Exec *ExecHook `json:"exec,omitempty"`

	// digest is that of such a command with more than 2048 bytes, which is not
	// recorded.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}

// UncutVolume is a volume that was not cut while applications held still.
type UncutVolume struct {
	// namespace is the namespace of the claim.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the claim.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// message says why.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// HookContainer is what came of the commands in one container.
type HookContainer struct {
	// namespace is the namespace of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// pod is the name of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Pod string `json:"pod,omitempty"`

	// podUID is the UID of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	PodUID string `json:"podUID,omitempty"`

	// container is the name of the container.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Container string `json:"container,omitempty"`

	// pre is what came of the commands before: Completed, or why one of them failed.
	// Empty: there are none, or nobody knows.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Pre string `json:"pre,omitempty"`

	// post is what came of the commands after.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Post string `json:"post,omitempty"`

	// message says what went wrong. What a command wrote is never in it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// RestoreHooks is what is on record of the hooks of a restore.
type RestoreHooks struct {
	// digest is that of spec.hook as it was when the run was accepted: a run whose
	// spec.hook is another one since fails.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest,omitempty"`

	// attempt is the attempt that ran the commands before. It is written before the
	// first of them runs, and no other attempt runs any.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Attempt string `json:"attempt,omitempty"`

	// startTimestamp is when the first commands began.
	// +optional
	// +nullable
	StartTimestamp *metav1.Time `json:"startTimestamp,omitempty"`

	// preTimestamp is when every command before had run. Absent where attempt is
	// there: nobody knows which of them ran.
	// +optional
	// +nullable
	PreTimestamp *metav1.Time `json:"preTimestamp,omitempty"`

	// completionTimestamp is when every command after had run, or had been given up.
	// +optional
	// +nullable
	CompletionTimestamp *metav1.Time `json:"completionTimestamp,omitempty"`

	// pods is the number of pods in which commands were to run.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pods int64 `json:"pods,omitempty"`

	// commands is the number of commands that were run.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Commands int64 `json:"commands,omitempty"`

	// failedCommands is the number of commands that failed, or could not be run.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailedCommands int64 `json:"failedCommands,omitempty"`

	// containers are what came of the commands in each container, at most 100. The
	// report at the location has every command, and what it wrote.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Containers []HookContainer `json:"containers,omitempty"`
}
