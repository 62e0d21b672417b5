package templates

import (
	"fmt"
	"slices"
	"text/template/parse"
)

// bodyTree is what a body's template asks for, as far as its text tells.
type bodyTree struct {
	columns []string // that it names for certain, each once
	calls   []string // the functions that it calls, each once
	whole   bool     // it may ask for any column
	faults  []error  // constants that no invoice can make right
}

// readBodyTree walks a parsed template. Within range and with the dot is no longer the
// row: only what begins with $ is a column there.
func readBodyTree(trees ...*parse.Tree) bodyTree {
	var t bodyTree
	for i, tree := range trees {
		if tree != nil && tree.Root != nil {
			t.walk(tree.Root, i == 0)
		}
	}
	return t
}

func (t *bodyTree) walk(node parse.Node, dotIsRow bool) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				t.walk(child, dotIsRow)
			}
		}
	case *parse.ActionNode:
		t.walk(n.Pipe, dotIsRow)
	case *parse.IfNode:
		t.branch(&n.BranchNode, dotIsRow, dotIsRow)
	case *parse.WithNode:
		t.branch(&n.BranchNode, dotIsRow, false)
	case *parse.RangeNode:
		t.branch(&n.BranchNode, dotIsRow, false)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			t.walk(n.Pipe, dotIsRow)
		}
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			t.command(command, dotIsRow)
		}
	case *parse.FieldNode:
		if dotIsRow {
			t.column(n.Ident[0])
		}
	case *parse.DotNode:
		t.whole = t.whole || dotIsRow
	case *parse.VariableNode:
		switch {
		case n.Ident[0] != "$":
		case len(n.Ident) > 1:
			t.column(n.Ident[1])
		default:
			t.whole = true
		}
	case *parse.ChainNode:
		t.walk(n.Node, dotIsRow)
	case *parse.IdentifierNode:
		if !slices.Contains(t.calls, n.Ident) {
			t.calls = append(t.calls, n.Ident)
		}
	}
}

func (t *bodyTree) branch(n *parse.BranchNode, dotIsRow, within bool) {
	t.walk(n.Pipe, dotIsRow)
	t.walk(n.List, within)
	t.walk(n.ElseList, dotIsRow)
}

func (t *bodyTree) column(name string) {
	if !slices.Contains(t.columns, name) {
		t.columns = append(t.columns, name)
	}
}

func (t *bodyTree) command(n *parse.CommandNode, dotIsRow bool) {
	for i, arg := range n.Args {
		if i != 1 || !indexesConstant(n) {
			t.walk(arg, dotIsRow)
		}
	}
	function, isCall := n.Args[0].(*parse.IdentifierNode)
	if !isCall {
		return
	}
	check := func(i int, what func(text string) error) {
		if i >= len(n.Args) {
			return
		}
		if constant, ok := n.Args[i].(*parse.StringNode); ok {
			if err := what(constant.Text); err != nil {
				t.faults = append(t.faults, fmt.Errorf("has a fault: %s: %w", function.Ident, err))
			}
		}
	}
	switch function.Ident {
	case "index": // {{index . "Customer No"}}
		if _, isDot := n.Args[min(1, len(n.Args)-1)].(*parse.DotNode); isDot && dotIsRow {
			check(2, func(name string) error { t.column(name); return nil })
		}
	case "date":
		check(1, checkLayout)
		check(2, func(zone string) error { _, err := parseZone(zone); return err })
	case "minor":
		for i := 3; i < len(n.Args); i++ {
			check(i, func(text string) error { _, _, err := parseException(text); return err })
		}
	}
}

// indexesConstant: {{index . "Customer No"}} asks for one column alone.
func indexesConstant(n *parse.CommandNode) bool {
	if len(n.Args) != 3 {
		return false
	}
	function, isCall := n.Args[0].(*parse.IdentifierNode)
	_, isDot := n.Args[1].(*parse.DotNode)
	_, isText := n.Args[2].(*parse.StringNode)
	return isCall && function.Ident == "index" && isDot && isText
}
