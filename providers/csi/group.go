package csi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	selector "k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/soda-cdm/kahu/provider"
)

// Snapshots that were cut together are a group in the storage system. One of them is restored like any other, but its
// VolumeSnapshot gets ready only while the cluster knows its group; and they are deleted together.

const (
	groupKind      = "VolumeGroupSnapshotContent"
	groupGroup     = "groupsnapshot.storage.k8s.io"
	groupFinalizer = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshotcontent-bound-protection"

	groupSecretNamespace = "groupsnapshot.storage.kubernetes.io/deletion-secret-namespace"
	groupSecretName      = "groupsnapshot.storage.kubernetes.io/deletion-secret-name"
)

// errNoGroups: the cluster does not serve groups of snapshots.
var errNoGroups = fmt.Errorf("the cluster serves neither v1 nor v1beta2 of %s: %w", groupGroup, provider.ErrFailedPrecondition)

// group is the group of a snapshot.
type group struct {
	driver, handle string
	members        []string
	// secret are the annotations that name the Secret of its snapshots; nil where they need none.
	secret map[string]string
}

// groupOf returns the group of a backup's snapshot; a snapshot that was cut by itself has none.
func groupOf(backup provider.BackupIdentity) (found group, is bool) {
	found = group{
		driver: backup.Attributes[provider.SnapshotDriver], handle: backup.Attributes[provider.SnapshotGroup], secret: secretOf(backup),
	}
	if found.handle == "" {
		return group{}, false
	}
	if err := json.Unmarshal([]byte(backup.Attributes[provider.SnapshotGroupMembers]), &found.members); err != nil || len(found.members) == 0 {
		found.members = []string{backup.Handle} // A driver that knows its groups needs no more.
	}
	return found, true
}

// groups are the VolumeGroupSnapshotContents, in the version in which the cluster serves them.
func (d *Driver) groups(ctx context.Context) (dynamic.ResourceInterface, string, error) {
	for _, version := range []string{"v1", "v1beta2"} {
		among := d.client.Resource(schema.GroupVersionResource{Group: groupGroup, Version: version, Resource: "volumegroupsnapshotcontents"})
		_, err := among.List(ctx, metav1.ListOptions{Limit: 1})
		if err == nil {
			return among, version, nil
		}
		if err = classed("looking for groups of snapshots", err); !errors.Is(err, provider.ErrFailedPrecondition) {
			return nil, "", err
		}
	}
	return nil, "", errNoGroups
}

// object makes the VolumeGroupSnapshotContent of a group that is there, for a VolumeGroupSnapshot that will never be.
func (g group) object(version, name, namespace, policy string) *unstructured.Unstructured {
	members := make([]any, 0, len(g.members))
	for _, member := range g.members {
		members = append(members, member)
	}
	made := object(groupKind, "", name, fields{
		"driver":                 g.driver,
		"deletionPolicy":         policy,
		"source":                 fields{"groupSnapshotHandles": fields{"volumeGroupSnapshotHandle": g.handle, "volumeSnapshotHandles": members}},
		"volumeGroupSnapshotRef": fields{"namespace": namespace, "name": name},
	})
	made.SetAPIVersion(groupGroup + "/" + version)
	if g.secret != nil {
		made.SetAnnotations(map[string]string{groupSecretNamespace: g.secret[secretNamespace], groupSecretName: g.secret[secretName]})
	}
	return made
}

// introduce tells the cluster of a group, so that a VolumeSnapshot of one of its snapshots gets ready. A cluster that serves no
// groups does not ask for it.
func (d *Driver) introduce(ctx context.Context, g group, name, namespace string) error {
	among, version, err := d.groups(ctx)
	if errors.Is(err, errNoGroups) {
		return nil
	}
	if err != nil {
		return err
	}
	return ensure(ctx, among, g.object(version, name, namespace, "Retain"))
}

// withdraw has the cluster forget a group. The snapshots stay.
func (d *Driver) withdraw(ctx context.Context, name string) error {
	among, _, err := d.groups(ctx)
	if errors.Is(err, errNoGroups) {
		return nil
	}
	if err != nil {
		return err
	}
	return remove(ctx, among, name)
}

// deleteGroup has all snapshots of a group deleted.
func (d *Driver) deleteGroup(ctx context.Context, g group) error {
	among, version, err := d.groups(ctx)
	if err != nil {
		return err
	}
	doomed := g.object(version, nameOf("kahu-delete-", g.driver, "group", g.handle), metav1.NamespaceDefault, "Delete")
	doomed.SetFinalizers([]string{groupFinalizer})
	if err := ensure(ctx, among, doomed); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	if err := untilSeen(bounded, among, doomed.GetName()); err != nil {
		if ctx.Err() == nil && bounded.Err() != nil {
			err = fmt.Errorf("CSI driver %s has not looked at the group %s of snapshots within %s; does its csi-snapshotter know of groups? %w",
				g.driver, g.handle, d.patience, provider.ErrUnavailable)
		}
		return err
	}
	return d.delete(ctx, deletion{
		among: among, doomed: doomed, field: "volumeGroupSnapshotHandle", handle: g.handle, secret: g.secret,
		what: fmt.Sprintf("CSI driver %s has not deleted the group %s of snapshots", g.driver, g.handle),
	})
}

// untilSeen waits until the csi-snapshotter has written a status. Where it is still at its first, it may write that over one
// which somebody else has written meanwhile; and the deletion of a group that no status names leaves the snapshots where they are.
func untilSeen(ctx context.Context, among dynamic.ResourceInterface, name string) error {
	for {
		found, err := find(ctx, among, name)
		if found == nil || err != nil {
			return err
		}
		if _, seen := found.Object["status"]; seen || found.GetDeletionTimestamp() != nil {
			return nil
		}
		watching, err := among.Watch(ctx, metav1.ListOptions{
			FieldSelector: selector.OneTermEqualSelector("metadata.name", name).String(), ResourceVersion: found.GetResourceVersion(),
		})
		if err != nil {
			return classed("watching "+name, err)
		}
		select {
		case <-ctx.Done():
		case <-watching.ResultChan():
		}
		watching.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
