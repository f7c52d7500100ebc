package selection

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

// AnnotationReferences is the annotation of a CustomResourceDefinition in which it declares the references of its
// objects, as a JSON list of {"path", "kind", "namespacePath", "optional"}.
const AnnotationReferences = "kahu.io/references"

// maxReferences bounds the references that one definition declares.
const maxReferences = 100

// ReasonInvalidReference is the reason of a Problem with a reference that cannot be followed as it is declared.
const ReasonInvalidReference = "InvalidReference"

// Reference is a reference as it is declared, in a spec or in the annotation of a definition.
type Reference struct {
	// From is the kind whose objects refer to others, as a filter names it.
	From string `json:"-"`
	// Path leads to the name; or, without Kind, to an object of name, kind and group.
	Path string `json:"path"`
	// Kind is the kind of what is referred to, as a filter names it.
	Kind string `json:"kind,omitempty"`
	// NamespacePath leads to the namespace, if it is not that of the object that refers.
	NamespacePath string `json:"namespacePath,omitempty"`
	// Optional tells that nothing is wrong when the object does not exist.
	Optional bool `json:"optional,omitempty"`
}

// Declare makes rules of the references that wishes declare, over the kinds that there are. With problems it returns
// the others all the same. The field is the path of the list.
func Declare(field string, wishes []Reference, kinds []core.Kind) ([]reference.Declaration, []Problem) {
	if len(wishes) == 0 {
		return nil, nil
	}
	compiling := newCompilation(Filters{}, kinds)
	var declared []reference.Declaration
	for i, wish := range wishes {
		before := len(compiling.problems)
		one := compiling.declaration(fmt.Sprintf("%s[%d]", field, i), wish)
		if len(compiling.problems) == before {
			declared = append(declared, one)
		}
	}
	return declared, compiling.problems
}

// DeclaredBy reads the annotation of a definition; its name is that of the kind: plural.group.
func DeclaredBy(definition, annotation string) ([]Reference, error) {
	var references []Reference
	decoder := json.NewDecoder(strings.NewReader(annotation))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&references); err != nil {
		return nil, fmt.Errorf("it is no JSON list of references: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the JSON list of references")
	}
	if len(references) > maxReferences {
		return nil, fmt.Errorf("it has %d references, and %d are the most", len(references), maxReferences)
	}
	for i := range references {
		references[i].From = definition
	}
	return references, nil
}

// declaration makes one rule, or notes what is wrong.
func (c *compilation) declaration(field string, wish Reference) reference.Declaration {
	made := reference.Declaration{Optional: wish.Optional}
	if from := c.one(field+".from", wish.From); from != nil {
		made.From = *from
	}
	if wish.Kind != "" {
		made.To = c.one(field+".kind", wish.Kind)
	}
	made.Path = c.path(field+".path", wish.Path)
	if wish.NamespacePath != "" {
		made.NamespacePath = new(c.path(field+".namespacePath", wish.NamespacePath))
	}
	if len(c.problems) > 0 && strings.HasPrefix(c.problems[len(c.problems)-1].Field, field+".") {
		return made
	}
	if err := made.Check(); err != nil {
		c.problem(field, ReasonInvalidReference, err.Error())
	}
	return made
}

func (c *compilation) path(field, text string) reference.Path {
	path, err := reference.ParsePath(text)
	if err != nil {
		c.problem(field, ReasonInvalidReference, err.Error())
	}
	return path
}

// one returns the one kind that a name names.
func (c *compilation) one(field, wanted string) *core.Kind {
	found, never := c.calledBy(wanted)
	switch {
	case len(found) == 1:
		return &found[0].kind
	case never != "":
		c.problem(field, ReasonKindNeverSelected, fmt.Sprintf("objects of kind %q are never backed up: %s; remove the entry", wanted, never))
	case len(found) == 0:
		c.notFound(field, wanted)
	default:
		c.problem(field, ReasonInvalidReference, fmt.Sprintf("%q is the name of %d kinds, such as %s and %s: add the group",
			wanted, len(found), found[0].kind, found[1].kind))
	}
	return nil
}
