package volume

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// decidedAnnotation has, on a snapshot, a group and an order, the decisions for which it was made. Another attempt at the run goes
// on with them: by then the claim may be gone, or the provider away, or nobody may decide so any more.
const decidedAnnotation = "kahu.io/decisions"

// decided is a decision as it is written down.
type decided struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`

	StorageClass string `json:"storageClass,omitempty"`
	Volume       string `json:"volume,omitempty"`
	Source       string `json:"source,omitempty"`
	Driver       string `json:"driver,omitempty"`
	Handle       string `json:"handle,omitempty"`
	Size         int64  `json:"size,omitempty"`
	Mode         string `json:"mode,omitempty"`

	Reason        string `json:"reason,omitempty"`
	Message       string `json:"message,omitempty"`
	Advice        string `json:"advice,omitempty"`
	Way           string `json:"way"`
	Provider      string `json:"provider"`
	Location      string `json:"location,omitempty"`
	SnapshotClass string `json:"snapshotClass,omitempty"`
	KeepsSnapshot bool   `json:"keepsSnapshot,omitempty"`
	Group         string `json:"group,omitempty"`
	GroupClass    string `json:"groupClass,omitempty"`
	Required      bool   `json:"required,omitempty"`
}

// record writes on an object for which decisions it is made.
func record(object client.Object, decisions ...*volumeplan.Decision) {
	var all []decided
	for _, each := range decisions {
		claim := &each.Claim
		all = append(all, decided{
			Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, StorageClass: claim.StorageClass, Volume: claim.Volume,
			Source: claim.Source, Driver: claim.Driver, Handle: claim.Handle, Size: claim.Size, Mode: claim.Mode,
			Reason: each.Reason, Message: each.Message, Advice: each.Advice, Way: string(each.Way), Provider: each.Provider, Location: each.Location,
			SnapshotClass: each.SnapshotClass, KeepsSnapshot: each.KeepsSnapshot,
			Group: each.Group.Name, GroupClass: each.Group.Class, Required: each.Group.Required,
		})
	}
	text, err := json.Marshal(all)
	if err != nil {
		return // Text and numbers can be written.
	}
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[decidedAnnotation] = string(text)
	object.SetAnnotations(annotations)
}

// recorded returns for which decisions an object was made; none where it does not say so.
func recorded(object client.Object) []volumeplan.Decision {
	var all []decided
	if json.Unmarshal([]byte(object.GetAnnotations()[decidedAnnotation]), &all) != nil {
		return nil
	}
	var decisions []volumeplan.Decision
	for _, each := range all {
		decisions = append(decisions, volumeplan.Decision{
			Claim: volumeplan.Claim{
				Namespace: each.Namespace, Name: each.Name, UID: each.UID, StorageClass: each.StorageClass, Volume: each.Volume,
				Source: each.Source, Driver: each.Driver, Handle: each.Handle, Size: each.Size, Mode: each.Mode,
			},
			Verdict: volumeplan.Chosen, Reason: each.Reason, Message: each.Message, Advice: each.Advice,
			Way: volumeplan.Way(each.Way), Provider: each.Provider, Location: each.Location,
			SnapshotClass: each.SnapshotClass, KeepsSnapshot: each.KeepsSnapshot,
			Group: volumeplan.Group{Name: each.Group, Class: each.GroupClass, Required: each.Required},
		})
	}
	return decisions
}

// Begun returns the decisions for which earlier attempts at a run have asked for snapshots, or given orders. What an order says
// counts before a snapshot, and one that was cut by itself before a group that was to have it.
func (c *Client) Begun(ctx context.Context, run volumework.Run) ([]volumeplan.Decision, error) {
	begun := map[core.Key]volumeplan.Decision{}
	var ordered map[string]*kahuv1.VolumeBackupContent
	err := patiently(ctx, func() (err error) {
		ordered, err = c.orders(ctx, run)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, order := range ordered {
		if decision, is := decisionOf(order); is {
			begun[decision.Claim.Key()] = decision
		}
	}
	snapshots, err := c.made(ctx, run, func() *unstructured.UnstructuredList { return listOf(snapshotKind) })
	if err != nil {
		return nil, err
	}
	groups, err := c.begunGroups(ctx, run)
	if err != nil {
		return nil, err
	}
	for _, object := range slices.Concat(snapshots, groups) {
		for _, decision := range recorded(&object) {
			if _, known := begun[decision.Claim.Key()]; !known {
				begun[decision.Claim.Key()] = decision
			}
		}
	}
	return slices.Collect(maps.Values(begun)), nil
}

// begunGroups returns what stands for the groups of a run. Where the cluster serves none, or gives no right to them, there is none.
func (c *Client) begunGroups(ctx context.Context, run volumework.Run) ([]unstructured.Unstructured, error) {
	version, err := c.groupVersion()
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return c.made(ctx, run, func() *unstructured.UnstructuredList { return groupList(version, groupKind) })
}

// made returns what is there of a kind for a run, and is not being deleted.
func (c *Client) made(ctx context.Context, run volumework.Run, list func() *unstructured.UnstructuredList) ([]unstructured.Unstructured, error) {
	found := list()
	err := patiently(ctx, func() error { return c.api.List(ctx, found, ofRun(run)) })
	switch {
	case meta.IsNoMatchError(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("listing what was made for backup %s: %w", run.Name, err)
	}
	return slices.DeleteFunc(found.Items, func(each unstructured.Unstructured) bool { return each.GetDeletionTimestamp() != nil }), nil
}

// decisionOf returns for which decision an order was given, and whether it was one. What the order itself says counts.
func decisionOf(order *kahuv1.VolumeBackupContent) (volumeplan.Decision, bool) {
	spec := &order.Spec
	if spec.Existing != nil {
		return volumeplan.Decision{}, false // It is for a removal.
	}
	decision := volumeplan.Decision{Verdict: volumeplan.Chosen, Message: "an earlier attempt has ordered it from provider " + spec.ProviderName}
	if written := recorded(order); len(written) == 1 {
		decision = written[0]
	}
	claim := &decision.Claim
	claim.Namespace, claim.Name, claim.UID, claim.Volume = spec.Claim.Namespace, spec.Claim.Name, spec.Claim.UID, spec.PersistentVolume
	decision.Way, decision.Provider, decision.Location = volumeplan.Way(spec.Way), spec.ProviderName, spec.Location
	decision.KeepsSnapshot = order.Annotations[keepsSnapshot] == "true"
	if spec.Snapshot != nil {
		claim.Driver = spec.Snapshot.Driver
	}
	return decision, true
}
