package main

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// smallObjects is how many objects a small restore has.
const smallObjects = 1000

// smallNamespace is where they are.
const smallNamespace = "small"

// measureSmall restores a backup of 1,000 objects, which are in one namespace, into the full cluster and into an empty
// one, under other names, in alternating order.
func (b *bench) measureSmall(ctx context.Context, full *place) error {
	empty, err := b.prepareSmall(ctx)
	if err != nil {
		return err
	}
	if err := full.awaitView(ctx, smallNamespace); err != nil {
		return err
	}
	type target struct {
		what    string
		in      *place
		samples []sample
	}
	targets := []*target{{what: "full", in: full}, {what: "empty", in: empty}}
	for round := range b.rounds {
		for i := range targets {
			to := targets[(i+round)%len(targets)]
			b.sayf("into the %s cluster:", to.what)
			made, err := to.in.takeRestore(ctx, smallRestore(fmt.Sprintf("small-%d", round)))
			if err != nil {
				return err
			}
			to.samples = append(to.samples, made)
		}
	}
	b.judgeSmall(targets[0].samples, targets[1].samples)
	return empty.end()
}

// prepareSmall starts a cluster with the 1,000 objects and no others, and backs them up.
func (b *bench) prepareSmall(ctx context.Context) (*place, error) {
	made, err := b.prepare(ctx)
	if err != nil {
		return nil, err
	}
	few := population{objects: smallObjects, namespaces: 1, definitions: b.population.definitions}
	if _, err := made.post(ctx, few.spaces()); err != nil {
		return nil, err
	}
	if _, err := made.post(ctx, few.all()); err != nil {
		return nil, err
	}
	if err := made.accompany(ctx, "empty"); err != nil {
		return nil, err
	}
	_, err = made.backup(ctx, smallNamespace, namespaceName(0))
	return made, err
}

func smallRestore(name string) *kahuv1.Restore {
	return &kahuv1.Restore{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: kahuv1.RestoreSpec{
			BackupName: smallNamespace, NamespaceMapping: kahuv1.NamespaceMapping{namespaceName(0): name},
		},
	}
}

func (b *bench) judgeSmall(inFull, inEmpty []sample) {
	ofFull, ofEmpty := median(inFull), median(inEmpty)
	ratio := ofFull.took.Seconds() / ofEmpty.took.Seconds()
	b.sayf("objects/s, median (from, to): into the full cluster %s; into the empty one %s", span(inFull), span(inEmpty))
	b.judgef(ratio <= smallTarget, "%d objects into a cluster of %d / into an empty one: %.2f of the time (at most %.2f); "+
		"CPU of the manager %.2f s and %.2f s", smallObjects, b.population.objects, ratio, smallTarget,
		ofFull.cpu[manager].Seconds(), ofEmpty.cpu[manager].Seconds())
}
