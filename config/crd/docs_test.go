package crd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

const (
	pages = "../../docs/api"
	types = "../../api/v1beta1"
)

// TestEveryFieldHasItsLine reads the page of each kind and looks for its fields.
func TestEveryFieldHasItsLine(t *testing.T) {
	for _, definition := range definitions(t) {
		page := readPage(t, definition.Spec.Names.Singular+".md")
		for _, version := range definition.Spec.Versions {
			root := version.Schema.OpenAPIV3Schema
			for _, top := range []string{"spec", "status"} {
				checkDocumented(t, definition.Spec.Names.Kind+"."+top, page, root.Properties[top])
			}
			for _, column := range version.AdditionalPrinterColumns {
				if column.Priority == 0 && !strings.Contains(page, strings.ToUpper(column.Name)) {
					t.Errorf("the page of %s does not show the column %s", definition.Spec.Names.Kind, column.Name)
				}
			}
		}
	}
}

// TestEveryReasonHasItsLine looks for each condition and reason on some page.
func TestEveryReasonHasItsLine(t *testing.T) {
	var all strings.Builder
	for _, definition := range definitions(t) {
		all.WriteString(readPage(t, definition.Spec.Names.Singular+".md"))
	}
	words := constants(t)
	if len(words) < 40 {
		t.Fatalf("found only %d conditions and reasons", len(words))
	}
	for _, word := range words {
		if !strings.Contains(all.String(), "`"+word+"`") {
			t.Errorf("no page says what to do about %s", word)
		}
	}
}

func checkDocumented(t *testing.T, path, page string, field apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	// The parts of hooks come with hooks.
	if foreign(path) || strings.HasSuffix(path, ".hook") || strings.HasSuffix(path, ".reclaimPolicy") {
		return
	}
	if field.Items != nil {
		checkDocumented(t, path+"[]", page, *field.Items.Schema)
	}
	for name, property := range field.Properties {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s.%s is not on its page", path, name)
		}
		checkDocumented(t, path+"."+name, page, property)
	}
}

// constants returns the values of the constants for conditions and reasons.
func constants(t *testing.T) []string {
	t.Helper()
	var words []string
	for _, name := range []string{"conditions.go", "reasons.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(types, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, valuesIn(t, file)...)
	}
	return words
}

// valuesIn returns the values of the constants of a file.
func valuesIn(t *testing.T, file *ast.File) (words []string) {
	t.Helper()
	ast.Inspect(file, func(node ast.Node) bool {
		spec, is := node.(*ast.ValueSpec)
		if !is {
			return true
		}
		for _, value := range spec.Values {
			word, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, word)
		}
		return false
	})
	return words
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(pages, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
