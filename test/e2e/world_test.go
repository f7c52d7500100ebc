package e2e_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// world is a cluster with Kahu in it, and one location whose store is looked at from the side.
type world struct {
	*api

	location string
	store    side
	stop     func() // ends the manager of an in-process world
}

// api is a cluster as its users see it.
type api struct {
	t      *testing.T
	client client.WithWatch
}

func newAPI(t *testing.T, config *rest.Config) *api {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, kahuv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	made, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	return &api{t: t, client: made}
}

// create creates objects, in order.
func (a *api) create(objects ...client.Object) {
	a.t.Helper()
	for _, object := range objects {
		if err := a.client.Create(a.t.Context(), object); err != nil {
			a.t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
		}
	}
}

// get reads an object into its own place, and reports whether it is there.
func (a *api) get(object client.Object) bool {
	a.t.Helper()
	err := a.client.Get(a.t.Context(), client.ObjectKeyFromObject(object), object)
	if client.IgnoreNotFound(err) != nil {
		a.t.Fatalf("reading %T %s: %v", object, object.GetName(), err)
	}
	return err == nil
}

// remove deletes objects and returns when they are gone.
func (a *api) remove(objects ...client.Object) {
	a.t.Helper()
	for _, object := range objects {
		if err := a.client.Delete(a.t.Context(), object); client.IgnoreNotFound(err) != nil {
			a.t.Fatalf("deleting %T %s: %v", object, object.GetName(), err)
		}
	}
	for _, object := range objects {
		a.awaitGone(object)
	}
}

// drop deletes objects at the end of a test, which does not wait for that.
func (a *api) drop(objects ...client.Object) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.t.Context()), waitLimit)
	defer cancel()
	for _, object := range objects {
		if err := a.client.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
			a.t.Errorf("deleting %T %s: %v", object, object.GetName(), err)
		}
	}
}

// listOf returns an empty list for the kind of an object.
func (a *api) listOf(object client.Object) client.ObjectList {
	a.t.Helper()
	kind, err := a.client.GroupVersionKindFor(object)
	if err != nil {
		a.t.Fatalf("finding the kind of %T: %v", object, err)
	}
	kind.Kind += "List"
	if _, ok := object.(*unstructured.Unstructured); ok {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		return list
	}
	list, err := a.client.Scheme().New(kind)
	if err != nil {
		a.t.Fatalf("making a %s: %v", kind, err)
	}
	found, ok := list.(client.ObjectList)
	if !ok {
		a.t.Fatalf("%T is no list", list)
	}
	return found
}

// follow watches one object until the function has seen enough. A watch that begins nowhere in particular begins
// with what is there already.
func (a *api) follow(object client.Object, enough func(event watch.Event) bool) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), waitLimit)
	defer cancel()
	var last any
	for ctx.Err() == nil {
		events, err := a.client.Watch(ctx, a.listOf(object), client.InNamespace(object.GetNamespace()),
			client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", object.GetName())})
		if err != nil {
			a.t.Fatalf("watching %T %s: %v", object, object.GetName(), err)
		}
		for event := range events.ResultChan() {
			last = event.Object
			if enough(event) {
				events.Stop()
				return
			}
		}
	}
	shown, err := json.MarshalIndent(last, "", " ")
	a.t.Fatalf("waiting for %T %s: %v; it was last %s (%v)", object, object.GetName(), ctx.Err(), shown, err)
}

// awaitGone returns when the object is not there any more, or is another one of that name.
func (a *api) awaitGone(object client.Object) {
	a.t.Helper()
	if !a.get(object) {
		return
	}
	uid := object.GetUID()
	ctx, cancel := context.WithTimeout(a.t.Context(), waitLimit)
	defer cancel()
	version := object.GetResourceVersion()
	events, err := a.client.Watch(ctx, a.listOf(object), &client.ListOptions{
		Namespace: object.GetNamespace(), FieldSelector: fields.OneTermEqualSelector("metadata.name", object.GetName()),
		Raw: &metav1.ListOptions{ResourceVersion: version},
	})
	if err != nil {
		a.t.Fatalf("watching %T %s: %v", object, object.GetName(), err)
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		if event.Type == watch.Error {
			break
		}
		if found, ok := event.Object.(client.Object); ok && event.Type == watch.Deleted && found.GetUID() == uid {
			return
		}
	}
	if a.get(object) && object.GetUID() == uid {
		a.t.Fatalf("%T %s is still there: %+v", object, object.GetName(), object)
	}
}

// await returns the object when it is as it should be.
func await[T client.Object](a *api, object T, ready func(object T) bool) T {
	a.t.Helper()
	a.follow(object, func(event watch.Event) bool {
		found, ok := event.Object.(T)
		if !ok || event.Type == watch.Deleted || !ready(found) {
			return false
		}
		object = found
		return true
	})
	return object
}

// eventually returns when something is so that cannot be watched.
func (a *api) eventually(what string, so func() bool) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), waitLimit)
	defer cancel()
	const longest = 200 * time.Millisecond
	for pause := 5 * time.Millisecond; !so(); pause = min(2*pause, longest) {
		select {
		case <-clock.RealClock{}.After(pause):
		case <-ctx.Done():
			a.t.Fatalf("waiting for %s: %v", what, ctx.Err())
		}
	}
}

// named is the metadata of an object of that name.
func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// in is the metadata of an object of that name in a namespace.
func in(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// reason returns the reason of a condition, or nothing where the condition is not there.
func reason(conditions []metav1.Condition, kind string) string {
	if found := meta.FindStatusCondition(conditions, kind); found != nil {
		return found.Reason
	}
	return ""
}

// newLocation creates a location and returns when it is Ready.
func (a *api) newLocation(name, provider string, config map[string]string) {
	a.t.Helper()
	a.create(&kahuv1.BackupLocation{
		ObjectMeta: named(name), Spec: kahuv1.BackupLocationSpec{ProviderName: provider, Config: config},
	})
	a.awaitLocation(name, metav1.ConditionTrue)
}

// awaitLocation returns when the location's condition Ready has that status in the present generation.
func (a *api) awaitLocation(name string, ready metav1.ConditionStatus) *kahuv1.BackupLocation {
	a.t.Helper()
	return await(a, &kahuv1.BackupLocation{ObjectMeta: named(name)}, func(location *kahuv1.BackupLocation) bool {
		found := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionReady)
		return found != nil && found.Status == ready && found.ObservedGeneration == location.Generation
	})
}

// backUp runs a Backup to its end.
func (w *world) backUp(name string, change func(spec *kahuv1.BackupSpec)) *kahuv1.Backup {
	w.t.Helper()
	w.startBackup(name, change)
	return w.awaitBackup(name)
}

// startBackup creates a Backup.
func (w *world) startBackup(name string, change func(spec *kahuv1.BackupSpec)) {
	w.t.Helper()
	backup := &kahuv1.Backup{ObjectMeta: named(name), Spec: kahuv1.BackupSpec{MetadataLocation: w.location}}
	if change != nil {
		change(&backup.Spec)
	}
	w.create(backup)
}

// awaitBackup returns a Backup that is Finished.
func (a *api) awaitBackup(name string) *kahuv1.Backup {
	a.t.Helper()
	return await(a, &kahuv1.Backup{ObjectMeta: named(name)}, func(backup *kahuv1.Backup) bool {
		return backup.Status.Stage == kahuv1.StageFinished
	})
}

// restore runs a Restore to its end.
func (a *api) restore(name, backup string, change func(spec *kahuv1.RestoreSpec)) *kahuv1.Restore {
	a.t.Helper()
	restore := &kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{BackupName: backup}}
	if change != nil {
		change(&restore.Spec)
	}
	a.create(restore)
	return a.awaitRestore(name)
}

// awaitRestore returns a Restore that is Finished.
func (a *api) awaitRestore(name string) *kahuv1.Restore {
	a.t.Helper()
	return await(a, &kahuv1.Restore{ObjectMeta: named(name)}, func(restore *kahuv1.Restore) bool {
		return restore.Status.Stage == kahuv1.StageFinished
	})
}

// completedBackup fails the test unless the backup is Completed.
func (w *world) completedBackup(name string, change func(spec *kahuv1.BackupSpec)) *kahuv1.Backup {
	w.t.Helper()
	backup := w.backUp(name, change)
	if backup.Status.State != kahuv1.StateCompleted {
		w.t.Fatalf("backup %s is %s: %s %v %+v", name, backup.Status.State, backup.Status.FailureReason,
			backup.Status.ValidationErrors, backup.Status.Missing)
	}
	return backup
}

// completedRestore fails the test unless the restore is Completed.
func (a *api) completedRestore(name, backup string, change func(spec *kahuv1.RestoreSpec)) *kahuv1.Restore {
	a.t.Helper()
	restore := a.restore(name, backup, change)
	if restore.Status.State != kahuv1.StateCompleted {
		a.t.Fatalf("restore %s is %s: %s %v %+v", name, restore.Status.State, restore.Status.FailureReason,
			restore.Status.ValidationErrors, restore.Status.Failed)
	}
	return restore
}

// clear removes everything of Kahu from the cluster, whatever holds it, once no manager runs any more.
func (a *api) clear() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.t.Context()), waitLimit)
	defer cancel()
	backups := &kahuv1.BackupList{}
	if err := a.client.List(ctx, backups); err != nil {
		a.t.Errorf("clearing: %v", err)
		return
	}
	for i := range backups.Items {
		if len(backups.Items[i].Finalizers) == 0 {
			continue
		}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		if err := a.client.Patch(ctx, &backups.Items[i], patch); client.IgnoreNotFound(err) != nil {
			a.t.Errorf("clearing: %v", err)
		}
	}
	for _, kind := range []client.Object{&kahuv1.Backup{}, &kahuv1.Restore{}, &kahuv1.Inspection{}, &kahuv1.BackupLocation{}, &kahuv1.Provider{}} {
		if err := a.client.DeleteAllOf(ctx, kind); err != nil {
			a.t.Errorf("clearing: %v", err)
		}
	}
}

func inNamespace(name string) client.ListOption { return client.InNamespace(name) }

// patch changes an object, as a person does.
func (a *api) patch(object client.Object, content string) {
	a.t.Helper()
	if err := a.client.Patch(a.t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(content)), client.FieldOwner("somebody")); err != nil {
		a.t.Fatalf("changing %s: %v", object.GetName(), err)
	}
}
