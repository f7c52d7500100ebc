package api_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestColumns shows what kubectl get shows, first without and then with -o wide.
func TestColumns(t *testing.T) {
	cases := map[string]struct{ narrow, wide []string }{
		"providers":       {[]string{"Name", "Version", "Type", "State", "Age"}, nil},
		"backuplocations": {[]string{"Name", "Provider", "Ready", "Backups", "Age"}, []string{"Reason"}},
		"backups": {
			[]string{"Name", "Stage", "State", "Location", "Objects", "Age"}, []string{"Complete", "Reason", "Cluster", "Mode", "Base", "Queue"},
		},
		"restores":      {[]string{"Name", "Stage", "State", "Backup", "Restored", "Dry-Run", "Age"}, []string{"Total", "Reason", "Queue"}},
		"transformsets": {[]string{"Name", "Ready", "Age"}, []string{"Reason"}},
		"inspections":   {[]string{"Name", "Subject", "Backup", "Restore", "State", "Age"}, []string{"Reason"}},
		"volumebackupcontents": {
			[]string{"Name", "Phase", "Backup", "Namespace", "Claim", "Age"}, []string{"Way", "Provider", "Done", "Total", "Reason"},
		},
		"volumerestorecontents": {
			[]string{"Name", "Phase", "Restore", "Namespace", "Claim", "Age"}, []string{"Provider", "Done", "Total", "Reason"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var narrow, wide []string
			for _, column := range table(t, name).ColumnDefinitions {
				if column.Priority > 0 {
					wide = append(wide, column.Name)
				} else {
					narrow = append(narrow, column.Name)
				}
			}
			if diff := cmp.Diff(c.narrow, narrow); diff != "" {
				t.Errorf("columns differ (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.wide, wide); diff != "" {
				t.Errorf("columns of -o wide differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNames shows how the kinds are called on a command line, that none of them is
// in a namespace, and that each has a status of its own.
func TestNames(t *testing.T) {
	client, err := discovery.NewDiscoveryClientForConfig(cluster.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.ServerResourcesForGroupVersion(kahuv1.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, resource := range list.APIResources {
		if resource.Namespaced {
			t.Errorf("%s is in namespaces", resource.Name)
		}
		got[resource.Name] = append(append([]string{}, resource.ShortNames...), resource.Categories...)
	}
	want := map[string][]string{
		"providers":       {"kprov", "kahu"},
		"backuplocations": {"bl", "kahu"},
		"backups":         {"kbak", "kahu"},
		"restores":        {"krest", "kahu"},
		"inspections":     {"insp", "kahu"},
		"transformsets":   {"tset", "kahu"},

		"volumebackupcontents":  {"vbc", "kahu"},
		"volumerestorecontents": {"vrc", "kahu"},

		"providers/status": {}, "backuplocations/status": {}, "backups/status": {}, "restores/status": {},
		"inspections/status": {}, "transformsets/status": {},
		"volumebackupcontents/status": {}, "volumerestorecontents/status": {},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
}

// table asks for the table that kubectl get prints.
func table(t *testing.T, resource string) *metav1.Table {
	t.Helper()
	settings := rest.CopyConfig(cluster.Config(t))
	settings.APIPath, settings.GroupVersion = "/apis", &kahuv1.GroupVersion
	settings.NegotiatedSerializer = serializer.NewCodecFactory(scheme.Scheme).WithoutConversion()
	client, err := rest.RESTClientFor(settings)
	if err != nil {
		t.Fatal(err)
	}
	got := &metav1.Table{}
	err = client.Get().Resource(resource).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(t.Context()).Into(got)
	if err != nil {
		t.Fatalf("asking for the table of %s: %v", resource, err)
	}
	return got
}
