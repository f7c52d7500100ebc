package reference_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes/scheme"
)

// apiService is the part of an APIService that matters: its own package would bring all of the API server along.
type apiService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Service struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"service"`
	} `json:"spec"`
}

// typesOfTheAPI returns the Go type of each kind of object of the API, in the version that comes first: v1 before
// v1beta1 before v1alpha1. That is the one that a server prefers; and for a kind that it does not serve unless it is
// told to, the one that it would.
func typesOfTheAPI() map[schema.GroupVersionKind]reflect.Type {
	known := scheme.Scheme.AllKnownTypes()
	newest := map[schema.GroupKind]schema.GroupVersionKind{}
	for gvk, of := range known {
		_, listed := known[gvk.GroupVersion().WithKind(gvk.Kind+"List")]
		_, isObject := of.FieldByName("ObjectMeta")
		before, found := newest[gvk.GroupKind()]
		if listed && isObject && (!found || version.CompareKubeAwareVersionStrings(gvk.Version, before.Version) > 0) {
			newest[gvk.GroupKind()] = gvk
		}
	}
	types := map[schema.GroupVersionKind]reflect.Type{
		apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"): reflect.TypeFor[apiextensionsv1.CustomResourceDefinition](),
		{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}:    reflect.TypeFor[apiService](),
	}
	for _, gvk := range newest {
		types[gvk] = known[gvk]
	}
	return types
}

// field is a place in an object of the API that looks like a reference.
type field struct {
	// path leads there, with [] for lists and {} for maps.
	path string
	// rows are what the table may call it: by the kind, and by each shared type that it is in, the outermost first.
	rows []string
}

func (f field) in(suffix string) field {
	inner := field{path: f.path + suffix, rows: make([]string, len(f.rows))}
	for i := range f.rows {
		inner.rows[i] = f.rows[i] + suffix
	}
	return inner
}

// looksLikeReference are the names of fields that may hold the name of an object, or choose objects by their labels.
var looksLikeReference = regexp.MustCompile(`(?i)(names?|refs?|references?|selectors?|class|claim|secret|account|endpoints|subjects?|subdomain|parameters|resource|driver|provisioner|policy)$`)

// isEnum tells of the fields that look like references and hold one of a few words.
func isEnum(of reflect.Type) bool { return of.PkgPath() != "" && of.Kind() == reflect.String }

// fields visits the places of a type that look like references.
func fields(of reflect.Type, at field, visit func(found field)) {
	switch {
	case strings.Count(at.path, ".") > 20 || isLeaf(of):
	case of == reflect.TypeFor[metav1.LabelSelector](), of == reflect.TypeFor[corev1.NodeSelector]():
		visit(at)
	case of.Kind() == reflect.Pointer:
		fields(of.Elem(), at, visit)
	case of.Kind() == reflect.Slice:
		fields(of.Elem(), at.in("[]"), visit)
	case of.Kind() == reflect.Map && of.Elem().Kind() == reflect.String && looksLikeReference.MatchString(at.path):
		visit(at)
	case of.Kind() == reflect.Map:
		fields(of.Elem(), at.in("{}"), visit)
	case of.Kind() == reflect.Struct:
		if of.Name() == "PodSpec" || of.Name() == "PersistentVolumeClaimSpec" || of.Name() == "ObjectMeta" {
			at.rows = append(at.rows, of.Name())
		}
		for member := range of.Fields() {
			name, _, _ := strings.Cut(member.Tag.Get("json"), ",")
			if name != "" {
				name = "." + name
			}
			fields(member.Type, at.in(name), visit)
		}
	case of.Kind() == reflect.String && !isEnum(of) && looksLikeReference.MatchString(strings.TrimRight(at.path, "[]{}")):
		visit(at)
	}
}

// isLeaf tells of types that have a form of their own in JSON, or contain themselves, and name nothing.
func isLeaf(of reflect.Type) bool {
	return of == reflect.TypeFor[apiextensionsv1.JSONSchemaProps]() ||
		of.Kind() == reflect.Struct && reflect.PointerTo(of).Implements(reflect.TypeFor[json.Marshaler]())
}

// filling gives a value of its own to each text of an object.
type filling struct {
	values map[string]string // by path
}

func (f *filling) fill(value reflect.Value, path string) {
	of := value.Type()
	switch {
	case strings.Count(path, ".") > 20 || isLeaf(of):
	case of == reflect.TypeFor[rbacv1.Subject]():
		value.Set(reflect.ValueOf(rbacv1.Subject{Kind: "ServiceAccount", Namespace: "shop", Name: f.next(path + ".name")}))
	case of == reflect.TypeFor[metav1.LabelSelector]():
		value.Set(reflect.ValueOf(metav1.LabelSelector{MatchLabels: map[string]string{"label": f.next(path)}}))
	case of.Kind() == reflect.Pointer:
		value.Set(reflect.New(of.Elem()))
		f.fill(value.Elem(), path)
	case of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8:
		value.Set(reflect.MakeSlice(of, 1, 1))
		f.fill(value.Index(0), path+"[]")
	case of == reflect.TypeFor[map[string]string]():
		f.fillTexts(value, path)
	case of.Kind() == reflect.Struct:
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name != "" {
				name = "." + name
			}
			if name != ".status" {
				f.fill(value.Field(i), path+name)
			}
		}
	case of.Kind() == reflect.String && value.CanSet():
		value.SetString(f.next(path))
	case value.CanInt() && value.CanSet():
		value.SetInt(1)
	}
}

// fillTexts fills labels, selectors and parameters.
func (f *filling) fillTexts(value reflect.Value, path string) {
	texts := map[string]string{"label": f.next(path)}
	if strings.HasSuffix(path, "parameters") {
		texts = map[string]string{
			"csi.storage.k8s.io/node-stage-secret-name": f.next(path), "csi.storage.k8s.io/node-stage-secret-namespace": "shop",
		}
	}
	value.Set(reflect.ValueOf(texts))
}

func (f *filling) next(path string) string {
	f.values[path] = fmt.Sprintf("v%d", len(f.values))
	return f.values[path]
}

// kindName returns the kind as the table writes it.
func kindName(gvk schema.GroupVersionKind) string {
	return strings.TrimSuffix(gvk.Kind+"."+gvk.Group, ".")
}

var oneContainer = regexp.MustCompile(`\.(initContainers|ephemeralContainers)\[\]`)

// rowOf returns the name of a row with all sorts of containers as one.
func rowOf(row string) string { return oneContainer.ReplaceAllString(row, ".containers[]") }
