package mover

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/datamover/repository"
)

// The exit codes of Command.
const (
	// Done says that the task is done.
	Done = 0
	// Failed says that it failed, and the result says why.
	Failed = 1
	// Usage says that the command line or a file that it names is wrong: the result says so too, if it can be written.
	Usage = 2
)

// Command is the program of a mover.
type Command struct {
	// Now is the clock.
	Now func() time.Time
	// Stdout is told how far the task is, a line of JSON at a time (Progress), and Stderr what is wrong.
	Stdout, Stderr io.Writer
}

// Progress is how far a task is.
type Progress struct {
	BytesDone int64 `json:"bytesDone"`
}

// flags are those of the command line.
type flags struct{ task, key, tls, folder, result string }

// Run carries out the task of a command line, and returns the exit code.
//
//	mover --task /etc/kahu/task.json --key /etc/kahu/key --tls /etc/kahu/tls --folder /cache --result /dev/termination-log
func (c Command) Run(ctx context.Context, args []string) int {
	given, err := c.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return Done
	}
	if err != nil {
		_, _ = fmt.Fprintln(c.Stderr, err)
		return Usage
	}
	code := Done
	result, err := c.run(ctx, given)
	if err != nil {
		_, _ = fmt.Fprintln(c.Stderr, err)
		code = Failed
		if errors.Is(err, errUsage) {
			code = Usage
		}
	}
	if err := write(given.result, result); err != nil {
		_, _ = fmt.Fprintln(c.Stderr, err)
		return Failed
	}
	return code
}

// errUsage is wrapped by what is wrong with a file that the command line names.
var errUsage = errors.New("the command line is wrong")

func (c Command) parse(args []string) (flags, error) {
	var given flags
	set := flag.NewFlagSet("mover", flag.ContinueOnError)
	set.SetOutput(c.Stderr)
	set.StringVar(&given.task, "task", "", "the `file` with the task")
	set.StringVar(&given.key, "key", "", "the `file` with the key of the repository")
	set.StringVar(&given.tls, "tls", "", "the `folder` with ca.crt, tls.crt and tls.key, for a place that is not on this machine")
	set.StringVar(&given.folder, "folder", "", "the `folder` that may be used for what is read from the repository")
	set.StringVar(&given.result, "result", "", "the `file` for the result")
	if err := set.Parse(args); err != nil {
		return given, err
	}
	for name, value := range map[string]string{"task": given.task, "key": given.key, "folder": given.folder, "result": given.result} {
		if value == "" {
			return given, fmt.Errorf("--%s is missing: %w", name, errUsage)
		}
	}
	return given, nil
}

func (c Command) run(ctx context.Context, given flags) (Result, error) {
	task, key, err := read(given)
	if err != nil {
		return Result{Error: err.Error()}, fmt.Errorf("%w: %w", errUsage, err)
	}
	connection, err := dial(task.Place, given.tls)
	if err != nil {
		return Result{Error: err.Error()}, fmt.Errorf("%w: %w", errUsage, err)
	}
	told := &teller{to: c.Stdout, now: c.Now}
	result, err := Run(ctx, task, Options{
		Store: provider.NewClient(connection), Key: key, Folder: given.folder, Progress: told.tell,
	})
	if err == nil {
		told.say(result.Bytes)
	}
	return result, errors.Join(err, connection.Close())
}

// read reads the files that the command line names.
func read(given flags) (task Task, key repository.Key, err error) {
	text, err := os.ReadFile(given.task)
	if err != nil {
		return task, key, err
	}
	if task, err = ReadTask(text); err != nil {
		return task, key, err
	}
	secret, err := os.ReadFile(given.key)
	if err != nil {
		return task, key, err
	}
	key, err = repository.ParseKey(strings.TrimSpace(string(secret)))
	return task, key, err
}

// dial prepares a connection to the store of a place.
func dial(place Place, folder string) (*grpc.ClientConn, error) {
	if folder == "" {
		return provider.Dial(place.Address)
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	own, err := tls.LoadX509KeyPair(in("tls.crt"), in("tls.key"))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	trusted, err := os.ReadFile(in("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the certificates that are trusted: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(trusted) {
		return nil, fmt.Errorf("%s has no certificate", in("ca.crt"))
	}
	return provider.Dial(place.Address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, RootCAs: pool, ServerName: place.ServerName,
	})))
}

// write writes the result where the cluster keeps it.
func write(file string, result Result) error {
	text, err := result.Encode()
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	const readable = 0o644
	if err := os.WriteFile(file, text, readable); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// teller says how far a task is, not too often.
type teller struct {
	to  io.Writer
	now func() time.Time

	mutex sync.Mutex
	last  time.Time
}

// tellEvery is how often it does.
const tellEvery = time.Second

func (t *teller) tell(done int64) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	now := t.now()
	if now.Sub(t.last) < tellEvery {
		return
	}
	t.last = now
	t.say(done)
}

// say tells how far the task is.
func (t *teller) say(done int64) {
	if text, err := json.Marshal(Progress{BytesDone: done}); err == nil {
		_, _ = fmt.Fprintln(t.to, string(text)) // Who does not hear it asks for the result in the end.
	}
}
