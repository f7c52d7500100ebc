package transformset

import (
	"errors"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/interpreter"
)

// costLimit bounds one evaluation of a condition, in the units of CEL: about a tenth of a second.
const costLimit = 1_000_000

// The reasons why a condition cannot be told of an object. The words of the evaluator itself can have values of the
// object in them.
var (
	errConditionCost    = errors.New("its condition costs more than the limit: make it simpler")
	errConditionField   = errors.New("its condition refers to a field that the object does not have: ask has() first, or use object.?field.orValue()")
	errConditionType    = errors.New("its condition is neither true nor false for the object: compare with a value")
	errConditionFailing = errors.New("its condition fails on the object: check the types of the fields that it compares")
)

// condition is a compiled expression over the object.
type condition struct {
	program cel.Program
}

// condition compiles an expression, which is at the field. It sees the variable object, and has the operators and
// functions of the language itself and optional fields: those of libraries that make texts could make any number of
// them.
func (c *compilation) condition(field, expression string) *condition {
	if len(expression) > maxCondition {
		c.problemf(field, "it has %d characters, and at most %d are allowed: make it simpler", len(expression), maxCondition)
		return nil
	}
	environment, err := cel.NewEnv(
		cel.Variable("object", cel.DynType), cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxCondition), cel.DefaultUTCTimeZone(true))
	if err != nil {
		c.problemf(field, "conditions cannot be compiled: %v", err)
		return nil
	}
	ast, issues := environment.Compile(expression)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		c.problemf(field, "at character %d: %s: correct the expression", first.Location.Column()+1, oneLine(first.Message))
		return nil
	}
	if kind := ast.OutputType(); kind != cel.BoolType && kind != cel.DynType {
		c.problemf(field, "it gives a value of type %s, and must be true or false", kind)
		return nil
	}
	program, err := environment.Program(ast, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		c.problemf(field, "%s: correct the expression", oneLine(err.Error()))
		return nil
	}
	return &condition{program: program}
}

// holds tells whether the condition is true of the object.
func (c *condition) holds(object map[string]any) (bool, error) {
	value, _, err := c.program.Eval(map[string]any{"object": object})
	var cancelled interpreter.EvalCancelledError
	switch {
	case errors.As(err, &cancelled):
		return false, errConditionCost
	case err != nil && strings.HasPrefix(err.Error(), "no such key"):
		return false, errConditionField
	case err != nil:
		return false, errConditionFailing
	}
	holds, ok := value.Value().(bool)
	if !ok {
		return false, errConditionType
	}
	return holds, nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
