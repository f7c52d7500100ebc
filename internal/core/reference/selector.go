package reference

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// selector is labels that others must have; without one, they need have none.
type selector labels.Requirements

// plainSelector reads the selector of a Service: without a label it is none, and selects nothing.
func plainSelector(wanted map[string]any) (selector, bool) {
	read, ok := selectorOf(map[string]any{"matchLabels": wanted})
	return read, ok && len(read) > 0
}

// selectorOf reads a selector of the usual form, and tells whether it could.
func selectorOf(wanted map[string]any) (selector, bool) {
	var read selector
	plain := member(wanted, "matchLabels")
	for _, key := range slices.Sorted(maps.Keys(plain)) {
		one, err := labels.NewRequirement(key, "=", []string{text(plain, key)})
		if err != nil {
			return nil, false
		}
		read = append(read, *one)
	}
	expressions, _ := wanted["matchExpressions"].([]any)
	for _, item := range expressions {
		expression, _ := item.(map[string]any)
		one, ok := requirementOf(expression)
		if !ok {
			return nil, false
		}
		read = append(read, one)
	}
	return read, true
}

func requirementOf(expression map[string]any) (labels.Requirement, bool) {
	var values []string
	given, _ := expression["values"].([]any)
	for _, value := range given {
		one, _ := value.(string)
		values = append(values, one)
	}
	var read *labels.Requirement
	var err error
	switch key := text(expression, "key"); text(expression, "operator") {
	case "In":
		read, err = labels.NewRequirement(key, "in", values)
	case "NotIn":
		read, err = labels.NewRequirement(key, "notin", values)
	case "Exists":
		read, err = labels.NewRequirement(key, "exists", nil)
	case "DoesNotExist":
		read, err = labels.NewRequirement(key, "!", nil)
	}
	if read == nil || err != nil {
		return labels.Requirement{}, false
	}
	return *read, true
}

// matches tells whether labels are as the selector wants them.
func (s selector) matches(set labels.Set) bool {
	for i := range s {
		if !s[i].Matches(set) {
			return false
		}
	}
	return true
}

// String returns the selector as people write it.
func (s selector) String() string { return labels.NewSelector().Add(s...).String() }
