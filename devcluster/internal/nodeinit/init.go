// Package nodeinit is the first process of a node.
//
// It is started with namespaces of its own for processes, mounts and names, in
// the node's network namespace. It makes the node's file system, starts
// containerd, imports the images, starts the kubelet and kube-proxy, and takes
// the processes that lost their parents. When it ends, for whatever reason, the
// kernel ends all other processes of the node and with them its mounts: so no
// pod outlives its node, and no node its supervisor.
package nodeinit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/node"
)

// Limits of the single steps; the supervisor bounds the whole.
const (
	socketLimit = 60 * time.Second
	importLimit = 60 * time.Second
)

// Main runs a node until the context ends, and gives the exit code: 0, or 1
// when something failed or one of the node's programs has ended.
func Main(ctx context.Context, arguments []string, stderr io.Writer) int {
	flags := flag.NewFlagSet(node.Program, flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "", "file of the node's configuration")
	if err := flags.Parse(arguments); err != nil {
		return 1
	}
	config, err := node.ReadConfig(*path)
	if err == nil {
		err = run(ctx, config)
	}
	if err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", node.Program, err)
		return 1
	}
	return 0
}

func run(ctx context.Context, config node.Config) error {
	if os.Getpid() != 1 {
		return errors.New("it is not the first process of a namespace: use devcluster up --node")
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	family := newFamily(config, fail)
	if err := family.openLogs(); err != nil { // as the folder will be out of sight
		return err
	}
	files, err := contents(config)
	if err != nil {
		return err
	}
	if err := enter(config, files); err != nil {
		return fmt.Errorf("making the node's file system: %w", err)
	}
	if err := unix.Sethostname([]byte(config.Name)); err != nil {
		return fmt.Errorf("naming the node: %w", err)
	}
	family.adopt(ctx)
	if err := family.bringUp(ctx); err != nil {
		return errors.Join(err, family.end(ctx))
	}
	<-ctx.Done()
	return family.end(ctx)
}

// contents gives the files of the node with what they hold.
func contents(config node.Config) (map[string]string, error) {
	files, err := config.Files()
	if err != nil {
		return nil, err
	}
	result := make(map[string]string, len(files))
	for path, file := range files {
		result[path] = file.Content
		if file.Key == "" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(config.Keys, file.Key))
		if err != nil {
			return nil, fmt.Errorf("reading a key of the node: %w", err)
		}
		result[path] = string(content)
	}
	return result, nil
}

// bringUp starts the programs in their order.
func (f *family) bringUp(ctx context.Context) error {
	if err := f.start(f.config.Containerd()); err != nil {
		return err
	}
	if err := untilListening(ctx, clock.RealClock{}, node.Socket); err != nil {
		return err
	}
	if err := f.importImages(ctx); err != nil {
		return err
	}
	for _, daemon := range f.config.Daemons() {
		if err := f.start(daemon); err != nil {
			return err
		}
	}
	return nil
}

func (f *family) importImages(ctx context.Context) error {
	entries, err := os.ReadDir(node.ImageFolder)
	if err != nil {
		return fmt.Errorf("listing images: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".tar") {
			continue
		}
		out, err := f.output(ctx, "ctr", node.Import(node.Socket, node.Archive(entry.Name()))...)
		if err != nil {
			return fmt.Errorf("importing %s: %w: %s", entry.Name(), err, out)
		}
	}
	return nil
}
