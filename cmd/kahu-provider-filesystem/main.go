// Command kahu-provider-filesystem serves the filesystem driver on a unix socket.
//
//	kahu-provider-filesystem --root /backups --endpoint unix:///run/kahu/filesystem.sock
//
// The root must be there; everything is stored below it. The process ends in good order on SIGINT and SIGTERM: it takes
// no new calls, and gives those under way ten seconds. The exit code is 0 then, 1 after a failure, and 2 when the
// command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/command"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// version is set when the program is linked.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := driver().Run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

func driver() command.Command {
	var root string
	return command.Command{
		Name: "kahu-provider-filesystem", Version: version, Driver: filesystem.DefaultName,
		Flags: func(flags *flag.FlagSet) {
			flags.StringVar(&root, "root", "", "the `folder` below which everything is stored; it must be there")
		},
		Check: func() (err error) {
			if root == "" {
				return errors.New("--root is missing")
			}
			// A relative root would silently mean another folder after a change of the working directory.
			root, err = filepath.Abs(root)
			return err
		},
		Open: func(ctx context.Context, settings command.Settings) (provider.Identity, error) {
			store := filesystem.New(filesystem.Options{
				Root: root, Name: settings.Name, Version: settings.Version, Now: time.Now,
			})
			if _, err := store.Probe(ctx); err != nil {
				// Not a reason to end: a share may be mounted later, and every call looks for itself.
				settings.Logger.Warn("root cannot be used yet", "root", root, "reason", err.Error())
			}
			return store, nil
		},
	}
}
