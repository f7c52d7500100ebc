package hook_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	corehook "github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/hook"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// nodes is the environment variable that gives the cluster a node, which takes root: make e2e sets it.
const nodes = "KAHU_NODES"

func TestMain(m *testing.M) {
	var options []testcluster.Option
	if os.Getenv(nodes) != "" { //nolint:forbidigo // A test binary has no flags of its own.
		options = append(options, testcluster.Nodes(1))
	}
	os.Exit(testcluster.Main(m, options...)) //nolint:forbidigo // The exit code is that of Main.
}

const waitLimit = 2 * time.Minute

// running makes a pod, and returns it when it runs.
func running(t *testing.T, client kubernetes.Interface, namespace, name string) corehook.Pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	container := func(name string, arguments ...string) corev1.Container {
		return corev1.Container{Name: name, Image: "kahu.local/workload:1", Args: arguments}
	}
	pod, err := client.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(0)), AutomountServiceAccountToken: new(false), RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{container("main", "serve"), container("over", "checksum", "/devcluster-workload")},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	watched, err := client.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: pod.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer watched.Stop()
	for event := range watched.ResultChan() {
		found, is := event.Object.(*corev1.Pod)
		if is && len(found.Status.ContainerStatuses) == 2 && found.Status.ContainerStatuses[0].State.Running != nil && found.Status.ContainerStatuses[1].State.Terminated != nil {
			return corehook.Pod{Namespace: namespace, Name: name, UID: pod.UID}
		}
	}
	t.Fatal("the pod does not run")
	return corehook.Pod{}
}

// TestHooksRunCommands: each end of a command in a real container is told apart.
func TestHooksRunCommands(t *testing.T) {
	if os.Getenv(nodes) == "" { //nolint:forbidigo // A test binary has no flags of its own.
		t.Skip("it takes a node, on which pods run: see make e2e")
	}
	client, err := kubernetes.NewForConfig(testcluster.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	runner, err := hook.New(testcluster.Config(t), clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := testcluster.Namespace(t)
	pod := running(t, client, namespace, "db")
	other := pod
	other.UID = "another"
	missing := pod
	missing.Name = "missing"
	const program = "/devcluster-workload"
	cases := map[string]struct {
		pod     corehook.Pod
		command corehook.Command
		want    string
		says    string
		writes  string
		atMost  time.Duration
	}{
		"it is done":          {pod, corehook.Command{Words: []string{program, "append", "-", "written"}}, corehook.Completed, "", "written", 0},
		"an exit code":        {pod, corehook.Command{Words: []string{program, "checksum", "/nowhere"}}, corehook.CommandFailed, "exit code 1", "/nowhere", 0},
		"no such program":     {pod, corehook.Command{Words: []string{"/bin/missing"}}, corehook.CommandFailed, "/bin/missing", "", 0},
		"it does not end":     {pod, corehook.Command{Words: []string{program, "sleep"}, Timeout: time.Second}, corehook.TimedOut, "1s", "", 5 * time.Second},
		"no such container":   {pod, corehook.Command{Words: []string{program}, Container: "cache"}, corehook.ContainerNotFound, `"cache"`, "", 0},
		"a container is over": {pod, corehook.Command{Words: []string{program}, Container: "over"}, corehook.ContainerNotRunning, `"over"`, "", 0},
		"no such pod":         {missing, corehook.Command{Words: []string{program}}, corehook.PodGone, "gone", "", 0},
		"another pod":         {other, corehook.Command{Words: []string{program}}, corehook.PodGone, "another", "", 0},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if test.command.Timeout == 0 {
				test.command.Timeout = waitLimit
			}
			got := runner.Run(t.Context(), test.pod, test.command)
			if got.Outcome != test.want || !strings.Contains(got.Message, test.says) || !strings.Contains(got.Output, test.writes) {
				t.Errorf("it is %+v", got)
			}
			if took := got.Ended.Sub(got.Began); test.atMost > 0 && took > test.atMost {
				t.Errorf("the wait ended after %s", took)
			}
		})
	}
	t.Run("a pod that goes away", func(t *testing.T) {
		going := running(t, client, namespace, "going")
		ended := make(chan corehook.Result)
		go func() {
			ended <- runner.Run(t.Context(), going, corehook.Command{Words: []string{program, "sleep"}, Timeout: waitLimit})
		}()
		if err := client.CoreV1().Pods(namespace).Delete(t.Context(), going.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := <-ended; got.Outcome != corehook.PodGone {
			t.Errorf("it is %+v", got)
		}
	})
}
