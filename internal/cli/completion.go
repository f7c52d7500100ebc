package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// completionTime bounds what a shell waits for.
const completionTime = 5 * time.Second

// completer is the name under which kubectl asks a plug-in how its arguments can go on.
const completer = "kubectl_complete-kahu"

// Arguments returns the arguments of a call of the program, whose first word is the name under which it was called.
func Arguments(call []string) []string {
	if len(call) == 0 {
		return nil
	}
	if filepath.Base(call[0]) == completer {
		return append([]string{cobra.ShellCompRequestCmd}, call[1:]...)
	}
	return call[1:]
}

// names returns names out of the cluster. An error means that there are none to offer.
type names func(ctx context.Context) ([]string, error)

// complete gives a command, made whole, names out of the cluster for its arguments and flags.
func (s *session) complete(group string, command *cobra.Command) {
	of := map[string]names{
		"backup":   s.namesIn(func() client.ObjectList { return &kahuv1.BackupList{} }),
		"restore":  s.namesIn(func() client.ObjectList { return &kahuv1.RestoreList{} }),
		"location": s.namesIn(func() client.ObjectList { return &kahuv1.BackupLocationList{} }),
		"provider": s.namesIn(func() client.ObjectList { return &kahuv1.ProviderList{} }),
	}
	isNew := command.Name() == "create"
	if number := argumentsOf(command); !isNew && command.ValidArgsFunction == nil && number > 0 {
		offer := offered(of[group])
		command.ValidArgsFunction = func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) >= number {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offer(command, args, typed)
		}
	}
	flags := map[string]names{
		"backup": of["backup"], "location": of["location"], "provider": of["provider"],
		"to": of["location"], "copy-to": of["location"],
		"include-namespaces": s.namespaces, "exclude-namespaces": s.namespaces,
		"include-resources": s.kinds, "exclude-resources": s.kinds,
		"transform-set": s.namesIn(func() client.ObjectList { return &kahuv1.TransformSetList{} }),
	}
	for flag, from := range flags {
		if command.Flags().Lookup(flag) != nil {
			_ = command.RegisterFlagCompletionFunc(flag, offered(from)) // It fails only for one that is there.
		}
	}
}

// manyNames is how many names a command can be given that takes several.
const manyNames = 1000

// argumentsOf returns how many names a command takes.
func argumentsOf(command *cobra.Command) int {
	switch {
	case strings.Contains(command.Use, "NAME..."):
		return manyNames
	case strings.Contains(command.Use, "OLD"):
		return len([]string{"OLD", "NEW"})
	case strings.Contains(command.Use, "NAME"):
		return 1
	}
	return 0
}

// offered offers those names that begin as what was typed does. Of a list, its last part is completed.
func offered(from names) cobra.CompletionFunc {
	return func(command *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(command.Context(), completionTime)
		defer cancel()
		found, err := from(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		before := typed[:strings.LastIndex(typed, ",")+1]
		var fitting []string
		for _, name := range found {
			if strings.HasPrefix(before+name, typed) {
				fitting = append(fitting, before+name)
			}
		}
		slices.Sort(fitting)
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

// namesIn returns the names of all objects of one of Kahu's kinds.
func (s *session) namesIn(newList func() client.ObjectList) names {
	return func(ctx context.Context) ([]string, error) {
		list := newList()
		from, err := s.client()
		if err != nil {
			return nil, err
		}
		if err := from.List(ctx, list); err != nil {
			return nil, err
		}
		return namesOf(list)
	}
}

func namesOf(list client.ObjectList) ([]string, error) {
	var found []string
	err := meta.EachListItem(list, func(object runtime.Object) error {
		metadata, err := meta.Accessor(object)
		if err == nil {
			found = append(found, metadata.GetName())
		}
		return err
	})
	return found, err
}

// namespaces returns the namespaces of the cluster.
func (s *session) namespaces(ctx context.Context) ([]string, error) {
	from, err := s.client()
	if err != nil {
		return nil, err
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("NamespaceList"))
	list.APIVersion = "v1"
	if err := from.List(ctx, list); err != nil {
		return nil, err
	}
	return namesOf(list)
}

// kinds returns what the cluster serves, as plural.group.
func (s *session) kinds(context.Context) ([]string, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	config.Timeout = completionTime
	asking, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	// A group that cannot be described is not offered, and the others are.
	served, _ := asking.ServerPreferredResources()
	var found []string
	for _, group := range served {
		_, suffix, grouped := strings.Cut(group.GroupVersion, "/")
		for i := range group.APIResources {
			name := group.APIResources[i].Name
			if strings.Contains(name, "/") {
				continue
			}
			if grouped && suffix != "" {
				name += "." + strings.TrimSuffix(group.GroupVersion, "/"+suffix)
			}
			found = append(found, name)
		}
	}
	return found, nil
}
