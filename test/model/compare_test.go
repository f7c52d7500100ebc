package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// restore makes the restore, and compares the cluster after it.
func (r *runner) restore(backup []thing) string {
	want := restore(backup, r.Restore, r.Target)
	target := fakecluster.New(slices.Collect(maps.Values(kinds))...)
	target.Accounts = true
	put(r.t, target, r.Target)
	began, died := target.Now(), false
	if r.RestoreDies > 0 {
		ctx, end := dying(r.t.Context(), target, r.RestoreDies)
		_, err := r.restoring(ctx, target, restoreTry{attempt: "first", began: began})
		end()
		target.Intercept = nil
		died = errors.Is(err, errDied) || errors.Is(err, context.Canceled)
	}
	result, err := r.restoring(r.t.Context(), target, restoreTry{attempt: "second", began: began, resumed: r.RestoreDies > 0})
	if invalid := new(engine.InvalidError); errors.As(err, &invalid) {
		r.seen.restoresRefused.Add(1)
		if want.refused {
			return ""
		}
		return r.judgeRefusal(r.Restore.wish, backup, invalid)
	}
	if want.refused {
		return "the restore names a namespace that is not in the backup, or mixes two, and was not refused"
	}
	if difference := r.judgeEnd(err, want); difference != "" {
		return difference
	}
	r.seen.note(want)
	if died {
		r.seen.died.Add(1)
	}
	if len(r.Restore.Mapping) > 0 {
		r.seen.mapped.Add(1)
	}
	// An end at one of the last calls is the end of one that had done all: it is tried again, and finds what it has done.
	if difference := r.compareCounts(want, result, r.RestoreDies > 0); difference != "" {
		return difference
	}
	return r.compareCluster(want, target)
}

// restoreTry is one process's try at a restore.
type restoreTry struct {
	attempt string
	began   time.Time
	resumed bool
}

func (r *runner) restoring(ctx context.Context, target *fakecluster.Cluster, try restoreTry) (enginerestore.Result, error) {
	use := &enginerestore.Runner{Cluster: target, Clock: r.clock(), Creators: r.Workers}
	return use.Run(ctx, enginerestore.Request{
		ID: restoreID, Attempt: try.attempt, Began: try.began, Resumed: try.resumed, Existing: r.Restore.Policy, Prefix: r.Restore.Prefix,
		Backup: backupID, Filters: r.Restore.filters(), Transform: r.Restore.options(), Transforms: r.Restore.transforms(),
	}, r.files)
}

// judgeEnd compares the error at the end with what the model expects.
func (r *runner) judgeEnd(err error, want restored) string {
	exists := new(enginerestore.ExistsError)
	switch {
	case errors.As(err, &exists) && exists.Total == int64(want.inTheWay):
		return ""
	case errors.As(err, &exists):
		return fmt.Sprintf("%d objects are in the way, %d in the model", exists.Total, want.inTheWay)
	case err != nil:
		return "the restore: " + err.Error()
	case want.inTheWay > 0:
		return fmt.Sprintf("%d objects are in the way, and the restore did not fail", want.inTheWay)
	}
	return ""
}

func (o *outcome) note(want restored) {
	o.created.Add(int64(want.created))
	o.updated.Add(int64(want.updated))
	o.existing.Add(int64(want.existing))
	o.controlled.Add(int64(want.controlled))
	o.failed.Add(int64(want.failed))
	if want.inTheWay > 0 {
		o.inTheWay.Add(1)
	}
}

// compareCounts compares what the restore says that it has done. What an interrupted attempt deleted to create it again
// was not there when the next one came, nobody knows who took the last field from an object, and what the cluster makes in
// every namespace is taken for the cluster's where it has no field.
func (r *runner) compareCounts(want restored, result enginerestore.Result, interrupted bool) string { //nolint:revive // It says what had happened.
	if want.inTheWay > 0 {
		return ""
	}
	counts := []int64{
		int64(want.created), int64(want.updated), int64(want.existing), int64(want.controlled), int64(want.failed),
	}
	got := []int64{
		result.Counts.Created, result.Counts.Updated, result.Counts.Existing, result.Counts.Controlled, result.FailedTotal,
	}
	if interrupted && r.Restore.Policy == restoreplan.Recreate {
		counts[0], counts[1] = counts[0]+counts[1], 0
		got[0], got[1] = got[0]+got[1], 0
	}
	if interrupted && r.Restore.Policy == restoreplan.Update {
		counts[1], counts[2] = counts[1]+counts[2], 0
		got[1], got[2] = got[1]+got[2], 0
	}
	if took := counts[0] - got[0]; interrupted && took > 0 && took <= int64(want.unclaimed) {
		met, is := map[restoreplan.Policy]int{restoreplan.Update: 1, restoreplan.Fail: 4}[r.Restore.Policy]
		if !is {
			met = 2
		}
		counts[0], counts[met] = got[0], counts[met]+took
	}
	if diff := cmp.Diff(counts, got); diff != "" {
		return fmt.Sprintf("created, updated, existing, controlled and failed (-model +product):\n%s%+v", diff, result.Failed)
	}
	return ""
}

// isClusterMade tells whether Kubernetes makes the thing by itself in every namespace.
func isClusterMade(t thing) bool { return t.Kind == "ServiceAccount" && t.Name == "default" }

// hasContent tells whether there is anything in a value.
func hasContent(value any) bool {
	switch value := value.(type) {
	case nil:
		return false
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(value)), hasContent)
	}
	return true
}

// compareCluster compares every object with what the model makes of it.
func (r *runner) compareCluster(want restored, target *fakecluster.Cluster) string {
	got := map[string]any{}
	for _, kind := range kinds {
		err := target.List(r.t.Context(), core.ListRequest{Kind: kind}, func(page core.Page) error {
			for _, object := range page.Objects {
				content, err := stripped(r.t, target, object)
				if err != nil {
					return err
				}
				got[keyOf(kind.Name, object.Namespace, object.Name)] = content
			}
			return nil
		})
		if err != nil {
			return "listing: " + err.Error()
		}
	}
	if diff := cmp.Diff(want.contents(), got); diff != "" {
		return "the cluster after the restore (-model +product):\n" + diff
	}
	return ""
}

// stripped is the content of an object without what a cluster gives, and with a word for each owner: whether it is living.
func stripped(tb testing.TB, in *fakecluster.Cluster, object core.Object) (map[string]any, error) {
	tb.Helper()
	content := map[string]any{}
	if err := json.Unmarshal(object.JSON, &content); err != nil {
		return nil, err
	}
	for _, field := range []string{"apiVersion", "kind"} {
		delete(content, field)
	}
	metadata := content["metadata"].(map[string]any)
	for _, field := range []string{"name", "namespace", "uid", "ownerReferences"} {
		delete(metadata, field)
	}
	content = shape(content)
	var owners []any
	for _, each := range object.Owners {
		namespace := object.Namespace
		if !kinds[each.Kind].Namespaced {
			namespace = ""
		}
		word := "dead"
		if found, err := in.Get(tb.Context(), kinds[each.Kind], namespace, each.Name); err == nil && found.UID == each.UID {
			word = "living"
		}
		owners = append(owners, map[string]any{"kind": each.Kind, "name": each.Name, "uid": word})
	}
	if owners != nil {
		content["owners"] = owners
	}
	return content, nil
}
