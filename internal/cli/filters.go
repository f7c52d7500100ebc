package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// filterFlags are the flags that choose objects.
type filterFlags struct {
	includeNamespaces, excludeNamespaces []string
	includeResources, excludeResources   []string
	selector                             string
}

func (f *filterFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVar(&f.includeNamespaces, "include-namespaces", nil, "namespaces; none means all of them")
	flags.StringSliceVar(&f.excludeNamespaces, "exclude-namespaces", nil, "namespaces that are left out")
	flags.StringSliceVar(&f.includeResources, "include-resources", nil,
		"objects as kind, kind/name or kind/~expression, or ~expression for kinds, alone or with a /name expression; none means all of them")
	flags.StringSliceVar(&f.excludeResources, "exclude-resources", nil, "objects that are left out, written in the same way")
	flags.StringVarP(&f.selector, "selector", "l", "", "labels that chosen objects have")
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
