package project

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// converter builds nodes from the parser's tree.
type converter struct {
	src     *source
	anchors map[string]*node
	nodes   int
}

func (c *converter) convert(n ast.Node, depth int) (*node, error) {
	at := n.GetToken().Position
	if depth > maxDepth {
		return nil, c.src.errorf(at.Line, at.Column, "nested too deeply: a project file has at most %d levels", maxDepth)
	}
	out := &node{src: c.src, line: at.Line, column: at.Column, size: 1}
	var err error
	switch n := n.(type) {
	case *ast.MappingNode:
		out.flow = n.IsFlowStyle
		err = c.object(out, n.Values, depth)
	case *ast.MappingValueNode:
		err = c.object(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out.isList, out.flow = true, n.IsFlowStyle
		for _, v := range n.Values {
			item, err := c.convert(v, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
			out.size += item.size
		}
	case *ast.AnchorNode:
		return c.anchor(n, depth)
	case *ast.AliasNode:
		target, known := c.anchors[n.Value.GetToken().Value]
		if !known {
			return nil, c.src.errorf(at.Line, at.Column, "no anchor is called %q here", n.Value.GetToken().Value)
		}
		*out = *target // shares the children; places stay the anchor's
	case *ast.TagNode:
		return c.tagged(n, depth)
	case *ast.LiteralNode:
		out.scalar = n.Value.Value
	case ast.ScalarNode:
		out.scalar = scalarOf(n.GetToken())
	default:
		err = c.src.errorf(at.Line, at.Column, "a project file cannot hold this kind of YAML (%s)", n.Type())
	}
	if err != nil {
		return nil, err
	}
	if c.nodes += out.size; out.size > maxNodes || c.nodes > maxNodes*maxDepth {
		return nil, c.src.errorf(at.Line, at.Column, "too large once its aliases are filled in")
	}
	return out, nil
}

func (c *converter) anchor(n *ast.AnchorNode, depth int) (*node, error) {
	value, err := c.convert(n.Value, depth+1)
	if err == nil {
		c.anchors[n.Name.GetToken().Value] = value
	}
	return value, err
}

func (c *converter) tagged(n *ast.TagNode, depth int) (*node, error) {
	value, err := c.convert(n.Value, depth+1)
	if err != nil {
		return nil, err
	}
	switch tag := n.GetToken().Value; tag {
	case "!!str", "!":
		if !value.isMap && !value.isList {
			value.scalar = n.Value.GetToken().Value
		}
	case "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!timestamp":
	default:
		at := n.GetToken().Position
		return nil, c.src.errorf(at.Line, at.Column, "unknown tag %s", tag)
	}
	return value, nil
}

// object fills out with the pairs; keys of << come after the object's own.
func (c *converter) object(out *node, pairs []*ast.MappingValueNode, depth int) error {
	out.isMap = true
	if len(pairs) > 0 && !out.flow {
		at := pairs[0].Key.GetToken().Position
		out.line, out.column = at.Line, at.Column
	}
	seen := map[string]int{}
	var merges []*node
	for _, pair := range pairs {
		at := pair.Key.GetToken().Position
		value, err := c.convert(pair.Value, depth+1)
		if err != nil {
			return err
		}
		out.size += value.size + 1
		if pair.Key.Type() == ast.MergeKeyType {
			merges = append(merges, value)
			continue
		}
		key, err := c.key(pair.Key)
		if err != nil {
			return err
		}
		if first, twice := seen[key]; twice {
			return c.src.errorf(at.Line, at.Column, "duplicate key %q", key).
				WithHint("the first %q is on line %d; merge the two", key, first)
		}
		seen[key] = at.Line
		out.entries = append(out.entries, entry{key: key, line: at.Line, column: at.Column, value: value})
	}
	for _, m := range merges {
		if err := c.merge(out, m, seen); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) merge(out, from *node, seen map[string]int) error {
	if from.isList {
		for _, item := range from.items {
			if err := c.merge(out, item, seen); err != nil {
				return err
			}
		}
		return nil
	}
	if !from.isMap {
		return from.errorf("<< takes an object, not %s", from.shape())
	}
	for _, e := range from.entries {
		if _, there := seen[e.key]; !there {
			seen[e.key] = e.line
			e.merged = true
			out.entries = append(out.entries, e)
		}
	}
	return nil
}

func (c *converter) key(n ast.MapKeyNode) (string, error) {
	t := n.GetToken()
	if k, explicit := n.(*ast.MappingKeyNode); explicit {
		t = k.Value.GetToken()
		if _, scalar := k.Value.(ast.ScalarNode); !scalar {
			return "", c.src.errorf(t.Position.Line, t.Position.Column, "a key must be text")
		}
	}
	switch n.Type() {
	case ast.MappingType, ast.SequenceType, ast.AnchorType, ast.AliasType, ast.TagType:
		return "", c.src.errorf(t.Position.Line, t.Position.Column, "a key must be text")
	}
	return t.Value, nil
}

func scalarOf(t *token.Token) any {
	switch t.Type {
	case token.SingleQuoteType, token.DoubleQuoteType:
		return t.Value
	case token.ImplicitNullType:
		return nil
	}
	return plainScalar(t.Value)
}
