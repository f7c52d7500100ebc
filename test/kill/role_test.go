package kill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr/funcr"
	"google.golang.org/grpc"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/soda-cdm/kahu/internal/controller"
	"github.com/soda-cdm/kahu/internal/manager"
	providerv1 "github.com/soda-cdm/kahu/provider/v1"
)

// moment is when a manager ends or stops: before or after a call.
type moment string

const (
	before moment = "before"
	after  moment = "after"
)

// role is a manager that ends, or stops, at one of its calls.
type role struct {
	Kubeconfig string `json:"kubeconfig"`
	PKI        string `json:"pki"`
	Folder     string `json:"folder"`
	// Name is in the names of the files that this process writes into the folder.
	Name string `json:"name"`
	// Arm is a file: calls are counted from the moment when it is there.
	Arm string `json:"arm"`
	// Run is the name of the run, which is left out of the names of calls.
	Run string `json:"run"`
	// Points are where it ends: at the first of them that it comes to.
	Points []point `json:"points"`
	// At is the number of a call at which it ends, too, from 1; 0 for none. When is on which side of it: calls that are made
	// at the same time are counted as they begin, or as they are answered.
	At   int    `json:"at"`
	When moment `json:"when"`
	// Match, if it is set, is what the names of the calls have that are counted.
	Match string `json:"match"`
	// Stop has the process stopped and not killed.
	Stop bool `json:"stop"`
	// Victim, if it is set, is another process that is killed in place of this one.
	Victim int `json:"victim"`
	// Elect has it take part in leader election.
	Elect bool `json:"elect"`
	// Careful has it write a checkpoint after every kind.
	Careful bool `json:"careful"`
	// Late takes guards out: a file that is on its way comes, however late and whoever has ended its run, and the process
	// stops when all of it but its end is sent.
	Late bool `json:"late"`
	// Overwrite takes another one out: files are written over where they should be created.
	Overwrite bool `json:"overwrite"`
	// Anonymous takes a guard of restores out: what they create does not say by which restore it was made.
	Anonymous bool `json:"anonymous"`
	// Disorder takes a guard of deletions out: the manifest is not removed before all else.
	Disorder bool `json:"disorder"`
}

// The times of a manager in these tests. A run waits for the fence where a manager was stopped.
const (
	leaseDuration = 2 * time.Second
	fence         = 4 * time.Second
)

// run is the manager.
func (r role) run() error {
	log := r.open("log")
	logger := funcr.New(func(prefix, args string) { fmt.Fprintln(log, prefix, args) }, funcr.Options{LogTimestamp: true})
	ctrl.SetLogger(logger)
	config, err := clientcmd.BuildConfigFromFlags("", r.Kubeconfig)
	if err != nil {
		return err
	}
	calls := &calls{role: r, audit: r.open("audit"), times: map[string]int{}, removed: map[string]int{}}
	stream, unary := calls.interceptors()
	return manager.Run(ctrl.SetupSignalHandler(), config, manager.Options{
		Version: "test", Namespace: kahuNamespace, PKI: r.PKI, HealthAddress: "0", MetricsAddress: "0",
		LeaderElection: r.Elect, LeaseDuration: leaseDuration, RenewDeadline: 3 * leaseDuration / 4, RetryPeriod: leaseDuration / 10,
		Runs: 2, RunsPerLocation: 2, LocationEvery: time.Minute, Patience: 20 * time.Second, KeepAnswers: time.Minute,
	}, manager.Hooks{
		Transport: func(next http.RoundTripper) http.RoundTripper { return &transport{calls: calls, next: next} },
		Dial:      []grpc.DialOption{grpc.WithChainStreamInterceptor(stream), grpc.WithChainUnaryInterceptor(unary)},
		Options: func(options *controller.Options) {
			options.CheckpointEvery = time.Nanosecond
			if r.Careful {
				options.CheckpointEvery = -1
			}
			options.Fence = fence
			if r.Late {
				options.Fence = 2 * time.Hour
			}
		},
	})
}

func (r role) open(kind string) *os.File {
	file, err := os.OpenFile(filepath.Join(r.Folder, kind+"-"+r.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	return file
}

// calls counts the calls that change something.
type calls struct {
	role

	mu      sync.Mutex
	count   int            // of those that began
	answers int            // of those that came back
	times   map[string]int // of each call, by its name
	audit   io.Writer
	// removed is how often each manifest was to be removed.
	removed map[string]int
}

// entry is a line of the audit of a process: a call and what came of it.
type entry struct {
	Number int    `json:"number"`
	What   string `json:"what"`
	// Call is the name that the call has in every run: see point.
	Call string `json:"call,omitempty"`
	// Object is the name of an object that was created.
	Object string `json:"object,omitempty"`
	// Lists tells that it reads the objects of a kind, and changes nothing.
	Lists bool `json:"lists,omitempty"`
	// Reads tells that it reads one object of a kind that is not Kahu's own, and changes nothing.
	Reads bool `json:"reads,omitempty"`
}

// enter is told of a call that begins. It has no number where it does not count.
func (c *calls) enter(what string) entry {
	begun := entry{What: what}
	if _, err := os.Stat(c.Arm); err != nil || !strings.Contains(what, c.Match) {
		return begun
	}
	name := nameOf(what, c.Run)
	c.mu.Lock()
	c.count++
	c.times[name]++
	begun.Number, begun.Call = c.count, fmt.Sprintf("%s #%d", name, c.times[name])
	c.mu.Unlock()
	c.write(begun)
	return begun
}

// leave is told of a call after it was made.
func (c *calls) leave(made entry) {
	c.write(made)
	if made.Number > 0 {
		c.mu.Lock()
		c.answers++
		made.Number = c.answers
		c.mu.Unlock()
	}
	c.end(made, after)
}

func (c *calls) write(line entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := json.NewEncoder(c.audit).Encode(line); err != nil {
		panic(err)
	}
}

// atPoint is what the name of the file begins with in which a process tells to which of its points it came.
const atPoint = "point"

// end ends the process at its point.
func (c *calls) end(made entry, when moment) {
	at := point{Call: made.Call, When: when}
	c.mu.Lock() // And for ever where it is killed: nothing else goes on then.
	if made.Number == 0 || !slices.Contains(c.Points, at) && (made.Number != c.At || when != c.When) {
		c.mu.Unlock()
		return
	}
	c.Points, c.At = nil, 0
	if c.Victim != 0 {
		c.mu.Unlock()
		killOther(c.Victim)
		return
	}
	file := c.open(atPoint)
	if err := errors.Join(json.NewEncoder(file).Encode(at), file.Close()); err != nil {
		panic(err)
	}
	if !c.Stop {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	c.mu.Unlock()
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	// The signal may come a little later than the call returns: nothing is done before.
	for deadline := time.Now().Add(100 * time.Millisecond); time.Now().Before(deadline); { //nolint:forbidigo // A real process.
	}
}

// killOther kills a process, and returns when it is dead.
func killOther(pid int) {
	_ = syscall.Kill(pid, syscall.SIGKILL)                                      // It fails where the process has ended.
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); { //nolint:forbidigo // A real process.
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || bytes.Contains(state, []byte(") Z ")) {
			return
		}
	}
}

// transport is told of the requests to the API server.
type transport struct {
	*calls

	next http.RoundTripper
}

func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if !changes(request) {
		if lists(request) {
			t.write(entry{What: "LIST " + request.URL.Path, Lists: true})
		} else if reads(request) {
			t.write(entry{What: "GET " + request.URL.Path, Reads: true})
		}
		return t.next.RoundTrip(request)
	}
	if query := request.URL.Query(); t.Anonymous && strings.HasPrefix(query.Get("fieldManager"), "kahu-restore-") {
		query.Set("fieldManager", "somebody")
		request = request.Clone(request.Context())
		request.URL.RawQuery = query.Encode()
	}
	made := t.enter(request.Method + " " + request.URL.Path)
	t.end(made, before)
	response, err := t.next.RoundTrip(request)
	if err == nil {
		made.Object, err = createdBy(response)
	}
	t.leave(made)
	return response, err
}

// changes tells whether a request counts: leases are renewed for ever, and events are hearsay.
func changes(request *http.Request) bool {
	switch request.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return isCommand(request)
	}
	return !strings.Contains(request.URL.Path, "/leases") && !strings.Contains(request.URL.Path, "/events") && !isOfView(request) &&
		!strings.Contains(request.URL.RawQuery, "dryRun=All") && !strings.Contains(request.URL.Path, "/authorization.k8s.io/")
}

// isCommand tells whether a request runs a command in a pod: over a WebSocket it has the method of a read.
func isCommand(request *http.Request) bool { return strings.HasSuffix(request.URL.Path, "/exec") }

// isOfView tells whether a request is about a Backup that shows a copy: that is made whenever somebody looks at the location.
func isOfView(request *http.Request) bool {
	return strings.HasSuffix(request.URL.Path, "/v1beta1/backups") || strings.HasSuffix(strings.TrimSuffix(request.URL.Path, "/status"), "-"+offsite)
}

// lists tells whether a request reads the objects of a kind that is not Kahu's own, from the first page on.
func lists(request *http.Request) bool {
	query := request.URL.Query()
	return request.Method == http.MethodGet && query.Get("limit") != "" && query.Get("continue") == "" && query.Get("watch") == "" &&
		!strings.Contains(request.URL.Path, "/kahu.io/")
}

// reads tells whether a request reads an object that is not Kahu's own.
func reads(request *http.Request) bool {
	query := request.URL.Query()
	return request.Method == http.MethodGet && query.Get("limit") == "" && query.Get("watch") == "" &&
		!strings.Contains(request.URL.Path, "/kahu.io/") && !strings.Contains(request.URL.Path, "/leases")
}

// createdBy returns the name of a created object.
func createdBy(response *http.Response) (string, error) {
	if response.StatusCode != http.StatusCreated {
		return "", nil
	}
	content, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	response.Body = io.NopCloser(bytes.NewReader(content))
	var object struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(content, &object) // What is no JSON has no name to tell.
	return object.Metadata.Name, err
}

// interceptors are told of the calls to providers.
func (c *calls) interceptors() (grpc.StreamClientInterceptor, grpc.UnaryClientInterceptor) {
	stream := func(
		ctx context.Context, desc *grpc.StreamDesc, connection *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		if method != providerv1.MetaBackup_Upload_FullMethodName && method != providerv1.MetaBackup_Create_FullMethodName {
			return streamer(ctx, desc, connection, method, options...)
		}
		if c.Late {
			ctx = context.WithoutCancel(ctx)
		}
		if c.Overwrite {
			method = providerv1.MetaBackup_Upload_FullMethodName
		}
		made, err := streamer(ctx, desc, connection, method, options...)
		return &upload{ClientStream: made, calls: c, method: method}, err
	}
	unary := func(
		ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoker grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		deletion, is := request.(*providerv1.DeleteRequest)
		if !is {
			return invoker(ctx, method, request, reply, connection, options...)
		}
		if c.Disorder && c.isEarly(deletion.GetFileIdentifier()) {
			return nil
		}
		made := c.enter(method + " " + deletion.GetFileIdentifier())
		c.end(made, before)
		err := invoker(ctx, method, request, reply, connection, options...)
		c.leave(made)
		return err
	}
	return stream, unary
}

// isEarly tells whether a manifest is removed before all else. A deletion does so before it looks who else needs the segments,
// and once more before it removes these; the last time is at the end.
func (c *calls) isEarly(name string) bool {
	const early = 2
	if !strings.HasSuffix(name, "/manifest.json") {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removed[name]++
	return c.removed[name] <= early
}

// upload is a file on its way. The call begins with the first message, which names it, and ends with the answer.
type upload struct {
	grpc.ClientStream
	*calls

	method string
	made   entry
}

func (u *upload) SendMsg(message any) error {
	if request, is := message.(*providerv1.UploadRequest); is && request.GetInfo() != nil {
		u.made = u.enter(u.method + " " + request.GetInfo().GetFileIdentifier())
		if !u.Late {
			u.end(u.made, before)
		}
	}
	return u.ClientStream.SendMsg(message)
}

func (u *upload) CloseSend() error {
	if u.Late {
		u.end(u.made, before)
	}
	return u.ClientStream.CloseSend()
}

func (u *upload) RecvMsg(message any) error {
	err := u.ClientStream.RecvMsg(message)
	u.leave(u.made)
	return err
}
