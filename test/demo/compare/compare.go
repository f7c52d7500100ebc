package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Comparison is the question whether what was is back.
type Comparison struct {
	// Before is what must be back, as kubectl showed it.
	Before Copy
	// Whole is the copy of which Before is a part: the owners of objects are looked up in it.
	Whole Copy
	// After is all that there is now.
	After Copy
	// Known is what has nothing to do with it and is there as well.
	Known Copy
	// Absent are the objects, by their names after, that the API server answered 404 for in between.
	Absent map[Key]bool
	// Mapping is under which names namespaces came back.
	Mapping Mapping
}

// Result is the answer.
type Result struct {
	// Compared counts the objects of Before that are there after and that were compared field by field.
	Compared int
	// Fields counts the values that were compared.
	Fields int
	// MadeAgain counts the objects that controllers made again.
	MadeAgain int
	// Differences are sorted by object and path. There are none if all is as it was.
	Differences []Difference
}

// Difference is one thing that is not as it was.
type Difference struct {
	Object string
	Path   string // empty if the difference is about the whole object
	Before string
	After  string
}

// String returns the difference in one line.
func (d Difference) String() string {
	if d.Path == "" {
		return fmt.Sprintf("%s: expected %s, found %s", d.Object, d.Before, d.After)
	}
	return fmt.Sprintf("%s: %s: expected %s, found %s", d.Object, d.Path, d.Before, d.After)
}

// Compare compares.
func (c Comparison) Compare() Result {
	run := &run{Comparison: c, owned: byUID(c.Whole), plain: plainKinds(c.Whole)}
	for _, key := range c.Before.Authored().Keys() {
		run.object(key)
	}
	run.again()
	run.extra()
	slices.SortFunc(run.result.Differences, func(x, y Difference) int { return strings.Compare(x.String(), y.String()) })
	return run.result
}

// run is one comparison in the making.
type run struct {
	Comparison

	owned  map[string]Object // all objects of the copy, by their UIDs
	plain  map[[2]string]bool
	result Result
}

// object compares one object of the copy.
func (r *run) object(key Key) {
	expectedKey := r.Mapping.Key(key)
	if !r.Absent[expectedKey] {
		r.note(expectedKey, "", "404 before the restore", "something else")
	}
	after, found := r.After[expectedKey]
	if !found {
		r.note(expectedKey, "", "the object", "nothing")
		return
	}
	r.result.Compared++
	before := r.Before[key]
	if after.UID() == "" || after.UID() == before.UID() {
		r.note(expectedKey, "metadata.uid", "another than "+before.UID(), after.UID())
	}
	r.owners(expectedKey, before, after)
	walk := walker{
		run: r, key: expectedKey, object: after, plain: r.plain[[2]string{key.Group, key.Kind}],
	}
	walk.value("", map[string]any(r.Mapping.expect(before)), map[string]any(after))
}

// owners checks that each owner reference means the owner that lives now.
func (r *run) owners(key Key, before, after Object) {
	was := before.owners()
	for i, is := range after.owners() {
		path := fmt.Sprintf("metadata.ownerReferences[%d].uid", i)
		if i >= len(was) {
			return // that there are more is found field by field
		}
		owner, found := r.owned[was[i].uid]
		if !found {
			r.note(key, path, "an owner that is in the copy", was[i].uid)
			continue
		}
		living, found := r.After[r.Mapping.Key(owner.Key())]
		switch {
		case !found:
			r.note(key, path, "a living owner", "none")
		case living.UID() != is.uid:
			r.note(key, path, living.UID()+", the UID of the living owner", is.uid)
		}
	}
}

// again holds the objects that are made again against those that were.
func (r *run) again() {
	expected := map[Group]int{}
	for group, count := range r.Before.Made() {
		expected[r.Mapping.Group(group)] += count
	}
	found := r.After.Without(r.Known).Made()
	groups := maps.Clone(expected)
	maps.Copy(groups, found)
	for group := range groups {
		r.result.MadeAgain += min(found[group], expected[group])
		if found[group] != expected[group] {
			r.result.Differences = append(r.result.Differences, Difference{
				Object: group.String(), Before: fmt.Sprint(expected[group]), After: fmt.Sprint(found[group]),
			})
		}
	}
}

// extra looks for objects that nobody asked for.
func (r *run) extra() {
	expected := map[Key]bool{}
	for key := range r.Before {
		expected[r.Mapping.Key(key)] = true
	}
	for _, key := range r.After.Without(r.Known).Authored().Keys() {
		if _, controlled := r.After[key].controller(); !controlled && !expected[key] {
			r.note(key, "", "nothing", "an object without a controller")
		}
	}
}

func (r *run) note(key Key, path, before, after string) {
	r.result.Differences = append(r.result.Differences, Difference{Object: key.String(), Path: path, Before: before, After: after})
}

// Group returns the group that is expected after for a group before.
func (m Mapping) Group(group Group) Group {
	group.Namespace = m.Name(group.Namespace)
	return group
}

func byUID(objects Copy) map[string]Object {
	found := make(map[string]Object, len(objects))
	for _, object := range objects {
		found[object.UID()] = object
	}
	return found
}

// plainKinds returns group and kind of what the definitions in the copy define without a status of its own.
func plainKinds(objects Copy) map[[2]string]bool {
	kinds := map[[2]string]bool{}
	for key, object := range objects {
		if key.Kind == "CustomResourceDefinition" && !hasStatus(object) {
			kinds[[2]string{textAt(object, "spec", "group"), textAt(object, "spec", "names", "kind")}] = true
		}
	}
	return kinds
}

// hasStatus tells whether a definition has a version in which status is written apart from the rest.
func hasStatus(definition Object) bool {
	versions, _ := valueAt(definition, "spec", "versions").([]any)
	return slices.ContainsFunc(versions, func(element any) bool {
		version, _ := element.(map[string]any)
		return valueAt(version, "subresources", "status") != nil
	})
}

// show returns a field as it stands in a report.
func show(key Key, fields map[string]any, name string) string {
	value, found := fields[name]
	if !found {
		return "no such field"
	}
	return showValue(key, value)
}

// showValue returns a value as it stands in a report: as JSON, shortened. What is in a Secret is not shown.
func showValue(key Key, value any) string {
	if key.Kind == "Secret" {
		return "something that is kept secret"
	}
	const most = 200
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
