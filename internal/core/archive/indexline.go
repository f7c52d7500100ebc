package archive

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// IndexedKind is one kind of a backup, with the number of its objects.
type IndexedKind struct {
	// Kind is the kind as the server served it.
	Kind core.Kind
	// Count is the number of objects of the kind in the index.
	Count int64
	// ListResourceVersion is the version of the collection as it was listed; empty where its objects were read one by
	// one.
	ListResourceVersion string
}

// kindLine is how a kind is written, in an index and in a manifest.
type kindLine struct {
	Group               string   `json:"group"`
	Version             string   `json:"version"`
	Kind                string   `json:"kind"`
	Resource            string   `json:"resource"`
	Singular            string   `json:"singular,omitempty"`
	ShortNames          []string `json:"shortNames,omitempty"`
	Namespaced          bool     `json:"namespaced"`
	Custom              bool     `json:"custom,omitempty"`
	Definition          string   `json:"definition,omitempty"`
	Count               int64    `json:"count"`
	ListResourceVersion string   `json:"listResourceVersion,omitempty"`
}

func (k *IndexedKind) line() kindLine {
	return kindLine{
		Group: k.Kind.Group, Version: k.Kind.Version, Kind: k.Kind.Name, Resource: k.Kind.Resource,
		Singular: k.Kind.Singular, ShortNames: k.Kind.ShortNames, Namespaced: k.Kind.Namespaced, Custom: k.Kind.Custom,
		Definition: k.Kind.Definition, Count: k.Count, ListResourceVersion: k.ListResourceVersion,
	}
}

func (l *kindLine) kind() IndexedKind {
	return IndexedKind{
		Kind: core.Kind{
			Group: l.Group, Version: l.Version, Name: l.Kind, Resource: l.Resource,
			Singular: l.Singular, ShortNames: l.ShortNames, Namespaced: l.Namespaced, Custom: l.Custom,
			Definition: l.Definition,
		},
		Count: l.Count, ListResourceVersion: l.ListResourceVersion,
	}
}

// check returns core.ErrInvalid where the kind cannot be true.
func (k *IndexedKind) check() error {
	if err := checkKind(k.Kind); err != nil {
		return err
	}
	if k.Kind.Name == "" || k.Count < 0 {
		return fmt.Errorf("%s: kind %q with %d objects: %w",
			k.Kind.GroupResource(), clip(k.Kind.Name), k.Count, core.ErrInvalid)
	}
	return nil
}

// indexHeader is the first line of an index.
type indexHeader struct {
	FormatVersion int   `json:"formatVersion"`
	Kinds         int   `json:"kinds"`
	Objects       int64 `json:"objects"`
}

// recordLine is how a record is written in an index, below the line of its kind.
type recordLine struct {
	Namespace       string            `json:"namespace,omitempty"`
	Name            string            `json:"name"`
	UID             types.UID         `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels,omitempty"`
	Owners          []core.Owner      `json:"owners,omitempty"`
	Reason          core.Reason       `json:"reason"`
	Segment         string            `json:"segment"`
	FrameOffset     int64             `json:"frameOffset"`
	FrameLength     int64             `json:"frameLength"`
	Offset          int64             `json:"offset"`
	Length          int64             `json:"length"`
	Digest          Digest            `json:"digest"`
}

func lineOf(r *Record) recordLine {
	return recordLine{
		Namespace: r.Namespace, Name: r.Name, UID: r.UID, ResourceVersion: r.ResourceVersion,
		Labels: r.Labels, Owners: r.Owners, Reason: r.Reason,
		Segment: r.Frame.Segment, FrameOffset: r.Frame.Offset, FrameLength: r.Frame.Length,
		Offset: r.Offset, Length: r.Length, Digest: r.Digest,
	}
}

func (l *recordLine) record(kind core.Kind) Record {
	return Record{
		Kind: kind, Namespace: l.Namespace, Name: l.Name, UID: l.UID, ResourceVersion: l.ResourceVersion,
		Labels: l.Labels, Owners: l.Owners, Reason: l.Reason, Digest: l.Digest,
		Frame:  FrameRef{Segment: l.Segment, Offset: l.FrameOffset, Length: l.FrameLength},
		Offset: l.Offset, Length: l.Length,
	}
}
