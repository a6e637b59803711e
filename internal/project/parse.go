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
