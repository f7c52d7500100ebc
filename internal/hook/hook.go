// Package hook runs commands in containers of running pods: the adapter to the exec of the API server.
//
// Nothing is tried twice: an answer that does not come may be that of a command that runs. The deadline of a command ends the
// wait for it and not the command, which Kubernetes has no way to end.
package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core/hook"
)

// lookTime bounds the look at a pod before a command.
const lookTime = 10 * time.Second

// Runner runs commands. It can be used by several goroutines at once.
type Runner struct {
	config *rest.Config
	pods   corev1client.PodsGetter
	rest   rest.Interface
	clock  clock.PassiveClock
}

// New returns a Runner for the cluster that config reaches. It sends nothing yet.
func New(config *rest.Config, passive clock.PassiveClock) (*Runner, error) {
	config = rest.CopyConfig(config)
	config.Timeout = 0
	made, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("preparing connections to pods: %w", err)
	}
	return &Runner{config: config, pods: made, rest: made.RESTClient(), clock: passive}, nil
}

// Run runs a command in a pod of that name and UID, and returns when it has ended, or when its time or the context is over.
func (r *Runner) Run(ctx context.Context, pod hook.Pod, command hook.Command) hook.Result {
	result := hook.Result{Container: command.Container, Began: r.clock.Now()}
	ctx, cancel := context.WithTimeout(ctx, command.Timeout)
	defer cancel()
	found, outcome, err := r.find(ctx, pod, &result, command.Container)
	if err != nil {
		result.Outcome, result.Message, result.Ended = outcome, err.Error(), r.clock.Now()
		return result
	}
	output := &Output{}
	err = r.exec(ctx, found, result.Container, command.Words, output)
	result.Ended = r.clock.Now()
	result.Output = output.String()
	result.Outcome, result.Message = r.judge(ctx, found, command, err)
	return result
}

// find returns the pod and sets the container, if both run.
func (r *Runner) find(ctx context.Context, pod hook.Pod, result *hook.Result, container string) (*corev1.Pod, string, error) {
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := r.pods.Pods(pod.Namespace).Get(looking, pod.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, hook.PodGone, errGone
	case err != nil:
		return nil, hook.Unreachable, fmt.Errorf("reading the pod: %w", err)
	case found.UID != pod.UID:
		return nil, hook.PodGone, errOther
	case found.Status.Phase != corev1.PodRunning:
		return nil, hook.PodNotRunning, fmt.Errorf("the pod is %s", found.Status.Phase)
	}
	if container == "" && len(found.Spec.Containers) > 0 {
		container = found.Spec.Containers[0].Name
	}
	result.Container = container
	statuses := slices.Concat(found.Status.ContainerStatuses, found.Status.InitContainerStatuses, found.Status.EphemeralContainerStatuses)
	at := slices.IndexFunc(statuses, func(status corev1.ContainerStatus) bool { return status.Name == container })
	switch {
	case at < 0:
		return nil, hook.ContainerNotFound, fmt.Errorf("the pod has no container %q", container)
	case statuses[at].State.Running == nil:
		return nil, hook.ContainerNotRunning, fmt.Errorf("container %q does not run", container)
	}
	return found, "", nil
}

// The words for a pod that is not there.
var (
	errGone  = errors.New("the pod is gone")
	errOther = errors.New("the pod is gone: another one has its name")
)

// exec runs the words in a container, over a WebSocket, or over SPDY where something between here and the API server does not
// know these: then nothing has begun.
func (r *Runner) exec(ctx context.Context, pod *corev1.Pod, container string, words []string, output *Output) error {
	target := r.rest.Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: words, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	executor, err := r.executor(target)
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: output, Stderr: output})
}

func (r *Runner) executor(target *url.URL) (remotecommand.Executor, error) {
	overSPDY, err := remotecommand.NewSPDYExecutor(r.config, http.MethodPost, target)
	if err != nil {
		return nil, err
	}
	overWebSocket, err := remotecommand.NewWebSocketExecutor(r.config, http.MethodGet, target.String())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(overWebSocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// judge returns the outcome of a command that was sent.
func (r *Runner) judge(ctx context.Context, pod *corev1.Pod, command hook.Command, err error) (outcome, message string) {
	var ended exec.ExitError
	switch {
	case err == nil:
		return hook.Completed, ""
	case errors.As(err, &ended) && ended.Exited():
		return hook.CommandFailed, fmt.Sprintf("%s ended with exit code %d", command.Words[0], ended.ExitStatus())
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return hook.TimedOut, fmt.Sprintf("%s did not end within %s; it may still go on in the container", command.Words[0], command.Timeout)
	case ctx.Err() != nil:
		return hook.Unreachable, "the run was ended while the command ran"
	}
	if r.isGone(ctx, pod) {
		return hook.PodGone, "the pod went away while the command ran"
	}
	if isAnswer(err) {
		return hook.CommandFailed, fmt.Sprintf("%s could not be run: %v", command.Words[0], err)
	}
	return hook.Unreachable, "nobody knows whether it ran: " + err.Error()
}

// isAnswer tells whether an error is what the node said of the command, which comes as words alone. One of the connection is
// of a type of its own, or wraps one that is.
func isAnswer(err error) bool {
	_, ofNet := errors.AsType[net.Error](err)
	return !ofNet && errors.Unwrap(err) == nil && !httpstream.IsUpgradeFailure(err) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// isGone tells whether a pod is not there any more.
func (r *Runner) isGone(ctx context.Context, pod *corev1.Pod) bool {
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := r.pods.Pods(pod.Namespace).Get(looking, pod.Name, metav1.GetOptions{})
	return apierrors.IsNotFound(err) || err == nil && (found.UID != pod.UID || found.DeletionTimestamp != nil || found.Status.Phase != corev1.PodRunning)
}
