package plane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/soda-cdm/kahu/devcluster/internal/cgroup"
	"github.com/soda-cdm/kahu/devcluster/internal/image"
	"github.com/soda-cdm/kahu/devcluster/internal/network"
	"github.com/soda-cdm/kahu/devcluster/internal/node"
	"github.com/soda-cdm/kahu/devcluster/internal/pki"
)

// Nodes says what nodes a cluster has.
type Nodes struct {
	// Count is how many, 0 for a control plane alone.
	Count int
	// Workload is the binary of the images that every node has.
	Workload string
}

// Node is a node of a running cluster.
type Node struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	// Folder has what is /var in the node.
	Folder string `json:"folder"`
}

// prepareNodes makes all the files that the nodes read.
func (s Supervisor) prepareNodes(plan network.Plan, server string, now time.Time) error {
	folder := s.Layout.PKI()
	err := errors.Join(
		pki.EnsureServing(folder, net.IP(plan.Plane().AsSlice()), serviceAddress(), now),
		pki.EnsureProxy(folder, now),
	)
	for _, one := range plan.Nodes {
		err = errors.Join(err, pki.EnsureNode(folder, one.Name, net.IP(one.Address.AsSlice()), now))
	}
	if err != nil {
		return fmt.Errorf("making the keys of nodes: %w", err)
	}
	clients := []string{pki.KubeProxy}
	for _, one := range plan.Nodes {
		clients = append(clients, one.Name)
	}
	for _, client := range clients {
		content, err := kubeconfig(s.Layout, server, client)
		if err != nil {
			return fmt.Errorf("making the kubeconfig of %s: %w", client, err)
		}
		if err := writeFile(s.Layout.key(client+".kubeconfig"), content); err != nil {
			return err
		}
	}
	return s.writeImages()
}

// writeImages writes the archive of the images that every node has.
func (s Supervisor) writeImages() error {
	images, err := node.Images(s.Nodes.Workload)
	if err != nil {
		return fmt.Errorf("making the images of nodes: %w", err)
	}
	if err := os.MkdirAll(s.Layout.images(), 0o700); err != nil {
		return fmt.Errorf("making the folder of images: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(s.Layout.images(), "workload.tar"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making an archive of images: %w", err)
	}
	return errors.Join(image.Write(file, images...), file.Close())
}

// nodeConfig is what a node's first process is told.
func (s Supervisor) nodeConfig(plan network.Plan, one network.Node) node.Config {
	return node.Config{
		Name:    one.Name,
		Cluster: s.Layout.Name,
		Address: one.Address,
		Plane:   plan.Plane(),
		Pods:    one.Pods,
		AllPods: plan.Pods(),
		Cgroup:  filepath.Join(plan.Link(), one.Name),
		Folder:  s.Layout.nodeFolder(one.Name),
		Logs:    filepath.Dir(s.Layout.Log(one.Name)),
		Images:  s.Layout.images(),
		Keys:    s.Layout.PKI(),
		Storage: s.storage(),
	}
}

// storage is what the nodes' side of the CSI drivers sees; "" without them.
func (s Supervisor) storage() string {
	if s.CSI.Sidecars == "" {
		return ""
	}
	return s.Layout.Storage()
}

// startNodes starts all the nodes: each is a component like the others, with
// namespaces of its own, so that the end of its first process is the end of it all.
func (r *run) startNodes() error {
	plan := r.site.plan()
	if len(plan.Nodes) == 0 {
		return nil
	}
	cgroups, err := cgroup.Machine(r.Clock)
	if err != nil {
		return err
	}
	if err := cgroups.Remove(plan.Link()); err != nil { // of a cluster that was killed
		return err
	}
	if err := os.MkdirAll(r.Layout.Storage(), 0o700); err != nil {
		return err
	}
	for i, one := range plan.Nodes {
		config := r.nodeConfig(plan, one)
		if err := cgroups.Make(config.Cgroup); err != nil {
			return err
		}
		path, err := config.Write()
		if err != nil {
			return err
		}
		err = r.site.network.Nodes[i].Do(func() error {
			return r.launch(one.Name, program{
				name:       node.Program,
				arguments:  []string{"--config=" + path},
				namespaces: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
			})
		})
		if err != nil {
			return err
		}
		err = r.record(func(state *State) {
			state.Nodes = append(state.Nodes, Node{
				Name: one.Name, Address: one.Address.String(), Folder: filepath.Join(config.Folder, "var"),
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// nodeEvent is the part of a watch event that says how a node is.
type nodeEvent struct {
	Type   string `json:"type"`
	Object struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			Taints []struct {
				Key string `json:"key"`
			} `json:"taints"`
		} `json:"spec"`
		Status struct {
			Conditions []struct {
				Type              string    `json:"type"`
				Status            string    `json:"status"`
				LastHeartbeatTime time.Time `json:"lastHeartbeatTime"`
			} `json:"conditions"`
		} `json:"status"`
	} `json:"object"`
}

// usable reports whether pods can run on the node. What a kubelet said before
// the cluster's start is from an earlier life. Its times are in whole seconds.
func (e nodeEvent) usable(started time.Time) bool {
	for _, condition := range e.Object.Status.Conditions {
		if condition.Type == "Ready" {
			said := !condition.LastHeartbeatTime.Before(started.Truncate(time.Second))
			return said && condition.Status == "True" && len(e.Object.Spec.Taints) == 0
		}
	}
	return false
}

// untilNodes waits until pods can run on every node. The watch begins with what is there already.
func (p probe) untilNodes(ctx context.Context, nodes []network.Node, started time.Time) error {
	if len(nodes) == 0 {
		return nil
	}
	response, err := p.get(ctx, "/api/v1/nodes?watch=true")
	if err != nil {
		return fmt.Errorf("watching the nodes: %w", cause(ctx, err))
	}
	defer func() { _ = response.Body.Close() }() // a watch has no end to read to
	events := json.NewDecoder(response.Body)
	missing := map[string]bool{}
	for _, one := range nodes {
		missing[one.Name] = true
	}
	for len(missing) > 0 {
		var event nodeEvent
		if err := events.Decode(&event); err != nil {
			return fmt.Errorf("waiting for the nodes: %w", cause(ctx, err))
		}
		if event.usable(started) {
			delete(missing, event.Object.Metadata.Name)
		}
	}
	return nil
}
