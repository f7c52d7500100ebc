package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/soda-cdm/kahu/test/demo/compare"
)

const (
	// bucket is where the backups of the drill lie, and home the location of the lost cluster.
	bucket     = "backups"
	home       = "production"
	accessKey  = "drill-access-key"
	secretKey  = "drill-secret-key-of-the-store"
	ownSpace   = "kahu-system"
	signerPath = "jsonpath={.status.encryption.signer}"
)

// drill is the loss of a cluster with all its state, and its return from a bucket and a key.
type drill struct {
	*story

	store    string // the address of the S3 server
	identity string // the file of the key
	signer   string
	lost     map[string]string // what Kahu itself had, by name, which must be back
}

// performDrill plays the drill.
func performDrill(ctx context.Context, stage *stage, wish options) error {
	d := &drill{story: newStory(stage, wish), identity: filepath.Join(stage.dir, "identity.txt"), lost: map[string]string{}}
	d.say.chapterf("A drill: a cluster with an application and with Kahu is lost, with all its state. What is left is a bucket, a key,\n" +
		"and one program. Objects only: there is no kubelet here.")
	for _, chapter := range []func(context.Context) error{d.build, d.save, d.destroy, d.comeBack, d.goOn} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// build starts a store, and a cluster with Kahu and an application.
func (d *drill) build(ctx context.Context) error {
	d.say.chapterf("1. A cluster, backed up into S3, encrypted for a key that is not in it")
	if err := d.openStore(ctx); err != nil {
		return err
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.identity, []byte(key.String()+"\n"), 0o600); err != nil {
		return err
	}
	if err := d.first.up(ctx); err != nil {
		return err
	}
	if err := d.runKahu(ctx, d.first); err != nil {
		return err
	}
	if err := d.locate(ctx, key.Recipient().String()); err != nil {
		return err
	}
	return d.inhabit(ctx)
}

// inhabit deploys the application, and remembers all that there is.
func (d *drill) inhabit(ctx context.Context) error {
	var err error
	if d.known, _, err = d.first.copy(ctx); err != nil {
		return err
	}
	if err := d.deploy(ctx, d.first); err != nil {
		return err
	}
	promised, err := d.promised(ctx, d.first)
	if err != nil {
		return err
	}
	if err := d.first.settle(ctx, d.known, promised); err != nil {
		return err
	}
	all, served, err := d.first.copy(ctx)
	if err != nil {
		return err
	}
	d.served, d.was = served, all.Without(d.known)
	d.say.linef("the application is deployed: %d objects", len(d.was.Authored()))
	return d.remember(ctx, d.first, d.lost)
}

// openStore runs a real S3 server with an empty bucket.
func (d *drill) openStore(ctx context.Context) error {
	root := filepath.Join(d.stage.store(), bucket)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	_ = listener.Close() // The server opens it again.
	d.store = "http://" + address
	server, err := d.stage.start("s3", nil, d.stage.program("versitygw"),
		"--port", address, "--access", accessKey, "--secret", secretKey, "--quiet", "posix", d.stage.store())
	if err != nil {
		return err
	}
	ctx, release := server.guard(ctx)
	defer release()
	for { // There is no event to wait for: the process opens its port and says nothing.
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return connection.Close()
		}
		next, end := context.WithTimeout(ctx, 20*time.Millisecond)
		<-next.Done()
		end()
		if ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// runKahu runs Kahu with the S3 provider beside a cluster.
func (d *drill) runKahu(ctx context.Context, to *cluster) error {
	name := "kahu-" + to.name
	process, err := d.stage.start(name, nil, d.stage.program("kahu"), "standalone", "--kubeconfig", to.kubeconfig,
		"--provider", "s3", "--state", filepath.Join(d.stage.dir, name), "--install-crds")
	if err != nil {
		return err
	}
	ctx, release := process.guard(ctx)
	defer release()
	if err := to.serve(); err != nil {
		return err
	}
	for _, wait := range [][]string{
		{"crd/providers.kahu.io", "--for=condition=Established"},
		{"crd/backuplocations.kahu.io", "--for=condition=Established"},
		{"crd/backups.kahu.io", "--for=condition=Established"},
		{"providers.kahu.io/s3"},
	} {
		if _, err := to.kubectl(ctx, append([]string{"wait", "--for=create", "--timeout=60s"}, wait...)...); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
	return nil
}

// locate makes the location known to the first cluster, and a set of transforms, which is to come back with it.
func (d *drill) locate(ctx context.Context, recipient string) error {
	set := filepath.Join(d.stage.dir, "set.yaml")
	if err := os.WriteFile(set, []byte("apiVersion: kahu.io/v1beta1\nkind: TransformSet\nmetadata: {name: mirror}\n"+
		"spec: {imageMapping: {docker.io: registry.example.com/mirror}}\n"), 0o600); err != nil {
		return err
	}
	if _, err := d.first.kubectl(ctx, "create", "secret", "generic", "store", "--namespace="+ownSpace,
		"--from-literal=accessKeyID="+accessKey, "--from-literal=secretAccessKey="+secretKey); err != nil {
		return err
	}
	if _, err := d.first.kubectl(ctx, "create", "--filename", set); err != nil {
		return err
	}
	told, err := d.first.kahu(ctx, "location", "create", home, "--provider", "s3", "--credentials", "store", "--recipient", recipient,
		"--config", "bucket="+bucket+",endpoint="+d.store, "--wait")
	if err != nil {
		return err
	}
	d.say.linef("%s", told)
	signer, err := d.first.kubectl(ctx, "get", "backuplocations.kahu.io", home, "-o", signerPath)
	d.signer = strings.TrimSpace(string(signer))
	return err
}

// remember writes down what Kahu itself has: its settings, its credentials, and the key with which the cluster signs.
func (d *drill) remember(ctx context.Context, of *cluster, into map[string]string) error {
	for _, each := range [][]string{
		{"backuplocations.kahu.io/" + home, "{.spec}"},
		{"transformsets.kahu.io/mirror", "{.spec}"},
		{"secrets/store", "{.data}"},
		{"secrets/kahu-signing-key", "{.data}"},
	} {
		content, err := of.kubectl(ctx, "get", each[0], "--namespace="+ownSpace, "-o", "jsonpath="+each[1])
		if err != nil {
			return err
		}
		into[each[0]] = string(bytes.TrimSpace(content))
	}
	return nil
}

// save backs up the whole cluster.
func (d *drill) save(ctx context.Context) error { return backUp(ctx, d.say, d.first, home) }

// destroy ends the cluster and everything of it, Kahu included.
func (d *drill) destroy(ctx context.Context) error {
	d.say.chapterf("3. The cluster is lost")
	for _, process := range d.stage.running {
		if process.name == "s3" {
			continue
		}
		if err := process.command.Process.Kill(); err != nil {
			return err
		}
		<-process.ended
	}
	if err := errors.Join(d.first.down(ctx), os.RemoveAll(filepath.Join(d.stage.dir, "kahu-first"))); err != nil {
		return err
	}
	d.first.isUp = false
	d.say.linef("the cluster was ended, its data removed, and Kahu killed. Left are the bucket, the key, and on paper:\n%s", d.signer)
	return d.second.up(ctx)
}

// recovery is the one command.
func (d *drill) recovery(ctx context.Context, flags ...string) (string, error) {
	args := append([]string{"recover", "--location", "s3://" + bucket + "?endpoint=" + d.store, "--identity", d.identity}, flags...)
	d.say.linef("$ kahu %s", strings.Join(args, " "))
	command := exec.CommandContext(ctx, d.stage.program("kahu"), args...) //nolint:gosec // The program is ours.
	command.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey,
		"KUBECONFIG="+d.second.kubeconfig, "TMPDIR="+d.stage.dir)
	out, err := command.CombinedOutput()
	d.say.linef("%s", out)
	return string(out), err
}

// comeBack brings everything back into a new, empty cluster, with one command.
func (d *drill) comeBack(ctx context.Context) error {
	d.say.chapterf("4. A new, empty cluster, and one command")
	if err := d.second.serve(); err != nil {
		return err
	}
	empty, _, err := d.second.copy(ctx)
	if err != nil {
		return err
	}
	absent, err := d.second.absent(ctx, d.was.Authored().Keys(), d.served)
	if err != nil {
		return err
	}
	if err := d.refused(ctx); err != nil {
		return err
	}
	began := d.say.elapsed()
	if _, err := d.recovery(ctx, "--signer", d.signer); err != nil {
		return fmt.Errorf("recovering: %w", err)
	}
	d.say.linef("the command took %.1f s", (d.say.elapsed() - began).Seconds())
	late := d.second.settle(ctx, empty, d.was.Made())
	if d.sabotage {
		if err := d.alter(ctx, d.second); err != nil {
			return err
		}
	}
	after, _, err := d.second.copy(ctx)
	if err != nil {
		return err
	}
	d.back = after.Where(func(key compare.Key, _ compare.Object) bool { return !isKahus(key) })
	comparison := compare.Comparison{Before: d.was, Whole: d.was, After: d.back, Known: empty, Absent: absent}
	return d.judge(comparison, late)
}

// refused sees that a cluster in which somebody lives is not touched.
func (d *drill) refused(ctx context.Context) error {
	if _, err := d.second.kubectl(ctx, "create", "namespace", "somebody"); err != nil {
		return err
	}
	told, err := d.recovery(ctx)
	if err == nil || !strings.Contains(told, "the cluster is not empty") {
		return fmt.Errorf("it went into a cluster in which somebody lives: %w", errDifferent)
	}
	_, err = d.second.kubectl(ctx, "delete", "namespace", "somebody")
	if _, crds := d.second.kubectl(ctx, "get", "crd/backups.kahu.io"); crds == nil {
		return fmt.Errorf("it refused the cluster, and installed its definitions: %w", errDifferent)
	}
	return err
}

// isKahus tells what Kahu itself has in a cluster.
func isKahus(key compare.Key) bool {
	return key.Group == "kahu.io" || key.Namespace == ownSpace || key.Kind == "Namespace" && key.Name == ownSpace ||
		(key.Kind == "CustomResourceDefinition" || key.Kind == "APIService") && strings.HasSuffix(key.Name, "kahu.io")
}

// goOn sees that Kahu itself is back, that a second run of the command changes nothing, and that backups go on.
func (d *drill) goOn(ctx context.Context) error {
	d.say.chapterf("5. Kahu itself is back")
	now := map[string]string{}
	if err := d.remember(ctx, d.second, now); err != nil {
		return err
	}
	for name, was := range d.lost {
		if now[name] != was {
			return fmt.Errorf("%s: %w", name, errDifferent)
		}
	}
	d.say.linef("the location, its credentials, the set of transforms and the key that signs are as they were")
	if told, err := d.recovery(ctx); err != nil || !strings.Contains(told, "has brought it back already") {
		return fmt.Errorf("the command was run twice: %w", errors.Join(errDifferent, err))
	}
	if err := d.runKahu(ctx, d.second); err != nil {
		return err
	}
	if _, err := d.second.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=90s", "backuplocations.kahu.io/"+home); err != nil {
		return err
	}
	told, err := d.second.kahu(ctx, "backup", "create", "after", "--location", home, "--volume-data=false", "--wait")
	if err != nil {
		return err
	}
	d.say.linef("%s", told)
	d.say.chapterf("Everything came back as it was: %d objects compared, %d values in them, 0 differences. The drill took %.1f s.",
		d.totals.compared, d.totals.fields, d.say.elapsed().Seconds())
	return nil
}
