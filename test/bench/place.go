package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

const (
	// startTime bounds the start of a cluster on a busy machine, mercy the time that a process has to end by itself.
	startTime = 3 * time.Minute
	mercy     = 20 * time.Second

	locationName = "bench"
	providerName = "filesystem"
)

// place is a cluster, with Kahu beside it or without.
type place struct {
	bench      *bench
	command    *exec.Cmd
	held       io.Closer
	kubeconfig string
	config     *rest.Config
	http       *http.Client
	kahu       *exec.Cmd
	client     client.WithWatch // set by accompany
	processes  family
}

// newPlace starts an empty cluster.
func (b *bench) newPlace() (*place, error) {
	//nolint:gosec,noctx // The program is ours, and ends when its input does.
	command := exec.Command(b.program("devcluster"), "run", "--timeout", startTime.String())
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	held, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting a cluster: %w", err)
	}
	made := &place{bench: b, command: command, held: held}
	b.places = append(b.places, made)
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("waiting for a cluster: %w", err)
	}
	return made, made.reach(line)
}

// reach reads where the cluster is.
func (p *place) reach(line []byte) error {
	var where struct {
		Kubeconfig string `json:"kubeconfig"`
	}
	if err := json.Unmarshal(line, &where); err != nil {
		return fmt.Errorf("reading where the cluster is: %w", err)
	}
	p.kubeconfig = where.Kubeconfig
	var err error
	if p.config, err = clientcmd.BuildConfigFromFlags("", p.kubeconfig); err != nil {
		return fmt.Errorf("reading the kubeconfig of the cluster: %w", err)
	}
	p.config.QPS = -1
	p.config.DisableCompression = true
	if p.http, err = rest.HTTPClientFor(p.config); err != nil {
		return fmt.Errorf("reaching the cluster: %w", err)
	}
	p.processes, err = familyOf(p.command.Process.Pid)
	return err
}

// end ends what runs in the place, and waits for it.
func (p *place) end() error {
	var failures []error
	if p.kahu != nil {
		failures = append(failures, finish(p.kahu, func() error { return p.kahu.Process.Signal(syscall.SIGTERM) }))
		p.kahu = nil
	}
	if p.command != nil {
		failures = append(failures, finish(p.command, p.held.Close))
		p.command = nil
	}
	return errors.Join(failures...)
}

// finish asks a process to end, and kills it when it does not.
func finish(command *exec.Cmd, ask func() error) error {
	if err := ask(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending %s: %w", filepath.Base(command.Path), err)
	}
	limit := time.AfterFunc(mercy, func() { _ = command.Process.Kill() }) // fails where it has ended, which is as good
	defer limit.Stop()
	_ = command.Wait() // How it ended does not matter any more.
	return nil
}

// accompany runs Kahu beside the cluster as it is shipped, and waits until its location is ready.
func (p *place) accompany(ctx context.Context, name string) error {
	log, err := os.Create(filepath.Join(p.bench.dir, name+".log")) //nolint:gosec // The folder is ours.
	if err != nil {
		return fmt.Errorf("making a log: %w", err)
	}
	defer func() { _ = log.Close() }() // The process has its own.
	//nolint:gosec,noctx // The program is ours, and ended with the place.
	p.kahu = exec.Command(p.bench.program("kahu"), "standalone", "--kubeconfig", p.kubeconfig,
		"--store", p.bench.store(), "--state", filepath.Join(p.bench.dir, name), "--install-crds")
	p.kahu.Stdout, p.kahu.Stderr = log, log
	p.kahu.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.kahu.Start(); err != nil {
		return fmt.Errorf("starting Kahu: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("knowing the kinds of Kahu: %w", err)
	}
	metav1.AddToGroupVersion(scheme, kahuv1.GroupVersion)
	err = p.bench.until(ctx, startTime, "Kahu's definitions", func() (bool, error) {
		p.client, err = client.NewWithWatch(p.config, client.Options{Scheme: scheme, HTTPClient: p.http})
		if err != nil {
			return false, nil //nolint:nilerr // The server does not serve the kinds yet.
		}
		return p.client.Get(ctx, client.ObjectKey{Name: providerName}, &kahuv1.Provider{}) == nil, nil
	})
	if err != nil {
		return errors.Join(err, tail(log.Name()))
	}
	location := &kahuv1.BackupLocation{
		ObjectMeta: metav1.ObjectMeta{Name: locationName}, Spec: kahuv1.BackupLocationSpec{ProviderName: providerName},
	}
	if err := p.client.Create(ctx, location); err != nil {
		return fmt.Errorf("creating the location: %w", err)
	}
	err = p.bench.until(ctx, startTime, "the location", func() (bool, error) {
		if err := p.client.Get(ctx, client.ObjectKeyFromObject(location), location); err != nil {
			return false, err
		}
		return isReady(location.Status.Conditions), nil
	})
	if err != nil {
		return errors.Join(err, tail(log.Name()))
	}
	p.processes, err = familyOf(p.command.Process.Pid, p.kahu.Process.Pid)
	return err
}

// tail returns the end of a log as an error.
func tail(path string) error {
	const most = 4 << 10
	content, err := os.ReadFile(path) //nolint:gosec // The folder is ours.
	if err != nil {
		return err
	}
	return fmt.Errorf("the log ends with:\n%s", content[max(0, len(content)-most):])
}
