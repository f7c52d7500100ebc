package inspect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// DiffLine is a line of an answer that says how an object differs.
type DiffLine struct {
	Op         diff.Op     `json:"op"`
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Resource   string      `json:"resource"`
	Namespace  string      `json:"namespace,omitempty"`
	Name       string      `json:"name"`
	Fields     []FieldLine `json:"fields,omitempty"`
}

// FieldLine says how a field of an object differs. The values are cut, and hidden where they are a secret.
type FieldLine struct {
	Path string  `json:"path"`
	Op   diff.Op `json:"op"`
	Old  string  `json:"old,omitempty"`
	New  string  `json:"new,omitempty"`
}

// DiffCounts is the last line of the answer.
type DiffCounts struct {
	Added     int64 `json:"added"`
	Removed   int64 `json:"removed"`
	Changed   int64 `json:"changed"`
	Unchanged int64 `json:"unchanged"`
}

// DiffRequest asks how what is in a backup differs from something newer.
type DiffRequest struct {
	// Old is the backup.
	Old Stored
	// New is the other backup, at whatever location; nil means the cluster.
	New *Stored
	// Filters are those of the old backup, for the cluster: what they choose and what is not in the backup was added.
	Filters selection.Filters
	// Fields asks for the fields that differ.
	Fields bool
	// Page names a page of the answer; empty means the first.
	Page string
}

// Cluster is what a comparison asks of a cluster.
type Cluster interface {
	engine.KindLister
	engine.ObjectLister
}

// The limits of a comparison.
const (
	// diffBytes bounds the contents that are held at once, but for the last object.
	diffBytes = 4 << 20
	// fieldText bounds a value that is shown, and maxFields the fields of one object.
	fieldText = 256
	maxFields = 100
)

// Diff returns a page of how objects differ, in the order of their kinds and names, and their counts at the end.
// Objects of one digest are not read; others are, and count as unchanged where they differ in nothing but what the API
// server gives. The pages of a comparison with the cluster are of different moments.
func Diff(ctx context.Context, cluster Cluster, request DiffRequest) (inspection.Page, error) {
	old, oldContents, err := request.Old.open(ctx)
	if err != nil {
		return inspection.Page{}, err
	}
	question := []string{"Diff", request.Old.Backup.String(), string(old.Index.Digest), fmt.Sprint(request.Fields)}
	compare := func(d *differ) error { return d.withCluster(ctx, cluster, request.Filters) }
	d := &differ{request: request, old: old, oldContents: oldContents}
	if request.New != nil {
		next, nextContents, err := request.New.open(ctx)
		if err != nil {
			return inspection.Page{}, fmt.Errorf("the backup to compare with: %w", err)
		}
		d.next, d.nextContents = next, nextContents
		question = append(question, request.New.Backup.String(), string(next.Index.Digest))
		compare = func(d *differ) error { return d.withBackup(ctx) }
	}
	if d.pager, err = inspection.NewPager(question, request.Page); err != nil {
		return inspection.Page{}, err
	}
	if err := d.run(ctx, compare); err != nil {
		return inspection.Page{}, err
	}
	if err := d.pager.Offer(d.counts); err != nil {
		return inspection.Page{}, err
	}
	return d.pager.Page()
}

// differ goes through two streams of objects in one order.
type differ struct {
	request   DiffRequest
	old, next archive.Manifest
	// what reads their files
	oldContents, nextContents *engine.Contents

	pager  *inspection.Pager
	counts DiffCounts

	head    func() (archive.Record, bool) // the old object that is next
	advance func() error

	pending []*difference // in order
	bytes   int64
}

// difference is an object that is in one of the streams only, or in both with different digests.
type difference struct {
	op        diff.Op
	kind      core.Kind
	key       core.Key
	old, next archive.Record
	before    []byte // set by readSide
	after     []byte // set by readSide, or what the cluster has
}

// run compares the streams; that the index of the old backup is as it was written is known at its end.
func (d *differ) run(ctx context.Context, compare func(d *differ) error) error {
	pull, stop := iter.Pull2(indexOf(ctx, d.oldContents, d.old.Index))
	defer stop()
	var record archive.Record
	there := true
	d.head = func() (archive.Record, bool) { return record, there }
	d.advance = func() error {
		var err error
		if record, err, there = pull(); err != nil {
			return err
		}
		return nil
	}
	if err := d.advance(); err != nil {
		return err
	}
	if err := compare(d); err != nil {
		return err
	}
	if err := d.removeUntil(ctx, nil); err != nil {
		return err
	}
	return d.flush(ctx)
}

// indexOf returns the records of an index, and at the end an error where it is not as it was written.
func indexOf(ctx context.Context, files *engine.Contents, index archive.File) iter.Seq2[archive.Record, error] {
	return func(yield func(archive.Record, error) bool) {
		stopped := errors.New("stopped")
		err := files.EachRecord(ctx, index, func(record archive.Record) error {
			if !yield(record, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(archive.Record{}, err)
		}
	}
}

// withBackup compares with another backup.
func (d *differ) withBackup(ctx context.Context) error {
	for record, err := range indexOf(ctx, d.nextContents, d.next.Index) {
		if err != nil {
			return fmt.Errorf("the backup to compare with: %w", err)
		}
		found := &difference{op: diff.Added, kind: record.Kind, key: record.Key(), next: record}
		if err := d.meet(ctx, found, record.Digest); err != nil {
			return err
		}
	}
	return nil
}

// withCluster compares with the cluster. What is in it, was not chosen and is not in the backup is nobody's concern.
func (d *differ) withCluster(ctx context.Context, cluster Cluster, filters selection.Filters) error {
	served, _, err := cluster.Kinds(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	served = selection.Cohabiting(served)
	slices.SortFunc(served, func(a, b core.Kind) int { return keyOf(a).Compare(keyOf(b)) })
	stored, kinds := map[core.Key]bool{}, slices.Clone(served)
	for i := range d.old.Kinds {
		stored[keyOf(d.old.Kinds[i].Kind)] = true
		kinds = append(kinds, d.old.Kinds[i].Kind)
	}
	selector, problems := selection.Compile(filters, kinds)
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	for _, kind := range served {
		if !stored[keyOf(kind)] && selector.Kind(kind).Skip {
			continue
		}
		err := cluster.List(ctx, core.ListRequest{Kind: kind}, func(page core.Page) error {
			return d.meetPage(ctx, selector, page)
		})
		if err != nil {
			return fmt.Errorf("%w: %w", engine.ErrCluster, err)
		}
	}
	return nil
}

// keyOf stands for all objects of a kind, in the order of the index.
func keyOf(kind core.Kind) core.Key { return core.Key{Group: kind.Group, Resource: kind.Resource} }

func (d *differ) meetPage(ctx context.Context, selector *selection.Selector, page core.Page) error {
	for _, object := range page.Objects {
		if err := d.removeUntil(ctx, new(object.Key())); err != nil {
			return err
		}
		head, there := d.head()
		if (!there || head.Key() != object.Key()) && !selector.Object(object.Kind, object.Namespace, object.Name, object.Labels).In {
			continue
		}
		found := &difference{op: diff.Added, kind: object.Kind, key: object.Key(), after: object.JSON}
		if err := d.meet(ctx, found, archive.DigestOf(object.JSON)); err != nil {
			return err
		}
	}
	return nil
}

// meet compares an object of the newer stream with the older one.
func (d *differ) meet(ctx context.Context, found *difference, digest archive.Digest) error {
	if err := d.removeUntil(ctx, &found.key); err != nil {
		return err
	}
	head, there := d.head()
	if !there || head.Key() != found.key {
		return d.hold(ctx, found, 0)
	}
	if err := d.advance(); err != nil {
		return err
	}
	if head.Digest == digest {
		d.counts.Unchanged++
		return nil
	}
	found.op, found.old = diff.Changed, head
	return d.hold(ctx, found, head.Length+max(found.next.Length, int64(len(found.after))))
}

// removeUntil holds the old objects before the key, all where there is none: the newer stream has them no more.
func (d *differ) removeUntil(ctx context.Context, key *core.Key) error {
	for {
		head, there := d.head()
		if !there || key != nil && head.Key().Compare(*key) >= 0 {
			return nil
		}
		if err := d.hold(ctx, &difference{op: diff.Removed, kind: head.Kind, key: head.Key()}, 0); err != nil {
			return err
		}
		if err := d.advance(); err != nil {
			return err
		}
	}
}

// hold keeps a difference until enough of them are there to be read together.
func (d *differ) hold(ctx context.Context, found *difference, bytes int64) error {
	d.pending, d.bytes = append(d.pending, found), d.bytes+bytes
	if found.op != diff.Changed {
		found.after = nil
	}
	if len(d.pending) < engine.Chunk && d.bytes < diffBytes {
		return nil
	}
	return d.flush(ctx)
}

// flush reads what is pending and writes its lines.
func (d *differ) flush(ctx context.Context) error {
	changed := slices.DeleteFunc(slices.Clone(d.pending), func(each *difference) bool { return each.op != diff.Changed })
	err := readSide(ctx, d.oldContents, &d.old, changed, func(each *difference) (archive.Record, *[]byte) { return each.old, &each.before })
	if err == nil && d.request.New != nil {
		err = readSide(ctx, d.nextContents, &d.next, changed, func(each *difference) (archive.Record, *[]byte) { return each.next, &each.after })
	}
	if err != nil {
		return err
	}
	for _, each := range d.pending {
		if err := d.write(each); err != nil {
			return err
		}
	}
	d.pending, d.bytes = nil, 0
	return nil
}

// readSide reads the contents of one side of the differences.
func readSide(
	ctx context.Context, files *engine.Contents, manifest *archive.Manifest, changed []*difference, side func(*difference) (archive.Record, *[]byte),
) error {
	records := make([]archive.Record, 0, len(changed))
	targets := make(map[core.Key]*[]byte, len(changed))
	for _, each := range changed {
		record, target := side(each)
		records, targets[each.key] = append(records, record), target
	}
	return files.Objects(ctx, manifest, records, func(record archive.Record, content []byte) error {
		*targets[record.Key()] = slices.Clone(content)
		return nil
	})
}

// write writes the line of a difference, if it is one.
func (d *differ) write(each *difference) error {
	line := DiffLine{
		Op: each.op, APIVersion: each.kind.APIVersion(), Kind: each.kind.Name, Resource: each.kind.Resource,
		Namespace: each.key.Namespace, Name: each.key.Name,
	}
	switch each.op {
	case diff.Added:
		d.counts.Added++
	case diff.Removed:
		d.counts.Removed++
	case diff.Changed, diff.Reordered:
		fields, err := fieldsOf(each)
		if err != nil {
			return err
		}
		if len(fields) == 0 {
			d.counts.Unchanged++
			return nil
		}
		d.counts.Changed++
		if d.request.Fields {
			line.Fields = fieldLines(fields)
		}
	}
	return d.pager.Offer(line)
}

func fieldsOf(each *difference) ([]diff.Field, error) {
	var before, after map[string]any
	for _, side := range []struct {
		content []byte
		object  *map[string]any
	}{{each.before, &before}, {each.after, &after}} {
		// The decoder's own words could quote the content of a Secret.
		if err := utiljson.Unmarshal(side.content, side.object); err != nil {
			return nil, fmt.Errorf("%s is not the JSON of an object: %w", each.key, core.ErrCorrupt)
		}
	}
	return diff.Objects(each.kind, before, after), nil
}

func fieldLines(fields []diff.Field) []FieldLine {
	lines := make([]FieldLine, 0, min(len(fields), maxFields))
	for _, field := range fields[:min(len(fields), maxFields)] {
		old, next := field.Texts(fieldText)
		lines = append(lines, FieldLine{Path: field.Path, Op: field.Op, Old: old, New: next})
	}
	return lines
}
