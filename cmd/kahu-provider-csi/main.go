// Command kahu-provider-csi serves the CSI provider on a unix socket.
//
//	kahu-provider-csi --endpoint unix:///run/kahu/csi.sock
//
// Its storage is behind the API server of the cluster in which it runs, or that of a kubeconfig. The process ends in good
// order on SIGINT and SIGTERM: it takes no new calls, and gives those under way ten seconds. The exit code is 0 then, 1
// after a failure, and 2 when the command line is wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/command"
	"github.com/soda-cdm/kahu/providers/csi"
)

// version is set when the program is linked.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := driver().Run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

const maxPatience = time.Hour

func driver() command.Command {
	var (
		kubeconfig string
		patience   time.Duration
	)
	return command.Command{
		Name: "kahu-provider-csi", Version: version, Driver: csi.DefaultName,
		Flags: func(flags *flag.FlagSet) {
			flags.StringVar(&kubeconfig, "kubeconfig", "", "the `file` that says where the cluster is, if it is not this one")
			flags.DurationVar(&patience, "patience", csi.DefaultPatience,
				"how long a snapshot may take to be deleted before the call is to be repeated, from 1s to 1h")
		},
		Check: func() error {
			if patience < time.Second || patience > maxPatience {
				return fmt.Errorf("--patience %s is not from 1s to 1h", patience)
			}
			return nil
		},
		Open: func(_ context.Context, settings command.Settings) (provider.Identity, error) {
			client, err := connect(kubeconfig)
			if err != nil {
				return nil, err
			}
			return csi.New(csi.Options{Name: settings.Name, Version: settings.Version, Client: client, Patience: patience}), nil
		},
	}
}

// connect returns a client of a cluster: without a kubeconfig, of the one in which the process runs.
func connect(kubeconfig string) (*dynamic.DynamicClient, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	config.QPS = -1 // The API server knows how much it can take.
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return client, nil
}
