package preview

import (
	"context"
	"errors"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// judge asks the API server what would come of an object.
func (p *run) judge(ctx context.Context, wish draft.Draft, row *Row) {
	_, err := p.Cluster.TryCreate(ctx, row.Kind, wish.Object, p.Manager)
	switch {
	case err == nil:
		row.Action, row.Checked = Create, true
	case p.waitsForNamespace(row.Key.Namespace, err):
		row.Action, row.Reason = Create, "not checked by the API server, as the restore makes its namespace"
	case p.Drafts.NameIsTaken(ctx, wish, err):
		row.Checked = true
		p.judgeExisting(ctx, wish, row)
	default:
		p.judgeRefused(err, row)
		if isRefusal(err) {
			p.judgeWanting(ctx, wish, row)
		}
	}
}

// judgeDoomed makes a conflict of an object that the API server takes, and that would not be created for another reason.
func (p *run) judgeDoomed(wish draft.Draft, row *Row) {
	if row.Action != Create || p.Doomed == nil {
		return
	}
	if why := p.Doomed(wish); why != nil {
		row.Action, row.Reason = Conflict, why.Error()
	}
}

// judgeRefused tells an object that the API server cannot check yet from one that it does not take.
func (p *run) judgeRefused(err error, row *Row) {
	homeless := errors.Is(err, core.ErrNotFound) && row.Key.Namespace != ""
	unserved := errors.Is(err, core.ErrUnsupported)
	row.Action, row.Checked, row.Reason = Conflict, true, err.Error()
	switch {
	case unserved && p.defined[row.Kind.GroupResource().String()]:
		row.Action, row.Checked = Create, false
		row.Reason = "not checked by the API server, which serves its kind when the restore has made the definition"
	case unserved:
		row.Reason = "the API server does not serve its kind, and the definition is not in the plan: " + row.Reason
	case homeless:
		row.Reason = "its namespace is not there, and would not be made: " + row.Reason
	}
}

// judgeExisting says what would come of an object that is there, by the policy.
func (p *run) judgeExisting(ctx context.Context, wish draft.Draft, row *Row) {
	living, err := p.Cluster.Living(ctx, row.Kind, row.Key.Namespace, row.Key.Name)
	shared := p.Drafts.Shared(wish.Item)
	switch {
	case err != nil:
		row.Action, row.Reason = Conflict, err.Error()
		return
	case living.Terminating && (shared || p.Policy != restoreplan.Fail):
		row.Action, row.Checked, row.Reason = Create, false, whyLeaving(living)
		return
	}
	p.Drafts.Remember(wish.Item, living.UID) // What stays or is written over is the owner that it was.
	if shared {
		row.Action, row.Reason = Skip, draft.WhyShared
		return
	}
	row.Action, row.Reason = Skip, "an object of that name is there already"
	switch p.Policy {
	case restoreplan.Update, restoreplan.Recreate:
		p.judgeChange(ctx, wish, living, row)
	case restoreplan.Fail:
		row.Action, row.Reason = Conflict, "an object of that name is there already, and the policy is Fail"
	case restoreplan.Skip:
	}
}

// whyLeaving says what an object waits for whose name one has that is being deleted.
func whyLeaving(living core.Living) string {
	why := "not checked by the API server, as an object of that name is being deleted: the restore waits for it to go"
	if len(living.Finalizers) > 0 {
		why += fmt.Sprintf(", and it waits for its finalizers %v", living.Finalizers)
	}
	return why
}

// judgeChange says what would come of writing over an object that is there, or of making it anew.
func (p *run) judgeChange(ctx context.Context, wish draft.Draft, living core.Living, row *Row) {
	before, next, err := p.Drafts.Merge(ctx, wish)
	var tried core.Object
	if err == nil {
		tried, err = p.Cluster.TryUpdate(ctx, row.Kind, next, p.Updater)
	}
	if err == nil {
		row.show(wish.Differences(before, tried))
	}
	decided := restoreplan.ToRecreate(living)
	switch {
	case err == nil && row.FieldsTotal == 0:
		row.Action, row.Reason = Unchanged, "it is as in the backup"
	case p.Policy == restoreplan.Recreate && decided.Refused != "":
		row.Action, row.Reason = Conflict, "it differs and is not recreated, as "+decided.Refused
	case p.Policy == restoreplan.Recreate:
		row.Action, row.Reason = Recreate, "it differs"
	case err != nil:
		row.Action, row.Reason = Conflict, draft.UpdateRefused(err).Error()
	default:
		row.Action, row.Reason = Update, "it differs"
	}
}

// waitsForNamespace tells whether an object was refused because the restore makes its namespace first. It is not there, or is
// being deleted, which conflicts with whatever is to be created in it.
func (p *run) waitsForNamespace(namespace string, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.namespaces[namespace] && (errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrConflict))
}
