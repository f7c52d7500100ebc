package main

import (
	"context"
	"fmt"
	"maps"

	"github.com/soda-cdm/kahu/test/demo/compare"
)

// restoring is one restore of the story.
type restoring struct {
	name     string
	to       *cluster
	flags    []string
	served   kinds        // where to look for the objects before they are back
	known    compare.Copy // what is in the cluster and has nothing to do with it
	before   compare.Copy // what must be back
	all      compare.Copy // the whole copy, of which that is a part
	mapping  compare.Mapping
	sabotage bool
}

// restore sees that nothing is there, restores, waits until the controllers have done their part, and compares.
func (s *story) restore(ctx context.Context, wish restoring) error {
	absent, err := s.nothing(ctx, wish)
	if err != nil {
		return err
	}
	args := append([]string{"restore", "create", wish.name, "--backup", backupName, "--wait"}, wish.flags...)
	told, err := wish.to.kahu(ctx, args...)
	if err != nil {
		return err
	}
	s.say.linef("%s", told)
	promised := map[compare.Group]int{}
	for group, count := range wish.before.Made() {
		promised[wish.mapping.Group(group)] += count
	}
	// What controllers have not done in time is found by the comparison, with more words.
	late := wish.to.settle(ctx, wish.known, promised)
	if wish.sabotage {
		if err := s.alter(ctx, wish.to); err != nil {
			return err
		}
	}
	after, _, err := wish.to.copy(ctx)
	if err != nil {
		return err
	}
	s.back = after
	comparison := compare.Comparison{
		Before: wish.before, Whole: wish.all, After: after, Known: wish.known, Absent: absent, Mapping: wish.mapping,
	}
	return s.judge(comparison, late)
}

// nothing asks for every object that is to come back, and returns those for which the API server answers 404.
func (s *story) nothing(ctx context.Context, wish restoring) (map[compare.Key]bool, error) {
	var keys []compare.Key
	for key := range wish.before.Authored() {
		keys = append(keys, wish.mapping.Key(key))
	}
	absent, err := wish.to.absent(ctx, keys, wish.served)
	if err != nil {
		return nil, err
	}
	gone := maps.Clone(absent)
	maps.DeleteFunc(gone, func(_ compare.Key, missing bool) bool { return !missing })
	s.say.linef("the API server answers 404 for %d of %d objects", len(gone), len(keys))
	return absent, nil
}

// alter changes one object on purpose.
func (s *story) alter(ctx context.Context, in *cluster) error {
	_, err := in.kubectl(ctx, "patch", "configmap", "web", "--namespace=shop", "--type=merge",
		`--patch={"data":{"greeting":"sabotage"}}`)
	if err == nil {
		s.say.linef("SABOTAGE: ConfigMap shop/web was altered")
	}
	return err
}

// judge compares, and tells the outcome.
func (s *story) judge(comparison compare.Comparison, late error) error {
	result := comparison.Compare()
	authored := len(comparison.Before.Authored())
	s.say.linef("compared %d of %d objects field by field, %d values; made again by controllers: %d of %d; differences: %d",
		result.Compared, authored, result.Fields, result.MadeAgain, len(comparison.Before)-authored, len(result.Differences))
	const most = 50
	for i, difference := range result.Differences {
		if i == most {
			s.say.linef("  ... and %d more", len(result.Differences)-most)
			break
		}
		s.say.linef("  %s", difference)
	}
	if len(result.Differences) > 0 || result.Compared != authored {
		return fmt.Errorf("%w: %d differences", errDifferent, len(result.Differences))
	}
	s.totals.restores++
	s.totals.compared += result.Compared
	s.totals.fields += result.Fields
	s.totals.made += result.MadeAgain
	return late
}
