package kill_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// births counts how often each object of applications came to be, whoever made it. It follows what the API server says
// of its store, as its metrics do not tell that an object was created when whoever asked for it has ended before the
// answer.
type births struct {
	t *testing.T
	w *world

	kinds sync.WaitGroup // of which it follows what is made
	mu    sync.Mutex
	times map[string]int // by namespace, kind and name
	wrong []string
}

// births counts from now on.
func (w *world) births() *births {
	w.t.Helper()
	b := &births{t: w.t, w: w, times: map[string]int{}}
	for _, list := range []client.ObjectList{
		&corev1.ConfigMapList{}, &corev1.SecretList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
	} {
		if err := w.client.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
		watched := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return w.client.Watch(ctx, list, client.MatchingLabels{"app": "shop"}, &client.ListOptions{Raw: &options})
		}}
		watcher, err := watchtools.NewRetryWatcherWithContext(w.t.Context(), list.GetResourceVersion(), watched)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(watcher.Stop)
		b.kinds.Go(func() { b.follow(watcher.ResultChan()) })
	}
	return b
}

// follow counts until the last one: the one in the namespace of Kahu.
func (b *births) follow(events <-chan watch.Event) {
	for event := range events {
		b.mu.Lock()
		object, is := event.Object.(client.Object)
		switch {
		case !is:
			b.wrong = append(b.wrong, fmt.Sprintf("what is created is not known any more: %+v", event.Object))
		case event.Type == watch.Added && object.GetNamespace() != kahuNamespace:
			b.times[birth(object.GetNamespace(), fmt.Sprintf("%T %s", object, object.GetName()))]++
		}
		b.mu.Unlock()
		if is && object.GetNamespace() == kahuNamespace {
			return
		}
	}
}

// birth is the key of an object that is counted.
func birth(namespace, object string) string { return namespace + " " + object }

// end returns the counts, when nobody makes anything any more.
func (b *births) end() (times map[string]int, wrong []string) {
	b.t.Helper()
	last := metav1.ObjectMeta{Namespace: kahuNamespace, GenerateName: "last-", Labels: map[string]string{"app": "shop"}}
	for _, object := range []client.Object{
		&corev1.ConfigMap{ObjectMeta: last}, &corev1.Secret{ObjectMeta: last}, &rbacv1.Role{ObjectMeta: last},
		&rbacv1.RoleBinding{ObjectMeta: last, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "last"}},
	} {
		b.w.create(object)
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		b.kinds.Wait()
	}()
	select {
	case <-followed:
	case <-clock.RealClock{}.After(waitLimit):
		b.t.Fatal("the API server does not tell what is created")
	}
	return b.times, b.wrong
}

// judgeCreated holds what was created in the targets of all runs to what should have been: each object once, however many
// managers tried, and what was replaced once more.
func (c *campaign) judgeCreated(counted *births) []string {
	c.t.Helper()
	found, wrong := counted.end()
	want := map[string]int{}
	for _, run := range c.names {
		if !c.of.creates {
			break
		}
		for object := range c.live(c.app) {
			want[birth(c.target(run), object)]++
		}
		for object := range c.others[run] {
			if c.of.replaces {
				want[birth(c.target(run), object)]++
			}
		}
	}
	if diff := cmp.Diff(want, found); diff != "" {
		wrong = append(wrong, "of what was created, more or less often than it should have been: "+diff)
	}
	if len(want) > 0 {
		c.t.Logf("%s, %s: the API server has created %d objects for %d runs", c.of.name, c.by.by, len(found), len(c.names))
	}
	return wrong
}

// replaced returns the objects in a namespace that have other UIDs than they had.
func (w *world) replaced(namespace string, before map[string]string) []string {
	w.t.Helper()
	var wrong []string
	now := w.uids(namespace)
	for name, uid := range before {
		if now[name] != uid {
			wrong = append(wrong, fmt.Sprintf("%s was created again: its UID was %s, and is %q", name, uid, now[name]))
		}
	}
	return wrong
}

// createdTwice returns the objects of which one name was created more than once, by whichever managers. A group of snapshots that was
// given up, as it took too long, is removed, and the next manager may ask for it again.
func (w *world) createdTwice() []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.folder, "audit-*"))
	if err != nil {
		w.t.Fatal(err)
	}
	times := map[string]int{}
	for _, file := range files {
		for _, line := range w.audit(strings.TrimPrefix(filepath.Base(file), "audit-")) {
			if line.Object != "" && !strings.Contains(line.What, "/volumegroupsnapshotcontents") {
				times[line.What+"/"+line.Object]++
			}
		}
	}
	var wrong []string
	for what, number := range times {
		if number > 1 {
			wrong = append(wrong, fmt.Sprintf("%s was created %d times", what, number))
		}
	}
	return wrong
}
