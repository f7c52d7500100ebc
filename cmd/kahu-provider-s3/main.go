// Command kahu-provider-s3 serves the S3 driver on a unix socket.
//
//	kahu-provider-s3 --endpoint unix:///run/kahu/s3.sock
//
// Where the buckets are, and the credentials, come with each call from the backup location. The process ends in good
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

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/command"
	"github.com/soda-cdm/kahu/providers/s3"
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
	defaultPartMiB = 16
	minPartMiB     = 5
	maxPartMiB     = 1024
)

func driver() command.Command {
	var (
		partMiB   int
		tokenFile string
		ambient   bool
	)
	return command.Command{
		Name: "kahu-provider-s3", Version: version, Driver: s3.DefaultName,
		Flags: func(flags *flag.FlagSet) {
			flags.IntVar(&partMiB, "part-size-mib", defaultPartMiB, "the length of a part in MiB, from 5; each upload holds one in memory")
			flags.StringVar(&tokenFile, "web-identity-token-file", os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"),
				"the `file` with the token for locations that name a role")
			flags.BoolVar(&ambient, "ambient-credentials", false,
				"let locations without credentials use those of this process: environment, service account or instance role")
		},
		Check: func() error {
			if partMiB < minPartMiB || partMiB > maxPartMiB {
				return fmt.Errorf("--part-size-mib %d is not from %d to %d", partMiB, minPartMiB, maxPartMiB)
			}
			return nil
		},
		Open: func(_ context.Context, settings command.Settings) (provider.Identity, error) {
			return s3.New(s3.Options{
				Name: settings.Name, Version: settings.Version, Now: time.Now, PartBytes: partMiB << 20,
				WebIdentityTokenFile: tokenFile, Ambient: ambient,
			}), nil
		},
	}
}
