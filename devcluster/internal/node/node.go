// Package node says what a node is made of, with values: its configuration, the
// files that its programs read, and the arguments that they get.
//
// A node sees a file system of its own (see package nodeinit), so that the
// paths here are the usual ones, /var/lib/kubelet and /run/containerd, and two
// nodes of one machine do not meet.
package node

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/soda-cdm/kahu/devcluster/internal/image"
)

// Program is the name under which the binary is a node's first process.
const Program = "devcluster-node"

// Config is all that a node's first process is told, as a file of JSON.
type Config struct {
	Name string `json:"name"`
	// Cluster is the name of the cluster, which tells machine ids apart.
	Cluster string     `json:"cluster"`
	Address netip.Addr `json:"address"`
	// Plane is the API server's address.
	Plane netip.Addr `json:"plane"`
	// Pods is the range of this node's pods, AllPods that of all nodes'.
	Pods    netip.Prefix `json:"pods"`
	AllPods netip.Prefix `json:"allPods"`
	// Cgroup is the group below which the kubelet keeps its pods, like kahu1/node-1.
	Cgroup string `json:"cgroup"`
	// Folder holds what the node writes, Logs what its programs say, Images the
	// archives that are imported first, and Keys its certificates and kubeconfigs.
	Folder string `json:"folder"`
	Logs   string `json:"logs"`
	Images string `json:"images"`
	Keys   string `json:"keys"`
	// Storage has the volumes of CSI drivers; empty where there are none.
	Storage string `json:"storage,omitempty"`
}

// Log is the file that one of the node's programs writes to.
func (c Config) Log(program string) string {
	return filepath.Join(c.Logs, c.Name+"-"+program+".log")
}

// ReadConfig reads what Write wrote.
func ReadConfig(path string) (Config, error) {
	content, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
	if err != nil {
		return Config{}, fmt.Errorf("reading the node's configuration: %w", err)
	}
	var config Config
	if err := json.Unmarshal(content, &config); err != nil {
		return Config{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return config, nil
}

// Write makes the node's folder and writes the configuration into it; it gives the file's path.
func (c Config) Write() (string, error) {
	content, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding the node's configuration: %w", err)
	}
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return "", fmt.Errorf("making the node's folder: %w", err)
	}
	path := filepath.Join(c.Folder, "node.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("writing the node's configuration: %w", err)
	}
	return path, nil
}

// machineID is what the file /etc/machine-id holds: no two nodes have the same.
func (c Config) machineID() string {
	sum := sha256.Sum256([]byte(c.Cluster + " " + c.Name + " " + c.Folder))
	return hex.EncodeToString(sum[:16])
}

// The names of the images that every node has.
const (
	// PauseImage is what holds a pod's namespaces.
	PauseImage = "kahu.local/pause:1"
	// WorkloadImage is for the pods of tests, see package workload.
	WorkloadImage = "kahu.local/workload:1"
)

// Images gives the images that every node has: both are the same program.
func Images(workload string) ([]image.Image, error) {
	made, err := image.Program(WorkloadImage, workload)
	if err != nil {
		return nil, err
	}
	pause := made
	pause.Tag, pause.Arguments = PauseImage, []string{"sleep"}
	return []image.Image{made, pause}, nil
}
