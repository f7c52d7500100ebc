package transformset

import (
	"fmt"
	"maps"
	"slices"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// Compile turns sets, in their order, into a Program for one run, or says what is wrong with them. With problems there
// is no Program; without, there is.
func Compile(sets []Set) (*Program, []selection.Problem) {
	program := &Program{}
	var problems []selection.Problem
	for _, set := range sets {
		compiling := &compilation{set: set}
		compiling.compile()
		problems = append(problems, compiling.problems...)
		program.parts = append(program.parts, compiling.part)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return program, nil
}

// compilation is a part of a Program in the making.
type compilation struct {
	set      Set
	part     part
	problems []selection.Problem
}

func (c *compilation) compile() {
	set := c.set
	c.part.images = c.images(set.ImageMapping)
	c.part.classes = c.classes(set.StorageClassMapping)
	if len(set.Transforms) > maxTransforms {
		c.problemf("spec.transforms", "there are %d, and at most %d are allowed: spread them over several sets",
			len(set.Transforms), maxTransforms)
		return
	}
	for i, transform := range set.Transforms {
		c.transform(fmt.Sprintf("spec.transforms[%d]", i), transform)
	}
}

// transform compiles one transform, which is at the field.
func (c *compilation) transform(field string, transform Transform) {
	step := &step{title: c.set.Field(transform.title(field)), skipOnError: transform.SkipOnError}
	step.match = c.match(field+".match", transform.Match)
	hasPatch, hasMerge := len(transform.JSONPatch) > 0, len(transform.MergePatch) > 0
	switch {
	case hasPatch == hasMerge:
		c.problemf(field, "give one of jsonPatch and mergePatch, and not both")
	case hasPatch:
		step.patch = c.jsonPatch(field+".jsonPatch", transform.JSONPatch)
	default:
		step.patch = c.mergePatch(field+".mergePatch", transform.MergePatch)
	}
	c.part.steps = append(c.part.steps, step)
}

// classes compiles a mapping of storage classes.
func (c *compilation) classes(mapping map[string]string) []*mapped {
	const field = "spec.storageClassMapping"
	if !c.bounded(field, len(mapping)) {
		return nil
	}
	made := make([]*mapped, 0, len(mapping))
	for _, from := range slices.Sorted(maps.Keys(mapping)) {
		to := mapping[from]
		if from == "" || to == "" {
			c.problemf(field+"["+from+"]", "both names must be given: name a storage class, and the one that takes its place")
			continue
		}
		made = append(made, &mapped{title: c.set.Field(field + "[" + from + "]"), from: from, to: to})
	}
	return made
}

func (c *compilation) bounded(field string, length int) bool {
	if length > maxMappings {
		c.problemf(field, "there are %d entries, and at most %d are allowed", length, maxMappings)
	}
	return length <= maxMappings
}

func (c *compilation) problemf(field, format string, values ...any) {
	c.problems = append(c.problems, selection.Problem{
		Field: c.set.Field(field), Reason: ReasonInvalidTransform, Message: fmt.Sprintf(format, values...),
	})
}
