// Command kahu-provider-nfs serves the NFS driver on a unix socket.
//
//	kahu-provider-nfs --endpoint unix:///run/kahu/nfs.sock
//
// Which server and export, and as whom, comes with each call from the backup location. Nothing is mounted. The process
// ends in good order on SIGINT and SIGTERM: it takes no new calls, and gives those under way ten seconds. The exit code
// is 0 then, 1 after a failure, and 2 when the command line is wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/command"
	"github.com/soda-cdm/kahu/providers/nfs"
)

// version is set when the program is linked.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := driver().Run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

const (
	defaultPatience = 30 * time.Second
	maxPatience     = time.Hour
)

func driver() command.Command {
	var (
		patience time.Duration
		reserved bool
	)
	return command.Command{
		Name: "kahu-provider-nfs", Version: version, Driver: nfs.DefaultName,
		Flags: func(flags *flag.FlagSet) {
			flags.DurationVar(&patience, "patience", defaultPatience,
				"how long to go on trying where a server does not answer, from 1s to 1h")
			flags.BoolVar(&reserved, "reserved-ports", false,
				"connect from ports below 1024, for servers that ask for it; the process needs the right to (CAP_NET_BIND_SERVICE)")
		},
		Check: func() error {
			if patience < time.Second || patience > maxPatience {
				return fmt.Errorf("--patience %s is not from 1s to 1h", patience)
			}
			return nil
		},
		Open: func(_ context.Context, settings command.Settings) (provider.Identity, error) {
			return nfs.New(nfs.Options{
				Name: settings.Name, Version: settings.Version, Patience: patience, ReservedPorts: reserved,
			}), nil
		},
	}
}
