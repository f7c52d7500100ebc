package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/soda-cdm/kahu/test/demo/compare"
)

const (
	providerName = "filesystem"
	locationName = "demo"
	backupName   = "everything"
)

// story is what happens, with what one chapter leaves for the next.
type story struct {
	stage         *stage
	say           *teller
	sabotage      bool
	first, second *cluster
	known         compare.Copy // what the first cluster had before the application
	was           compare.Copy // the application
	back          compare.Copy // all that was there after the last restore
	served        kinds        // what the first cluster served with the application
	totals        totals
}

// totals are the counts in which the story ends.
type totals struct {
	restores, compared, fields, made int
}

func newStory(stage *stage, wish options) *story {
	return &story{
		stage: stage, say: stage.tell, sabotage: wish.sabotage,
		first: stage.clusters[0], second: stage.clusters[1],
	}
}

// perform plays the chapters, the start of the second cluster beside those that need the first one alone.
func (s *story) perform(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var failure error
	arrived := make(chan struct{})
	go func() {
		defer close(arrived)
		failure = s.second.up(ctx)
	}()
	defer func() {
		cancel()
		<-arrived
	}()
	s.say.chapterf("Kahu backs up an application, loses it, and restores it three times. Objects only: there is no kubelet\n" +
		"here, so pods do not run, and volumes have no data. Everything else is a real Kubernetes.")
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := s.save(ctx); err != nil {
		return err
	}
	if err := s.lose(ctx); err != nil {
		return err
	}
	if err := s.restoreHere(ctx); err != nil {
		return err
	}
	if <-arrived; failure != nil {
		return failure
	}
	if err := s.restoreThere(ctx); err != nil {
		return err
	}
	s.conclude()
	return nil
}

// prepare starts the first cluster with Kahu beside it, and deploys the application.
func (s *story) prepare(ctx context.Context) error {
	s.say.chapterf("1. A cluster with an application")
	if err := s.first.up(ctx); err != nil {
		return err
	}
	s.say.linef("the first cluster is up, a second one is on its way")
	if err := s.accompany(ctx, s.first); err != nil {
		return err
	}
	var err error
	if s.known, _, err = s.first.copy(ctx); err != nil {
		return err
	}
	if err := s.deploy(ctx, s.first); err != nil {
		return err
	}
	promised, err := s.promised(ctx, s.first)
	if err != nil {
		return err
	}
	if err := s.first.settle(ctx, s.known, promised); err != nil {
		return err
	}
	var all compare.Copy
	if all, s.served, err = s.first.copy(ctx); err != nil {
		return err
	}
	s.was = all.Without(s.known)
	authored := s.was.Authored()
	s.say.linef("the application is deployed: %d objects of %d kinds in the namespaces shop and shop-data and at cluster scope,\n"+
		"and %d that controllers have made for them", len(authored), authored.Kinds(), len(s.was)-len(authored))
	s.say.linef("kubectl took a copy of all of them")
	return nil
}

// accompany runs Kahu beside a cluster, with further flags, and makes the location known there.
func (s *story) accompany(ctx context.Context, to *cluster, flags ...string) error {
	name := "kahu-" + to.name
	process, err := s.stage.start(name, nil, s.stage.program("kahu"), append([]string{
		"standalone", "--kubeconfig", to.kubeconfig, "--store", s.stage.store(), "--state", filepath.Join(s.stage.dir, name), "--install-crds",
	}, flags...)...)
	if err != nil {
		return err
	}
	ctx, release := process.guard(ctx)
	defer release()
	if err := to.serve(); err != nil {
		return err
	}
	for _, wait := range [][]string{
		// One by one: kubectl gives up at once where two things to wait for are not there yet.
		{"crd/providers.kahu.io", "--for=condition=Established"},
		{"crd/backuplocations.kahu.io", "--for=condition=Established"},
		{"crd/backups.kahu.io", "--for=condition=Established"},
		{"providers.kahu.io/" + providerName},
	} {
		_, err := to.kubectl(ctx, append([]string{"wait", "--for=create", "--timeout=60s"}, wait...)...)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
	told, err := to.kahu(ctx, "location", "create", locationName, "--provider", providerName, "--wait")
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	s.say.linef("kahu standalone runs beside the %s cluster; %s", to.name, told)
	return nil
}

// save backs up the whole cluster.
func (s *story) save(ctx context.Context) error { return backUp(ctx, s.say, s.first, locationName) }

// backUp makes the backup of a whole cluster at a location.
func backUp(ctx context.Context, say *teller, of *cluster, location string) error {
	say.chapterf("2. A backup of the whole cluster")
	told, err := of.kahu(ctx, "backup", "create", backupName, "--location", location, "--volume-data=false", "--wait")
	if err != nil {
		return err
	}
	say.linef("%s", told)
	return nil
}

// lose deletes the application, and sees that every object is gone.
func (s *story) lose(ctx context.Context) error {
	s.say.chapterf("3. The application is lost")
	var namespaces, others []string
	for _, key := range s.was.Authored().Keys() {
		kind := s.served.of(key)
		word := strings.TrimSuffix(kind.Name+"."+kind.Group, ".") + "/" + key.Name
		switch {
		case key.Namespace != "":
		case key.Kind == "Namespace":
			namespaces = append(namespaces, word)
		case key.Group != "shop.example.com": // Those go with their definitions.
			others = append(others, word)
		}
	}
	for _, words := range [][]string{
		// A namespace looks only now and then whether what has finalizers is gone. That are claims, which wait for the pods
		// that use them, and the pods of jobs; so these go first.
		{"statefulsets,jobs", "--all", "--all-namespaces", "--cascade=foreground"},
		{"persistentvolumeclaims", "--all", "--all-namespaces"},
		namespaces, others,
	} {
		if _, err := s.first.kubectl(ctx, append([]string{"delete", "--timeout=90s"}, words...)...); err != nil {
			return err
		}
	}
	s.say.linef("kubectl deleted both namespaces, the definitions and all else at cluster scope")
	return nil
}

// restoreHere restores into the first cluster: all of it, and then one namespace under another name.
func (s *story) restoreHere(ctx context.Context) error {
	s.say.chapterf("4. A restore into the same cluster")
	err := s.restore(ctx, restoring{
		name: "back", to: s.first, served: s.served, known: s.known, before: s.was, all: s.was,
		sabotage: s.sabotage,
	})
	if err != nil {
		return err
	}
	s.say.chapterf("5. A restore of the namespace shop under the name shop-copy, beside the original")
	return s.restore(ctx, restoring{
		name: "copy", to: s.first, served: s.served, known: s.back, before: within(s.was, "shop"), all: s.was,
		mapping: compare.Mapping{"shop": "shop-copy"},
		flags:   []string{"--include-namespaces=shop", "--namespace-mapping=shop=shop-copy"},
	})
}

// within returns what belongs to a namespace, the namespace itself included.
func within(objects compare.Copy, namespace string) compare.Copy {
	return objects.Where(func(key compare.Key, object compare.Object) bool {
		group, _ := compare.GroupOf(object)
		return key.Namespace == namespace || group.Namespace == namespace ||
			key.Kind == "Namespace" && key.Name == namespace
	})
}

// restoreThere restores everything into the second cluster, which knows nothing but the store.
func (s *story) restoreThere(ctx context.Context) error {
	s.say.chapterf("6. A restore into a second, empty cluster, from the store alone")
	if err := s.accompany(ctx, s.second); err != nil {
		return err
	}
	if _, err := s.second.kubectl(ctx, "wait", "--for=create", "--timeout=60s", "backups.kahu.io/"+backupName); err != nil {
		return err
	}
	s.say.linef("the second cluster found the backup %q in the store", backupName)
	known, _, err := s.second.copy(ctx)
	if err != nil {
		return err
	}
	return s.restore(ctx, restoring{
		name: "everything", to: s.second, served: s.served, known: known, before: s.was, all: s.was,
	})
}

// conclude ends the story in counts.
func (s *story) conclude() {
	s.say.chapterf("Everything came back as it was.")
	s.say.linef("%d restores, %d objects compared, %d values in them, 0 differences, %d objects made again by controllers",
		s.totals.restores, s.totals.compared, s.totals.fields, s.totals.made)
	s.say.linef("%d exact paths are not compared: go run ./test/demo --paths shows them, each with who writes it",
		len(compare.LeftOut()))
	s.say.linef("Not shown: hooks, and stores other than a folder. The story took %.1f s.", s.say.elapsed().Seconds())
	s.say.linef("Pods that run and the data of their volumes, on a node: make demo-volumes")
}

// errDifferent tells that what came back is not what was.
var errDifferent = errors.New("it did not come back as it was")
