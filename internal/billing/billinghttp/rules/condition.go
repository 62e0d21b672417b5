package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

const (
	// costMost bounds what one condition may cost for one reply, in CEL's own units: room
	// for a search of a whole megabyte, and none for loops within loops over one.
	costMost = 3_000_000
	// checkEvery is how many rounds of a loop pass between two looks at the context.
	checkEvery = 100
)

// language is CEL with what a condition sees.
type language struct {
	env    *cel.Env
	asRead *cel.Env // expands no macros: what they expand to holds negations of its own
}

func newLanguage() (*language, error) {
	options := []cel.EnvOption{
		cel.Variable("body", cel.DynType),
		cel.Variable("text", cel.StringType),
		cel.Variable("header", cel.MapType(cel.StringType, cel.StringType)),
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("prepare the language of conditions: %w", err)
	}
	asRead, err := cel.NewEnv(append(options, cel.ClearMacros())...)
	if err != nil {
		return nil, fmt.Errorf("prepare the language of conditions: %w", err)
	}
	return &language{env, asRead}, nil
}

// condition is a compiled expression. It is safe for concurrent use.
type condition struct {
	source  string
	negates bool // it has a ! or a !=
	program cel.Program
}

// compile reads an expression that stands in this line, behind so many characters.
func (l *language) compile(source string, line, before int) (*condition, []Fault) {
	checked, issues := l.env.Compile(source)
	if issues.Err() != nil {
		var faults []Fault
		for _, e := range issues.Errors() {
			faults = append(faults, Fault{line, before + e.Location.Column() + 1, explain(e.Message)})
		}
		return nil, faults
	}
	first := Fault{Line: line, Column: before + len(source) - len(strings.TrimLeft(source, " \t")) + 1}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		first.Problem = fmt.Sprintf(`is no condition: it comes to %s, and not to true or false; write for example body.status == "sent"`, article(t.String()))
		return nil, []Fault{first}
	}
	program, err := l.env.Program(checked,
		cel.EvalOptions(cel.OptOptimize), cel.CostLimit(costMost), cel.InterruptCheckFrequency(checkEvery))
	if err != nil {
		// OptOptimize compiles constants: a regular expression that is none is found here.
		first.Problem = explain(err.Error())
		return nil, []Fault{first}
	}
	return &condition{source: strings.TrimSpace(source), negates: l.negates(source), program: program}, nil
}

func (l *language) negates(source string) bool {
	read, issues := l.asRead.Parse(source)
	if issues.Err() != nil {
		return true // it was read with macros, so this is not expected: warn
	}
	found := false
	ast.PreOrderVisit(read.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind {
			name := e.AsCall().FunctionName()
			found = found || name == operators.NotEquals || name == operators.LogicalNot
		}
	}))
	return found
}

// explain makes one plain line of what CEL says.
func explain(message string) string {
	message = strings.ReplaceAll(message, " (in container '')", "")
	message = strings.Join(strings.Fields(message), " ")
	if strings.HasPrefix(message, "undeclared reference") {
		message += "; a condition sees body, text and header"
	}
	return message
}

func article(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

// errCost is why a condition came to no end.
var errCost = errors.New("it costs too much for this reply, or its time was over")

// holds says whether the condition is true of a reply. What can't be evaluated is not.
func (c *condition) holds(ctx context.Context, seen map[string]any) (bool, error) {
	value, _, err := c.program.ContextEval(ctx, seen)
	if err == nil {
		return value == types.True, nil
	}
	if _, cancelled := errors.AsType[interpreter.EvalCancelledError](err); cancelled || ctx.Err() != nil {
		return false, errCost
	}
	return false, nil
}
