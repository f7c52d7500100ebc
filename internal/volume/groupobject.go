package volume

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/provider"
)

// A group is cut with a VolumeGroupSnapshotContent that names the volumes by what the CSI driver knows them by, and without the
// VolumeGroupSnapshot for which a cluster makes one otherwise. That one selects claims by labels, so those of an application
// would have to be changed for it; it makes VolumeSnapshots in their namespace, which go with it; and until somebody changes
// the policy, so do the snapshots. Of this one nothing is in the namespace, and the policy is Retain from the beginning.
const (
	groupKind      = "VolumeGroupSnapshotContent"
	groupClassKind = "VolumeGroupSnapshotClass"

	groupFinalizer = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshotcontent-bound-protection"
	// groupBegun is set before the CSI driver is asked, and taken off when it has answered.
	groupBegun = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-created"
	// groupEnding has the csi-snapshotter deal with the deletion of the object.
	groupEnding = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted"

	groupSecretNamespace = "groupsnapshot.storage.kubernetes.io/deletion-secret-namespace"
	groupSecretName      = "groupsnapshot.storage.kubernetes.io/deletion-secret-name"
)

func groupGroup() schema.GroupKind {
	return schema.GroupKind{Group: "groupsnapshot.storage.k8s.io", Kind: groupKind}
}

// groupVersion returns the version in which the cluster serves groups.
func (c *Client) groupVersion() (schema.GroupVersion, error) {
	mapping, err := c.api.RESTMapper().RESTMapping(groupGroup(), "v1", "v1beta2")
	if err != nil {
		return schema.GroupVersion{}, fmt.Errorf("asking for groups of snapshots: %w", err)
	}
	return mapping.GroupVersionKind.GroupVersion(), nil
}

func groupList(version schema.GroupVersion, kind string) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(version.WithKind(kind + "List"))
	return list
}

func groupObject(version schema.GroupVersion, kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(version.WithKind(kind))
	object.SetName(name)
	return object
}

// groupName returns the name of what stands for a group of a run.
func groupName(run volumework.Run, group string) string {
	const digits = 24
	return "kahu-" + digest(digits, run.UID, "group", group)
}

// newGroup returns the wish to cut a group. The class may name a Secret.
func newGroup(
	run volumework.Run, at volumework.Moment, version schema.GroupVersion, members []*volumeplan.Decision, class *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	first := members[0]
	name := groupName(run, first.Group.Name)
	object := groupObject(version, groupKind, name)
	annotations := map[string]string{attemptOf: at.Attempt}
	if err := nameSecret(annotations, class, name, first.Claim.Namespace); err != nil {
		return nil, err
	}
	object.SetAnnotations(annotations)
	sign(object, run)
	record(object, members...)
	volumes := make([]any, 0, len(members))
	for _, member := range members {
		volumes = append(volumes, member.Claim.Handle)
	}
	object.Object["spec"] = map[string]any{
		"deletionPolicy": policyRetain, "driver": first.Claim.Driver, "volumeGroupSnapshotClassName": first.Group.Class,
		"source": map[string]any{"volumeHandles": volumes},
		"volumeGroupSnapshotRef": map[string]any{
			"apiVersion": version.String(), "kind": "VolumeGroupSnapshot",
			"namespace": first.Claim.Namespace, "name": name, "uid": uuidOf(run.UID, first.Group.Name),
		},
	}
	return object, nil
}

// uuidOf returns what looks like a UID and follows from the parts: the CSI driver is given a name with it, and cuts no second
// group under that.
func uuidOf(parts ...string) string {
	const digits = 32
	all := digest(digits, append([]string{"group"}, parts...)...)
	return strings.Join([]string{all[:8], all[8:12], all[12:16], all[16:20], all[20:]}, "-")
}

// nameSecret writes down the Secret of a class, which the csi-snapshotter reads from the object.
func nameSecret(annotations map[string]string, class *unstructured.Unstructured, object, namespace string) error {
	parameters, _, _ := unstructured.NestedStringMap(class.Object, "parameters")
	known := map[string]string{
		"volumegroupsnapshotcontent.name": object, "volumegroupsnapshot.name": object, "volumegroupsnapshot.namespace": namespace,
	}
	for annotation, field := range map[string]string{groupSecretName: "name", groupSecretNamespace: "namespace"} {
		var unknown string
		parameter := "csi.storage.k8s.io/group-snapshotter-secret-" + field
		value := os.Expand(parameters[parameter], func(key string) string {
			if _, is := known[key]; !is {
				unknown = key
			}
			return known[key]
		})
		if unknown != "" {
			return fmt.Errorf("parameter %s of VolumeGroupSnapshotClass %s has ${%s}, which nobody knows", parameter, class.GetName(), unknown)
		}
		if value != "" {
			annotations[annotation] = value
		}
	}
	return nil
}

// group is what a VolumeGroupSnapshotContent says of itself.
type group struct {
	attempt                string // which asked for it
	driver, policy, handle string
	ready, keeps, leaving  bool
	failure                string
	cut                    time.Time
	members                map[string]member // by what the driver knows the volumes by
	secret                 *kahuv1.SnapshotSecret
}

// member is one snapshot of a group.
type member struct {
	handle string
	cut    time.Time
	size   *int64
}

func groupOf(object *unstructured.Unstructured) *group {
	found := &group{members: map[string]member{}, leaving: object.GetDeletionTimestamp() != nil}
	found.driver, _, _ = unstructured.NestedString(object.Object, "spec", "driver")
	found.policy, _, _ = unstructured.NestedString(object.Object, "spec", "deletionPolicy")
	found.handle, _, _ = unstructured.NestedString(object.Object, "status", "volumeGroupSnapshotHandle")
	found.ready, _, _ = unstructured.NestedBool(object.Object, "status", "readyToUse")
	found.failure, _, _ = unstructured.NestedString(object.Object, "status", "error", "message")
	if text, _, _ := unstructured.NestedString(object.Object, "status", "creationTime"); text != "" {
		found.cut, _ = time.Parse(time.RFC3339, text)
	}
	annotations := object.GetAnnotations()
	found.attempt = annotations[attemptOf]
	found.keeps = annotations[keepsSnapshot] == "true"
	if namespace, name := annotations[groupSecretNamespace], annotations[groupSecretName]; namespace != "" && name != "" {
		found.secret = &kahuv1.SnapshotSecret{Namespace: namespace, Name: name}
	}
	list, _, _ := unstructured.NestedSlice(object.Object, "status", "volumeSnapshotInfoList")
	for _, each := range list {
		if content, is := each.(map[string]any); is {
			found.add(content)
		}
	}
	return found
}

func (g *group) add(content map[string]any) {
	volume, _, _ := unstructured.NestedString(content, "volumeHandle")
	one := member{cut: g.cut}
	one.handle, _, _ = unstructured.NestedString(content, "snapshotHandle")
	if nanoseconds, there, _ := unstructured.NestedInt64(content, "creationTime"); there {
		one.cut = time.Unix(0, nanoseconds)
	}
	if size, there, _ := unstructured.NestedInt64(content, "restoreSize"); there {
		one.size = &size
	}
	if one.handle != "" {
		g.members[volume] = one
	}
}

// isCut tells whether the data of the instant is safe from what is written after it.
func (g *group) isCut() bool { return g.handle != "" && len(g.members) > 0 }

// snapshots returns what the driver knows the snapshots by, in order.
func (g *group) snapshots() []string {
	var all []string
	for _, one := range g.members {
		all = append(all, one.handle)
	}
	slices.Sort(all)
	return all
}

// tellable tells whether providers can be told of the group: what they are told has a limit.
func (g *group) tellable() bool {
	text, err := json.Marshal(g.snapshots())
	return err == nil && len(text) <= provider.MaxAttributeValueBytes
}

// source returns what an order says of the snapshot of a volume.
func (g *group) source(of member) *kahuv1.VolumeSnapshotSource {
	return &kahuv1.VolumeSnapshotSource{
		Driver: g.driver, Handle: of.handle, CutTimestamp: microTime(of.cut), RestoreSize: of.size, DeletionSecret: g.secret,
		Group: &kahuv1.VolumeSnapshotGroup{Handle: g.handle, Snapshots: g.snapshots()},
	}
}
