// Package component holds the programs that are compiled into the binary.
// It is the only package that imports Kubernetes and etcd themselves: all the
// others see a component as a process with arguments.
package component

import (
	"context"
	"os"
	_ "time/tzdata" // the time zones of CronJobs, on machines without zoneinfo

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the login methods of kubectl
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // version metric
	"k8s.io/component-base/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Main is the main function of a component: it takes the arguments of its
// process, its name first, and gives the exit code.
type Main func(args []string) int

// Lookup finds the component of a name: the name of its upstream binary.
func Lookup(name string) (Main, bool) {
	switch name {
	case "etcd":
		return etcd, true
	case "kube-apiserver":
		return command(apiserver.NewAPIServerCommand), true
	case "kube-controller-manager":
		return command(controllermanager.NewControllerManagerCommand), true
	case "kube-scheduler":
		return command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }), true
	case "kubelet":
		return command(func() *cobra.Command {
			return kubelet.NewKubeletCommand(context.Background()) //nolint:forbidigo // it is the main of the kubelet, which handles the signals itself
		}), true
	case "kube-proxy":
		return command(proxy.NewProxyCommand), true
	case "kubectl":
		return kubectl, true
	}
	return nil, false
}

// Version is the version of Kubernetes that was compiled in, like v1.36.3.
func Version() string {
	return version.Get().GitVersion
}

// command builds a component's command only when it is run: building one
// registers its feature gates and metrics in the globals of Kubernetes.
func command(build func() *cobra.Command) Main {
	return func(args []string) int {
		root := build()
		root.SetArgs(args[1:])
		return cli.Run(root)
	}
}

func etcd(args []string) int {
	etcdmain.Main(args)
	return 0
}

// kubectl reads os.Args itself, so it is given as the process has it.
func kubectl([]string) int {
	// The verbosity counts from the first plug-in lookup, which is before the flags are parsed.
	if _, err := logs.GlogSetter(cmd.GetLogVerbosity(os.Args)); err != nil {
		return 1
	}
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err) // prints it the way kubectl does, and exits
	}
	return 0
}
