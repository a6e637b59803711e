package project

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"elt/internal/fault"
)

// parse reads one YAML document. Mistakes come with line and column, and
// where the indentation is at fault, with what it should be.
func parse(src *source) (*node, error) {
	if err := checkDepth(src); err != nil {
		return nil, err
	}
	tokens := joinColons(lexer.Tokenize(src.text))
	if err := checkTokens(src, tokens); err != nil {
		return nil, err
	}
	file, err := parseTokens(tokens)
	if err != nil {
		return nil, explain(src, err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return nil, src.errorf(doc.Body.GetToken().Position.Line, 1, "a project file holds one document, this is a second one")
		}
		body = doc.Body
	}
	if body == nil {
		return nil, fault.New(fault.Failed, "%s is empty", src.shown).
			WithHint("a project file lists at least its plugins; project.example.yml shows one")
	}
	c := converter{src: src, anchors: map[string]*node{}}
	root, err := c.convert(body, 0)
	if err != nil {
		return nil, err
	}
	if !root.isMap {
		return nil, root.errorf("a project file is an object of keys and values, not %s", root.shape())
	}
	return root, nil
}

// parseTokens keeps a panic of the YAML library, on a text that nobody tried
// before, from ending the program.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", r)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// joinColons mends what the lexer does inside braces: there it cuts tool:go,
// which YAML reads as one text since no blank follows the colon.
func joinColons(tokens token.Tokens) token.Tokens {
	var out token.Tokens
	flow := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.MappingValueType:
			if flow == 0 || len(out) == 0 || i+1 == len(tokens) || !isPlain(out[len(out)-1]) || !isPlain(tokens[i+1]) ||
				strings.HasPrefix(tokens[i+1].Origin, " ") || strings.HasPrefix(tokens[i+1].Origin, "\t") || strings.HasPrefix(tokens[i+1].Origin, "\n") {
				break
			}
			before, after := out[len(out)-1], tokens[i+1]
			before.Type = token.StringType
			before.Value, before.Origin = before.Value+":"+after.Value, before.Origin+":"+after.Origin
			before.Next = after.Next
			if after.Next != nil {
				after.Next.Prev = before
			}
			i++
			continue
		}
		out = append(out, t)
	}
	return out
}

// isPlain says that a token is an unquoted scalar.
func isPlain(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BoolType, token.NullType, token.HexIntegerType,
		token.OctetIntegerType, token.BinaryIntegerType:
		return true
	}
	return false
}

func (n *node) shape() string {
	switch {
	case n.isMap:
		return "an object"
	case n.isList:
		return "a list"
	case n.scalar == nil:
		return "nothing"
	}
	return fmt.Sprintf("%q", scalarText(n.scalar))
}

// checkDepth refuses runs of brackets before the lexer sees them; it counts
// brackets in strings too, so its bound is far above checkTokens'.
func checkDepth(src *source) error {
	depth := 0
	for i := range len(src.text) {
		switch src.text[i] {
		case '[', '{':
			if depth++; depth > 50*maxDepth {
				return fault.New(fault.Failed, "%s is nested too deeply", src.shown)
			}
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return nil
}

// checkTokens bounds nesting before the recursive parser runs.
func checkTokens(src *source, tokens token.Tokens) error {
	flow, onLine, line := 0, 0, 0
	indents := []int{}
	for _, t := range tokens {
		at := t.Position
		if at.Line != line {
			line, onLine = at.Line, 0
			for len(indents) > 0 && indents[len(indents)-1] >= at.Column {
				indents = indents[:len(indents)-1]
			}
			indents = append(indents, at.Column)
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			onLine++
		}
		if flow > maxDepth || onLine > maxDepth && flow == 0 || len(indents) > maxDepth {
			return src.errorf(at.Line, at.Column, "nested too deeply: a project file has at most %d levels", maxDepth)
		}
	}
	return nil
}

// explain turns the parser's error into ours.
func explain(src *source, err error) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return fault.Wrap(fault.Failed, err, "%s is not valid YAML", src.shown)
	}
	if wrong := misindented(src); wrong != nil {
		return wrong
	}
	at := e.GetToken().Position
	if i := strings.IndexByte(src.lineText(at.Line), '\t'); i >= 0 && strings.TrimSpace(src.lineText(at.Line)[:i]) == "" {
		return src.errorf(at.Line, i+1, "indented by a tab").WithHint("YAML is indented by spaces only")
	}
	return src.errorf(at.Line, at.Column, "not valid YAML: %s", e.GetMessage())
}

func (s *source) lineText(line int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	return s.lines[line-1]
}

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
