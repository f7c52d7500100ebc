package reference_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// renamedBesides are the rows of the table that bring nothing into a backup, and whose names follow all the same.
func renamedBesides() map[string]bool {
	return map[string]bool{
		"ClusterRole.rbac.authorization.k8s.io.rules[].resourceNames[]":                       false,
		"Endpoints.subsets[].addresses[].targetRef.name":                                      false,
		"Endpoints.subsets[].notReadyAddresses[].targetRef.name":                              false,
		"EndpointSlice.discovery.k8s.io.endpoints[].targetRef.name":                           false,
		"FlowSchema.flowcontrol.apiserver.k8s.io.spec.rules[].subjects[].serviceAccount.name": false,
		"MutatingAdmissionPolicyBinding.admissionregistration.k8s.io.spec.paramRef.name":      false,
		"ObjectMeta.ownerReferences[].name":                                                   false,
		"PersistentVolume.spec.claimRef.name":                                                 false,
		"PodSpec.serviceAccount":                                                              false,
		"Role.rbac.authorization.k8s.io.rules[].resourceNames[]":                              false,
		"ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io.spec.paramRef.name":    false,
	}
}

// TestEveryReferenceIsRenamed holds Rename to the table of every field of the API that looks like a reference: what is
// followed into a backup is renamed, and of what is not, exactly what is listed.
func TestEveryReferenceIsRenamed(t *testing.T) {
	t.Parallel()
	rows, besides, checked := readTable(t), renamedBesides(), 0
	for gvk, of := range typesOfTheAPI() {
		kind := kindOf(gvk)
		if _, never := selection.Never(kind); never || gvk.Group == "extensions" {
			continue
		}
		filled := &filling{values: map[string]string{}}
		value := reflect.New(of)
		filled.fill(value.Elem(), "")
		changed := renamedValues(t, kind, value.Interface())
		fields(of, field{rows: []string{kindName(gvk)}}, func(found field) {
			at := rowFor(rows, found)
			template := strings.LastIndex(found.path, ".metadata.ownerReferences") > 0 // What is made of it has its maker as owner.
			if at == nil || found.path == ".metadata.name" || template {
				return
			}
			is := changed[filled.values[found.path]]
			listed := slices.IndexFunc(found.rows, func(name string) bool { _, has := besides[rowOf(name)]; return has })
			if is && listed >= 0 {
				besides[rowOf(found.rows[listed])] = true
			}
			names := at.how == "follows" || at.how == "points" && strings.HasSuffix(found.path, "name")
			if want := names || listed >= 0; is != want {
				t.Errorf("%s %s: the table says %q; renamed %v, want %v", kindName(gvk), found.path, at.how, is, want)
			}
			checked++
		})
	}
	for row, seen := range besides {
		if !seen {
			t.Errorf("%s is listed and was not renamed", row)
		}
	}
	if checked < 500 {
		t.Errorf("the test looked at %d fields: it shows too little", checked)
	}
}

// renamedValues returns the values of an object's fields that are renamed.
func renamedValues(t *testing.T, kind core.Kind, object any) map[string]bool {
	t.Helper()
	content := decode(t, object)
	metadata, _ := content["metadata"].(map[string]any)
	metadata["namespace"] = map[bool]string{true: "shop"}[kind.Namespaced]
	before := decode(t, content)
	values := map[string]bool{}
	renamed := reference.NewRules().Rename(reference.Decoded(kind, content), func(need reference.Need) string {
		return "blue-" + need.Name
	})
	for _, one := range renamed {
		values[one.From] = true
		if one.To != "blue-"+one.From {
			t.Errorf("%s: %s becomes %s", kind, one.From, one.To)
		}
	}
	if len(renamed) == 0 && !cmp.Equal(before, content) {
		t.Errorf("%s was changed and nothing is said about it", kind)
	}
	return values
}

func decode(t *testing.T, object any) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]any{}
	if err := json.Unmarshal(encoded, &content); err != nil {
		t.Fatal(err)
	}
	return content
}

func TestRename(t *testing.T) {
	t.Parallel()
	widget := core.Kind{Group: "example.com", Version: "v1", Name: "Widget", Resource: "widgets", Namespaced: true, Custom: true}
	secret := namespaced("", "v1", "Secret", "secrets")
	path, err := reference.ParsePath("spec.stores[*].auth['secret.name']")
	if err != nil {
		t.Fatal(err)
	}
	declared := reference.Declaration{From: widget, Path: path, To: &secret}
	cases := map[string]struct {
		reason       string
		kind         core.Kind
		object, want string
		renamed      []string // fields
	}{
		"declared, with a dot in the name of a field": {
			kind:    widget,
			object:  `{"metadata": {"namespace": "shop", "name": "w"}, "spec": {"stores": [{"auth": {"secret.name": "db"}}], "other": "db"}}`,
			want:    `{"metadata": {"namespace": "shop", "name": "w"}, "spec": {"stores": [{"auth": {"secret.name": "blue-db"}}], "other": "db"}}`,
			renamed: []string{"spec.stores[0].auth['secret.name']"},
		},
		"users that are service accounts": {
			kind: namespaced("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
			object: `{"metadata": {"namespace": "shop", "name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
				"subjects": [{"kind": "User", "name": "system:serviceaccount:shop:web"}, {"kind": "User", "name": "jane"},
				{"kind": "ServiceAccount", "name": "web"}, {"kind": "Group", "name": "system:serviceaccounts:shop"}]}`,
			want: `{"metadata": {"namespace": "shop", "name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "blue-r"},
				"subjects": [{"kind": "User", "name": "system:serviceaccount:shop:blue-web"}, {"kind": "User", "name": "jane"},
				{"kind": "ServiceAccount", "name": "blue-web"}, {"kind": "Group", "name": "system:serviceaccounts:shop"}]}`,
			renamed: []string{"roleRef.name", "subjects[0].name", "subjects[2].name"},
		},
		"the token of a service account": {
			kind: secret,
			object: `{"metadata": {"namespace": "shop", "name": "t", "annotations": {"kubernetes.io/service-account.name": "web"}},
				"type": "kubernetes.io/service-account-token", "data": {"x": "web"}}`,
			want: `{"metadata": {"namespace": "shop", "name": "t", "annotations": {"kubernetes.io/service-account.name": "blue-web"}},
				"type": "kubernetes.io/service-account-token", "data": {"x": "web"}}`,
			renamed: []string{"metadata.annotations[kubernetes.io/service-account.name]"},
		},
		"a slice of endpoints made by hand": {
			kind:    namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
			object:  `{"metadata": {"namespace": "shop", "name": "s", "labels": {"kubernetes.io/service-name": "web"}}, "endpoints": []}`,
			want:    `{"metadata": {"namespace": "shop", "name": "s", "labels": {"kubernetes.io/service-name": "blue-web"}}, "endpoints": []}`,
			renamed: []string{"metadata.labels[kubernetes.io/service-name]"},
		},
		"rights for one object, in a rule with subresources": {
			kind: namespaced("rbac.authorization.k8s.io", "v1", "Role", "roles"),
			object: `{"metadata": {"namespace": "shop", "name": "r"}, "rules": [{"apiGroups": ["apps", ""], "resources": ["deployments/scale"],
				"resourceNames": ["web", ""]}]}`,
			want: `{"metadata": {"namespace": "shop", "name": "r"}, "rules": [{"apiGroups": ["apps", ""], "resources": ["deployments/scale"],
				"resourceNames": ["blue-web", ""]}]}`,
			renamed: []string{"rules[0].resourceNames[0]"},
		},
		"an owner": {
			kind: namespaced("", "v1", "ConfigMap", "configmaps"),
			object: `{"metadata": {"namespace": "shop", "name": "c", "ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": "db", "uid": "1"}]},
				"data": {"a": "db"}}`,
			want: `{"metadata": {"namespace": "shop", "name": "c", "ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": "blue-db", "uid": "1"}]},
				"data": {"a": "db"}}`,
			renamed: []string{"metadata.ownerReferences[0].name"},
		},
		"nothing that has an unexpected shape": {
			kind:   namespaced("apps", "v1", "Deployment", "deployments"),
			object: `{"metadata": {"namespace": "shop", "name": "d"}, "spec": {"template": {"spec": {"volumes": "x", "imagePullSecrets": [1, {"name": 2}]}}}}`,
			want:   `{"metadata": {"namespace": "shop", "name": "d"}, "spec": {"template": {"spec": {"volumes": "x", "imagePullSecrets": [1, {"name": 2}]}}}}`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := decode(t, json.RawMessage(c.object))
			renamed := reference.NewRules(declared).Rename(reference.Decoded(c.kind, object), func(need reference.Need) string {
				return "blue-" + need.Name
			})
			var found []string
			for _, one := range renamed {
				found = append(found, one.Field)
			}
			if diff := cmp.Diff(c.renamed, found); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(decode(t, json.RawMessage(c.want)), object); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
		})
	}
}
