package crd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

const (
	pages = "../../docs/api"
	types = "../../api/v1beta1"
	// engine has the runs whose steps and reasons the pages name.
	engine = "../../internal/engine"
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

// TestEveryStepHasItsName holds the steps in the timings of runs to those of the engine.
func TestEveryStepHasItsName(t *testing.T) {
	for _, of := range []string{"backup", "restore"} {
		page := readPage(t, of+".md")
		_, after, found := strings.Cut(page, "| `timings` |")
		line, _, _ := strings.Cut(after, "\n")
		_, steps, named := strings.Cut(line, "The steps are ")
		if !found || !named {
			t.Fatalf("the page of %s has no steps", of)
		}
		var written []string
		for _, match := range regexp.MustCompile("`([A-Z][A-Za-z]+)`").FindAllStringSubmatch(steps, -1) {
			written = append(written, match[1])
		}
		source, err := os.ReadFile(filepath.Join(engine, of, of+".go"))
		if err != nil {
			t.Fatal(err)
		}
		var taken []string
		for _, match := range regexp.MustCompile(`Word: "([A-Za-z]+)"`).FindAllStringSubmatch(string(source), -1) {
			taken = append(taken, match[1])
		}
		slices.Sort(written)
		slices.Sort(taken)
		if len(taken) < 10 || !slices.Equal(written, taken) {
			t.Errorf("the page of %s has the steps %q, its engine %q", of, written, taken)
		}
	}
}

// TestEveryReasonOfVolumesHasItsLine looks for what is said of claims in the code, which has no list of it in the API.
func TestEveryReasonOfVolumesHasItsLine(t *testing.T) {
	page, found := readPage(t, "backup.md"), 0
	for _, folder := range []string{engine + "/backup", engine + "/../core/volumeplan", engine + "/../volume"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range regexp.MustCompile(`(?m)^\s*(?:const )?[rR]eason[A-Za-z]+ += "([A-Za-z]+)"`).FindAllStringSubmatch(string(source), -1) {
				found++
				if !strings.Contains(page, "`"+match[1]+"`") {
					t.Errorf("the page of backup does not say what %s means, of %s", match[1], name)
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d reasons were found", found)
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
