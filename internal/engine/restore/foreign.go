package restore

import (
	"context"
	"errors"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// judgeDrivers finds claims whose class cannot make a volume from the snapshot that is their backup. They fail before their provider
// is asked, which would say so too, but knows nothing of what gave them the class.
func (r *run) judgeDrivers(ctx context.Context, kind core.Kind, rehearsal *draft.Rehearsal, wanted wishes) error {
	look := &provisioners{run: r, kind: kind, rehearsal: rehearsal, known: map[string]string{}, keeps: map[string]bool{}}
	for _, wish := range wanted.sorted() {
		lost := map[string][]string{}
		for _, item := range wanted[wish] {
			if err := look.judge(ctx, wish, item, lost); err != nil {
				return err
			}
		}
		for why, claims := range lost {
			if r.request.DryRun {
				r.problems = append(r.problems, why+": needed by "+restoreplan.NamesOfClaims(claims))
			}
		}
	}
	return nil
}

// provisioners looks up who makes the volumes of storage classes, and whose backups are snapshots.
type provisioners struct {
	run       *run
	kind      core.Kind
	rehearsal *draft.Rehearsal
	known     map[string]string // by the class
	keeps     map[string]bool   // by the provider
}

// judge takes note of a claim of a class that makes no volume from its backup, under the reason.
func (p *provisioners) judge(ctx context.Context, wish restoreplan.ClassWish, item *restoreplan.Item, lost map[string][]string) error {
	data := p.run.data[item]
	if data == nil || data.there != "" || data.state != claimOpen {
		return nil
	}
	provisioner, err := p.foreign(ctx, wish.Class, data.row)
	if err != nil || provisioner == "" {
		return err
	}
	why := wish.Foreign(provisioner, data.row.Driver)
	data.unfit = errors.New(why)
	p.run.lose(item, data.unfit)
	lost[why] = append(lost[why], engine.Path(data.key.Namespace, data.key.Name))
	return nil
}

// foreign returns the provisioner of a class which makes no volume from the backup; empty where it makes one, or nobody knows.
func (p *provisioners) foreign(ctx context.Context, class string, row *archive.Volume) (string, error) {
	if volumeplan.Way(row.Way) != volumeplan.Snapshot {
		return "", nil
	}
	keeps, asked := p.keeps[row.Provider]
	if !asked {
		var err error
		if keeps, err = p.run.request.Volumes.KeepsSnapshots(ctx, row.Provider); err != nil {
			return "", err
		}
		p.keeps[row.Provider] = keeps
	}
	if !keeps {
		return "", nil
	}
	provisioner, err := p.of(ctx, class)
	if err != nil || restoreplan.TakesSnapshots(provisioner, row.Driver) {
		return "", err
	}
	return provisioner, nil
}

// of returns the provisioner of a class that is in the cluster or in the restore; empty where it is in neither.
func (p *provisioners) of(ctx context.Context, class string) (string, error) {
	if found, known := p.known[class]; known {
		return found, nil
	}
	object, err := p.run.Cluster.Get(ctx, p.kind, "", class)
	switch {
	case errors.Is(err, core.ErrNotFound):
		err = p.rehearsal.Each(ctx, p.run.planned(p.kind), func(seen draft.Rehearsed) {
			if seen.Item.Name == class {
				p.known[class], _ = seen.After["provisioner"].(string)
			}
		})
		return p.known[class], err
	case err != nil:
		return "", fmt.Errorf("reading StorageClass %s: %w", class, err)
	}
	var found struct {
		Provisioner string `json:"provisioner"`
	}
	if err := utiljson.Unmarshal(object.JSON, &found); err != nil {
		return "", fmt.Errorf("%s is not the JSON of an object: %w", object.Key(), core.ErrCorrupt)
	}
	p.known[class] = found.Provisioner
	return found.Provisioner, nil
}

// doomed returns why a run would not create an object that the API server takes; nil where it would.
func (r *run) doomed(wish draft.Draft) error {
	if data := r.data[wish.Item]; data != nil && data.unfit != nil {
		return data.unfit
	}
	if lost, is := errors.AsType[*volumeError](r.holdBack(wish)); is {
		return lost
	}
	return nil
}
