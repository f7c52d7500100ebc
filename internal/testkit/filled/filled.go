// Package filled makes values in which every field has a value, so that a test can look at every field that a type of
// the API has.
package filled

import (
	"encoding/json"
	"fmt"
	"reflect"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxDepth ends types that contain themselves, such as schemas.
const maxDepth = 24

// Fill gives every field of what target points to a value: text where it is a string, and every list and map one
// entry. Metadata, schemas and what has a form of its own in JSON are left as they are.
func Fill(target any, text string) {
	filler{text: text}.fill(reflect.ValueOf(target).Elem(), 0)
}

// JSON returns the value as decoded JSON.
func JSON(value any) (map[string]any, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	content := map[string]any{}
	if err := json.Unmarshal(encoded, &content); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	return content, nil
}

type filler struct{ text string }

func (f filler) fill(value reflect.Value, depth int) {
	if depth > maxDepth {
		return
	}
	switch kind := value.Kind(); {
	case kind == reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		f.fill(value.Elem(), depth+1)
	case kind == reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		f.fill(value.Index(0), depth+1)
	case kind == reflect.Map:
		f.fillMap(value, depth)
	case kind == reflect.Struct && !skipped(value):
		for _, field := range value.Fields() {
			if field.CanSet() {
				f.fill(field, depth+1)
			}
		}
	case kind == reflect.String:
		value.SetString(f.text)
	case value.CanInt():
		value.SetInt(1)
	}
}

func (f filler) fillMap(value reflect.Value, depth int) {
	if value.Type().Key().Kind() != reflect.String {
		return
	}
	entry := reflect.New(value.Type().Elem()).Elem()
	f.fill(entry, depth+1)
	key := reflect.ValueOf(f.text).Convert(value.Type().Key())
	value.Set(reflect.MakeMap(value.Type()))
	value.SetMapIndex(key, entry)
}

// skipped tells whether a struct has a form of its own in JSON, is metadata, or contains itself.
func skipped(value reflect.Value) bool {
	switch value.Addr().Interface().(type) {
	case json.Marshaler, *metav1.ObjectMeta, *metav1.TypeMeta, *apiextensionsv1.JSONSchemaProps:
		return true
	}
	return false
}
