package stored_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/cluster/stored"
	"github.com/soda-cdm/kahu/internal/core"
)

func configMaps() core.Kind {
	return core.Kind{Version: "v1", Name: "ConfigMap", Resource: "configmaps", Namespaced: true}
}

func TestConverterObject(t *testing.T) {
	type want struct {
		object core.Object
		json   string
	}
	cases := map[string]struct {
		reason string
		raw    string
		want   want
	}{
		"BuiltinItem": {
			reason: "An item of a built-in list lacks apiVersion and kind, and gets them.",
			raw:    `{"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7"},"data":{"b":"1","a":"2"}}`,
			want: want{
				object: core.Object{Namespace: "n", Name: "a", UID: "u", ResourceVersion: "7"},
				json: `{"apiVersion":"v1","data":{"b":"1","a":"2"},"kind":"ConfigMap",` +
					`"metadata":{"name":"a","namespace":"n","uid":"u"}}`,
			},
		},
		"CustomItem": {
			reason: "An item that has apiVersion and kind keeps them.",
			raw:    `{"kind":"K","apiVersion":"g/v2","metadata":{"name":"a"}}`,
			want: want{
				object: core.Object{Name: "a"},
				json:   `{"apiVersion":"g/v2","kind":"K","metadata":{"name":"a"}}`,
			},
		},
		"BytesSurvive": {
			reason: "Numbers beyond any Go type, escapes and the order of deep keys are content.",
			raw: `{"z":1e400,"a":[123456789012345678901234567890,-0,0.10,1E+2],"s":"\u003c\u00e9é\/\ud83d","metadata":` +
				`{"name":"a","annotations":{"z":"\u0000","a":""}}}`,
			want: want{
				object: core.Object{Name: "a"},
				json: `{"a":[123456789012345678901234567890,-0,0.10,1E+2],"apiVersion":"v1","kind":"ConfigMap","metadata":` +
					`{"annotations":{"z":"\u0000","a":""},"name":"a"},"s":"\u003c\u00e9é\/\ud83d","z":1e400}`,
			},
		},
		"WhiteSpace": {
			reason: "White space between tokens goes, white space in strings stays.",
			raw:    " {\n\t\"metadata\" : { \"name\" : \"a\" , \"managedFields\" : [ ] } ,\r\n \"data\" : { \"k\" : \" v \" } } \n",
			want: want{
				object: core.Object{Name: "a"},
				json:   `{"apiVersion":"v1","data":{"k":" v "},"kind":"ConfigMap","metadata":{"name":"a"}}`,
			},
		},
		"Volatile": {
			reason: "managedFields and resourceVersion go in metadata, and stay elsewhere.",
			raw: `{"spec":{"resourceVersion":"1","managedFields":2},"metadata":{"managedFields":[{"x":{}}],` +
				`"resourceVersion":"9","name":"a","labels":{"managedFields":"l"}}}`,
			want: want{
				object: core.Object{Name: "a", ResourceVersion: "9", Labels: map[string]string{"managedFields": "l"}},
				json: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"managedFields":"l"},"name":"a"},` +
					`"spec":{"resourceVersion":"1","managedFields":2}}`,
			},
		},
		"Metadata": {
			reason: "Owners, labels and deletion are read.",
			raw: `{"metadata":{"name":"a","deletionTimestamp":"2026-01-01T00:00:00Z","labels":{"l":"v","m":""},` +
				`"ownerReferences":[{"apiVersion":"v1","kind":"K","name":"o","uid":"ou","controller":true}]}}`,
			want: want{
				object: core.Object{
					Name: "a", Terminating: true, Labels: map[string]string{"l": "v", "m": ""},
					Owners: []core.Owner{{APIVersion: "v1", Kind: "K", Name: "o", UID: "ou", Controller: true}},
				},
				json: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z",` +
					`"labels":{"l":"v","m":""},"name":"a",` +
					`"ownerReferences":[{"apiVersion":"v1","kind":"K","name":"o","uid":"ou","controller":true}]}}`,
			},
		},
		"Nulls": {
			reason: "A null in metadata is a field that is not set; it is kept as it was sent.",
			raw: `{"metadata":{"name":"a","namespace":null,"uid":null,"labels":null,"ownerReferences":null,` +
				`"deletionTimestamp":null,"resourceVersion":null}}`,
			want: want{
				object: core.Object{Name: "a"},
				json: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"deletionTimestamp":null,"labels":null,"name":"a",` +
					`"namespace":null,"ownerReferences":null,"uid":null}}`,
			},
		},
		"EscapedKeys": {
			reason: "A key counts for what it means, and is kept as it was sent.",
			raw:    `{"\u006detadata":{"n\u0061me":"\u0061","managed\u0046ields":[]},"\u0061":1}`,
			want: want{
				object: core.Object{Name: "a"},
				json:   `{"\u0061":1,"apiVersion":"v1","kind":"ConfigMap","\u006detadata":{"n\u0061me":"\u0061"}}`,
			},
		},
		"SortedByContent": {
			reason: "Keys are sorted by their bytes: one that is the beginning of another comes first.",
			raw:    `{"ab":1,"a!":2,"a":3,"metadata":{"name":"a"},"":4}`,
			want: want{
				object: core.Object{Name: "a"},
				json:   `{"":4,"a":3,"a!":2,"ab":1,"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`,
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			raw := []byte(tc.raw)
			got, err := stored.NewConverter(configMaps()).Object(raw)
			if err != nil {
				t.Fatalf("%s\nObject: %v", tc.reason, err)
			}
			clear(raw) // The object must share nothing with it.
			if diff := cmp.Diff(tc.want.json, string(got.JSON)); diff != "" {
				t.Errorf("%s\nJSON (-want +got):\n%s", tc.reason, diff)
			}
			got.JSON = nil
			tc.want.object.Kind = configMaps()
			if diff := cmp.Diff(tc.want.object, got); diff != "" {
				t.Errorf("%s\nobject (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConverterObjectCorrupt(t *testing.T) {
	const secret = "hunter2"
	cases := map[string]string{
		"Empty":              ``,
		"Null":               `null`,
		"Array":              `[]`,
		"NoMetadata":         `{}`,
		"MetadataNoObject":   `{"metadata":"hunter2"}`,
		"NoName":             `{"metadata":{"namespace":"hunter2"}}`,
		"EmptyName":          `{"metadata":{"name":""}}`,
		"NameNoString":       `{"metadata":{"name":1}}`,
		"LabelNoString":      `{"metadata":{"name":"a","labels":{"hunter2":1}}}`,
		"OwnersNoList":       `{"metadata":{"name":"a","ownerReferences":"hunter2"}}`,
		"TwoMetadata":        `{"metadata":{"name":"a"},"metadata":{"name":"b"}}`,
		"TwoMetadataEscaped": `{"metadata":{"name":"a"},"m\u0065tadata":{"name":"b"}}`,
		"TwoNames":           `{"metadata":{"name":"a","name":"b"}}`,
		"Trailing":           `{"metadata":{"name":"a"}}{}`,
		"Truncated":          `{"metadata":{"name":"a"}`,
		"TruncatedString":    `{"metadata":{"name":"a"},"data":"hunter2`,
		"TrailingComma":      `{"metadata":{"name":"a"},}`,
		"ArrayComma":         `{"metadata":{"name":"a"},"x":[1,]}`,
		"NoColon":            `{"metadata":{"name":"a"},"hunter2" 1}`,
		"BadLiteral":         `{"metadata":{"name":"a"},"x":tru}`,
		"LeadingZero":        `{"metadata":{"name":"a"},"x":01}`,
		"NoFraction":         `{"metadata":{"name":"a"},"x":1.}`,
		"NoExponent":         `{"metadata":{"name":"a"},"x":1e}`,
		"Plus":               `{"metadata":{"name":"a"},"x":+1}`,
		"ControlCharacter":   "{\"metadata\":{\"name\":\"a\"},\"x\":\"hunter2\n\"}",
		"BadEscape":          `{"metadata":{"name":"a"},"x":"hunter2\x"}`,
		"BadUnicodeEscape":   `{"metadata":{"name":"a"},"x":"hunter2\u12g4"}`,
		"ShortUnicodeEscape": `{"metadata":{"name":"a"},"x":"\u12"}`,
		"TooDeep":            `{"metadata":{"name":"a"},"x":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + `}`,
	}
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := stored.NewConverter(configMaps()).Object([]byte(raw))
			if !errors.Is(err, core.ErrCorrupt) {
				t.Fatalf("Object: got error %v, want %v", err, core.ErrCorrupt)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("Object: the error quotes content: %v", err)
			}
		})
	}
}

func TestConverterReuse(t *testing.T) {
	converter := stored.NewConverter(configMaps())
	first, err := converter.Object([]byte(`{"metadata":{"name":"a","namespace":"n","labels":{"l":"1"}},"data":{"k":"v"}}`))
	if err != nil {
		t.Fatal(err)
	}
	before := string(first.JSON)
	if _, err := converter.Object([]byte(`{"metadata":{"name":"b","namespace":"n","labels":{"l":"2"}},"x":[1,2,3,4]}`)); err != nil {
		t.Fatal(err)
	}
	if string(first.JSON) != before || first.Labels["l"] != "1" {
		t.Errorf("the first object changed with the second: %s %v", first.JSON, first.Labels)
	}
}

func TestConverterQuotesKindNames(t *testing.T) {
	kind := core.Kind{Group: "g", Version: `v"\`, Name: "K\n", Resource: "ks"}
	object, err := stored.NewConverter(kind).Object([]byte(`{"metadata":{"name":"a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(object.JSON, &got); err != nil {
		t.Fatalf("reading %s: %v", object.JSON, err)
	}
	if got.APIVersion != kind.APIVersion() || got.Kind != kind.Name {
		t.Errorf("got %+v, want %q and %q", got, kind.APIVersion(), kind.Name)
	}
}

// FuzzConverterObject compares with encoding/json: what it accepts as an object with a name must come out the same,
// and what it refuses must be refused.
func FuzzConverterObject(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"name":"a","namespace":"n","managedFields":[{}],"labels":{"a":"b"}},"data":{"x":1e400}}`,
		` { "metadata" : {"name":"\u0061"} , "a" : [ 1 , -0.5e-7 , true , false , null , "\\\"\/" ] } `,
		`{"kind":"","apiVersion":"","metadata":{"name":"a","ownerReferences":[{"name":"o","controller":false}]}}`,
		`{"metadata":{"name":"a"},"metadata":{}}`, `{`, `[]`, ``, "{\"metadata\":{\"name\":\"\xff\"}}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		object, err := stored.NewConverter(configMaps()).Object(bytes.Clone(raw))
		if err != nil {
			if !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("error of no class: %v", err)
			}
			if model := model(raw); model != nil {
				t.Errorf("refused, and should be %s: %v", model, err)
			}
			return
		}
		if want := model(raw); !bytes.Equal(want, object.JSON) {
			t.Errorf("got  %s\nwant %s", object.JSON, want)
		}
		again, err := stored.NewConverter(configMaps()).Object(object.JSON)
		if err != nil {
			t.Fatalf("reading the stored form again: %v", err)
		}
		if !bytes.Equal(again.JSON, object.JSON) {
			t.Errorf("the stored form of the stored form is another one:\n%s\n%s", object.JSON, again.JSON)
		}
	})
}

// model makes the stored form with encoding/json, or returns nil where there is none.
func model(raw []byte) []byte {
	var metadata struct {
		Name      *string           `json:"-"`
		Namespace *string           `json:"namespace"`
		UID       *string           `json:"uid"`
		Version   *string           `json:"resourceVersion"`
		Labels    map[string]string `json:"labels"`
		Owners    []core.Owner      `json:"ownerReferences"`
	}
	top, ok := modelMembers(raw)
	if !ok || top["metadata"] == nil {
		return nil
	}
	fields, ok := modelMembers(top["metadata"].value)
	if !ok || fields["name"] == nil {
		return nil
	}
	var name *string
	if json.Unmarshal(fields["name"].value, &name) != nil || name == nil || *name == "" {
		return nil
	}
	// encoding/json takes keys in any case; only the exact ones count.
	exact := map[string]json.RawMessage{}
	for _, key := range []string{"namespace", "uid", "resourceVersion", "labels", "ownerReferences"} {
		if fields[key] != nil {
			exact[key] = fields[key].value
		}
	}
	encoded, err := json.Marshal(exact)
	if err != nil || json.Unmarshal(encoded, &metadata) != nil || nullLabel(exact["labels"]) {
		return nil
	}
	delete(fields, "managedFields")
	delete(fields, "resourceVersion")
	top["metadata"].value = modelObject(fields)
	if top["kind"] == nil {
		top["kind"] = &modelMember{key: []byte(`"kind"`), value: []byte(`"ConfigMap"`)}
	}
	if top["apiVersion"] == nil {
		top["apiVersion"] = &modelMember{key: []byte(`"apiVersion"`), value: []byte(`"v1"`)}
	}
	return modelObject(top)
}
