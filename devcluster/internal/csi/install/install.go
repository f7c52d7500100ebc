// Package install puts into a cluster what CSI drivers need there: the
// definitions of snapshots and of changed blocks, which are those of
// external-snapshotter and external-snapshot-metadata, and the drivers with
// their classes.
package install

import (
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/yaml"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
)

// The files of the versions that sidecars/go.mod names; a test compares them.
//
//go:generate ../../../sidecars/definitions.sh crd
//go:embed crd/*.yaml
var definitions embed.FS

// manager is the field manager of all that is put into a cluster.
const manager = "devcluster"

// object is one of Kubernetes, and under which name its kind is served.
type object struct {
	resource schema.GroupVersionResource
	content  map[string]any
}

// Changes is where clients are told which blocks of a volume have changed.
type Changes struct {
	// Address is that of the programs; none means that nobody is told.
	Address netip.Addr
	// Authority is the certificate, as PEM, that vouches for who answers there.
	Authority []byte
}

// Apply puts everything into the cluster, and can be repeated. A class waits
// until its definition is served.
func Apply(ctx context.Context, config *rest.Config, changes Changes, timers clock.Clock) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	all, err := crds()
	if err != nil {
		return err
	}
	for _, kind := range driver.Kinds() {
		all = append(all, classes(kind)...)
		if changes.Address.IsValid() {
			all = append(all, changes.service(kind))
		}
	}
	for _, one := range all {
		if err := apply(ctx, client, one, timers); err != nil {
			return err
		}
	}
	return nil
}

// service tells clients of a driver's changes where to ask, and for whom their token is to be.
func (c Changes) service(kind driver.Kind) object {
	const group, version = "cbt.storage.k8s.io", "v1beta1"
	return object{
		resource: schema.GroupVersionResource{Group: group, Version: version, Resource: "snapshotmetadataservices"},
		content: fields{
			"apiVersion": group + "/" + version, "kind": "SnapshotMetadataService", "metadata": fields{"name": kind.Driver},
			"spec": fields{
				"address":  netip.AddrPortFrom(c.Address, uint16(kind.Changes)).String(), //nolint:gosec // a port
				"audience": kind.Driver, "caCert": base64.StdEncoding.EncodeToString(c.Authority),
			},
		},
	}
}

// apply writes an object, and asks again while its kind is not served yet: that follows within moments.
func apply(ctx context.Context, client dynamic.Interface, one object, timers clock.Clock) error {
	wanted := &unstructured.Unstructured{Object: one.content}
	for {
		_, err := client.Resource(one.resource).Apply(ctx, wanted.GetName(), wanted, metav1.ApplyOptions{FieldManager: manager, Force: true})
		if err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("applying %s %s: %w", one.resource.Resource, wanted.GetName(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", one.resource.Resource, context.Cause(ctx))
		case <-timers.After(20 * time.Millisecond):
		}
	}
}

func crds() ([]object, error) {
	names, err := fs.Glob(definitions, "crd/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing definitions: %w", err)
	}
	resource := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	found := make([]object, 0, len(names))
	for _, name := range names {
		text, err := definitions.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		content := map[string]any{}
		if err := yaml.Unmarshal(text, &content); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		found = append(found, object{resource: resource, content: content})
	}
	return found, nil
}

// classes are those of a driver: two of storage, which differ in when they bind,
// one of snapshots and one of group snapshots. The storage class of the shared
// driver is the default one.
func classes(kind driver.Kind) []object {
	made := []object{
		class("storage.k8s.io", "CSIDriver", kind.Driver, fields{
			"spec": fields{"attachRequired": false, "podInfoOnMount": false, "fsGroupPolicy": "File"},
		}),
		class("storage.k8s.io", "StorageClass", kind.Name, fields{"provisioner": kind.Driver, "volumeBindingMode": "Immediate"}),
		class("storage.k8s.io", "StorageClass", kind.Name+"-wait", fields{"provisioner": kind.Driver, "volumeBindingMode": "WaitForFirstConsumer"}),
		class("snapshot.storage.k8s.io", "VolumeSnapshotClass", kind.Name, fields{"driver": kind.Driver, "deletionPolicy": "Delete"}),
		class("groupsnapshot.storage.k8s.io", "VolumeGroupSnapshotClass", kind.Name, fields{"driver": kind.Driver, "deletionPolicy": "Delete"}),
	}
	defaults := map[string]string{
		"VolumeSnapshotClass":      "snapshot.storage.kubernetes.io/is-default-class",
		"VolumeGroupSnapshotClass": "groupsnapshot.storage.kubernetes.io/is-default-class",
	}
	if !kind.Pinned {
		defaults["StorageClass"] = "storageclass.kubernetes.io/is-default-class"
	}
	for _, one := range made {
		content := unstructured.Unstructured{Object: one.content}
		if annotation := defaults[content.GetKind()]; annotation != "" && content.GetName() == kind.Name {
			content.SetAnnotations(map[string]string{annotation: "true"})
		}
	}
	return made
}

type fields = map[string]any

func class(group, kind, name string, more fields) object {
	const version = "v1"
	plurals := map[string]string{
		"CSIDriver": "csidrivers", "StorageClass": "storageclasses",
		"VolumeSnapshotClass": "volumesnapshotclasses", "VolumeGroupSnapshotClass": "volumegroupsnapshotclasses",
	}
	more["apiVersion"], more["kind"], more["metadata"] = group+"/"+version, kind, fields{"name": name}
	return object{
		resource: schema.GroupVersionResource{Group: group, Version: version, Resource: plurals[kind]},
		content:  more,
	}
}
