package hook

import (
	"cmp"
	"fmt"
	"strings"
)

// PodStatus is what is read of the status of a pod.
type PodStatus struct {
	Phase          string            `json:"phase"`
	Message        string            `json:"message"`
	Conditions     []podCondition    `json:"conditions"`
	InitContainers []ContainerStatus `json:"initContainerStatuses"`
	Containers     []ContainerStatus `json:"containerStatuses"`
}

type podCondition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// ContainerStatus is what is read of the status of a container.
type ContainerStatus struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	State struct {
		Running    *struct{}  `json:"running"`
		Waiting    *condition `json:"waiting"`
		Terminated *condition `json:"terminated"`
	} `json:"state"`
	LastState struct {
		Terminated *condition `json:"terminated"`
	} `json:"lastState"`
}

// condition is why a container waits, or how it ended.
type condition struct {
	Reason   string `json:"reason"`
	Message  string `json:"message"`
	ExitCode int    `json:"exitCode"`
}

// maxObstacle bounds what others say, in bytes.
const maxObstacle = 400

// Obstacle says what keeps the containers of a pod from being ready; empty where nothing does.
func (s *PodStatus) Obstacle() string {
	for _, condition := range s.Conditions {
		if condition.Type == "PodScheduled" && condition.Status == "False" {
			return "no node has taken it: " + said(condition.Reason, condition.Message)
		}
	}
	if s.Phase != "Running" && len(s.InitContainers)+len(s.Containers) == 0 {
		return said("no node has begun it yet", s.Message)
	}
	// An init container that is ready has ended well, or goes on beside the others.
	return cmp.Or(first("init container ", s.InitContainers), first("container ", s.Containers))
}

// first says what the first of the containers does that are not ready.
func first(word string, containers []ContainerStatus) string {
	for i := range containers {
		if why := containers[i].obstacle(); !containers[i].Ready && why != "" {
			return word + containers[i].Name + " " + why
		}
	}
	return ""
}

// obstacle says what a container that is not ready does.
func (s *ContainerStatus) obstacle() string {
	switch {
	case s.State.Waiting != nil:
		why := "waits: " + said(s.State.Waiting.Reason, s.State.Waiting.Message)
		if last := s.LastState.Terminated; last != nil {
			why += fmt.Sprintf("; it ended before with code %d", last.ExitCode)
		}
		return why
	case s.State.Terminated != nil:
		return fmt.Sprintf("has ended with code %d: %s", s.State.Terminated.ExitCode, said(s.State.Terminated.Reason, s.State.Terminated.Message))
	case s.State.Running != nil:
		return "runs and is not ready"
	}
	return ""
}

// said joins a reason and a message of others.
func said(reason, message string) string {
	text := reason
	if message != "" {
		text += ": " + message
	}
	if len(text) > maxObstacle {
		text = strings.ToValidUTF8(text[:maxObstacle], "") + "..."
	}
	return text
}
