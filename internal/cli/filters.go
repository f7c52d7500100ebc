package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// filterFlags are the flags that choose objects.
type filterFlags struct {
	includeNamespaces, excludeNamespaces []string
	includeResources, excludeResources   []string
	selector                             string
	references                           []string
	// given are the flags as they were on the command line.
	given *pflag.FlagSet
}

func (f *filterFlags) register(command *cobra.Command) {
	flags := command.Flags()
	f.given = flags
	flags.StringSliceVar(&f.includeNamespaces, "include-namespaces", nil, "namespaces; none means all of them")
	flags.StringSliceVar(&f.excludeNamespaces, "exclude-namespaces", nil, "namespaces that are left out")
	flags.StringSliceVar(&f.includeResources, "include-resources", nil,
		"objects as kind, kind/name or kind/~expression, or ~expression for kinds, alone or with a /name expression; none means all of them")
	flags.StringSliceVar(&f.excludeResources, "exclude-resources", nil, "objects that are left out, written in the same way")
	flags.StringVarP(&f.selector, "selector", "l", "", "labels that chosen objects have")
	flags.StringArrayVar(&f.references, "reference", nil,
		"declare by what objects name others that come with them, as from=KIND,path=FIELD and perhaps "+
			"kind=KIND,namespacePath=FIELD,optional=true: from=shops.example.com,path=spec.tls.secretName,kind=Secret")
}

// resources turns kind, kind/name, kind/~expression, ~expression and ~expression/expression into filters.
func resources(words []string) []kahuv1.ResourceFilter {
	var filters []kahuv1.ResourceFilter
	for _, word := range words {
		kind, name, _ := strings.Cut(word, "/")
		kind, kindIsRegex := strings.CutPrefix(kind, "~")
		expression, nameIsRegex := strings.CutPrefix(name, "~")
		filters = append(filters, kahuv1.ResourceFilter{Kind: kind, Name: expression, IsRegex: kindIsRegex || nameIsRegex})
	}
	return filters
}

// declared turns the words of --reference, which are those of spec.references, into the API's form.
func (f *filterFlags) declared() ([]kahuv1.Reference, error) {
	var found []kahuv1.Reference
	for _, words := range f.references {
		made := kahuv1.Reference{}
		for word := range strings.SplitSeq(words, ",") {
			field, value, given := strings.Cut(word, "=")
			if !given || !setReference(&made, field, value) {
				return nil, usageError{fmt.Errorf(
					"--reference %q: %q is none of from=, path=, kind=, namespacePath= and optional=true", words, word)}
			}
		}
		if made.From == "" || made.Path == "" {
			return nil, usageError{fmt.Errorf("--reference %q: from= and path= are needed", words)}
		}
		found = append(found, made)
	}
	return found, nil
}

// setReference sets a field of a reference, and tells whether there is one of that name that can have the value.
func setReference(of *kahuv1.Reference, field, value string) bool {
	switch field {
	case "from":
		of.From = value
	case "path":
		of.Path = value
	case "kind":
		of.Kind = value
	case "namespacePath":
		of.NamespacePath = value
	case "optional":
		of.Optional = value == "true"
		return value == "true" || value == "false"
	default:
		return false
	}
	return true
}

// refuseEmpty refuses a filter that was given and says nothing, such as a variable of a script that was never set: taken as
// absent, it would choose everything.
func (f *filterFlags) refuseEmpty() error {
	for _, name := range []string{"include-namespaces", "exclude-namespaces", "include-resources", "exclude-resources", "selector"} {
		flag := f.given.Lookup(name)
		if !flag.Changed {
			continue
		}
		words := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			words = list.GetSlice()
		}
		if len(words) == 0 || slices.Contains(words, "") {
			return usageError{fmt.Errorf("--%s is empty: say what is chosen, or leave the flag out", name)}
		}
	}
	return nil
}

// oneOf returns the value that a flag was given in whatever case, empty where it was not given.
func oneOf(flag, given string, values []string) (string, error) {
	for _, value := range append([]string{""}, values...) {
		if strings.EqualFold(value, given) {
			return value, nil
		}
	}
	last := len(values) - 1
	return "", usageError{fmt.Errorf("--%s %q: use %s or %s", flag, given, strings.Join(values[:last], ", "), values[last])}
}

// labels turns the selector into the API's form.
func (f *filterFlags) labels() (*metav1.LabelSelector, error) {
	if f.selector == "" {
		return nil, nil //nolint:nilnil // No selector is what an absent flag asks for.
	}
	parsed, err := metav1.ParseToLabelSelector(f.selector)
	if err != nil {
		return nil, usageError{fmt.Errorf("--selector %q: %w", f.selector, err)}
	}
	return parsed, nil
}
