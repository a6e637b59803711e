// Package sql reads the part of Snowflake's SQL that loaders write: statements
// become the structs of this package, everything else an error as Snowflake
// words it.
package sql

import (
	"strconv"
	"strings"
)

// reserved lists the words that name nothing unquoted
// (docs.snowflake.com/en/sql-reference/reserved-keywords).
const reserved = ` ALL ALTER AND ANY AS BETWEEN BY CASE CAST CHECK COLUMN CONNECT CONSTRAINT CREATE CROSS CURRENT
 DELETE DISTINCT DROP ELSE EXISTS FALSE FOLLOWING FOR FROM FULL GRANT GROUP HAVING ILIKE IN INCREMENT INNER INSERT
 INTERSECT INTO IS JOIN LATERAL LEFT LIKE MINUS NATURAL NOT NULL OF ON OR ORDER QUALIFY REGEXP REVOKE RIGHT RLIKE ROW
 ROWS SAMPLE SELECT SET SOME START TABLE TABLESAMPLE THEN TO TRIGGER TRUE TRY_CAST UNION UNIQUE UPDATE USING VALUES
 WHEN WHENEVER WHERE WITH CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER LOCALTIME LOCALTIMESTAMP `

// notAlias lists the words that end a table reference or an expression, and
// so are no alias without AS although they may be names.
const notAlias = ` LIMIT OFFSET FETCH EXCEPT END MATCH_CONDITION `

func isReserved(word string) bool { return inList(reserved, word) }

func inList(list, word string) bool {
	return strings.Contains(strings.ReplaceAll(list, "\n", ""), " "+word+" ")
}

// Statement is one statement with the text it was read from.
type Statement struct {
	Text string
	Do   any
}

// ParseOptions are what a session says about reading.
type ParseOptions struct {
	FoldQuoted bool // QUOTED_IDENTIFIERS_IGNORE_CASE
}

// Parse reads all statements of a text, which semicolons part.
func Parse(text string, opts ParseOptions) (out []Statement, err error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens, opts: opts}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			out, err = nil, e
		}
	}()
	for {
		for p.op(";") {
		}
		if p.peek().kind == tokEnd {
			return out, nil
		}
		start := p.peek().pos
		do := p.statement()
		if p.peek().kind != tokEnd && !p.isOp(";") {
			p.unexpected()
		}
		out = append(out, Statement{Text: strings.TrimSpace(text[start:p.peek().pos]), Do: do})
	}
}

type parser struct {
	text   string
	tokens []token
	at     int
	binds  int
	opts   ParseOptions
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peekN(n int) token {
	if p.at+n >= len(p.tokens) {
		return p.tokens[len(p.tokens)-1]
	}
	return p.tokens[p.at+n]
}

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

// unexpected ends the parse with the error Snowflake gives.
func (p *parser) unexpected() {
	t := p.peek()
	raw := t.raw
	if t.kind == tokEnd {
		raw = "<EOF>"
	}
	panic(Compile(1003, "42000", "syntax error line %d at position %d unexpected '%s'.", t.line, t.col, raw))
}

func (p *parser) unsupported(what string) {
	panic(Unsupported("%s", what))
}

// is reports whether the next tokens are these words.
func (p *parser) is(words ...string) bool {
	for i, w := range words {
		if t := p.peekN(i); t.kind != tokWord || t.text != w {
			return false
		}
	}
	return true
}

// word takes the words if they are next.
func (p *parser) word(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.at += len(words)
	return true
}

// oneOf takes one of the words and returns it.
func (p *parser) oneOf(words ...string) string {
	for _, w := range words {
		if p.word(w) {
			return w
		}
	}
	return ""
}

func (p *parser) expect(words ...string) {
	for _, w := range words {
		if !p.word(w) {
			p.unexpected()
		}
	}
}

func (p *parser) isOp(op string) bool { t := p.peek(); return t.kind == tokOp && t.text == op }

func (p *parser) op(op string) bool {
	if p.isOp(op) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expectOp(op string) {
	if !p.op(op) {
		p.unexpected()
	}
}

// ident reads one identifier: unquoted ones fold to upper case, quoted ones
// stay (docs.snowflake.com/en/sql-reference/identifiers-syntax).
func (p *parser) ident() string {
	t := p.peek()
	name := t.text
	switch {
	case t.kind == tokQuoted && name == "":
		panic(Compile(1003, "42000", "syntax error line %d at position %d unexpected '\"\"'.", t.line, t.col))
	case t.kind == tokQuoted:
		if p.opts.FoldQuoted {
			name = strings.ToUpper(name)
		}
	case t.kind == tokWord && !isReserved(name):
	default:
		p.unexpected()
	}
	p.at++
	checkLength(name)
	return name
}

func checkLength(name string) {
	if n := len([]rune(name)); n > 255 {
		panic(Compile(1969, "42601", "Object or column name '%s' exceeds the maximum length of 255 characters.", name))
	}
}

// name reads a name of up to three parts; identifier('…') is understood.
func (p *parser) name() []string {
	if p.is("IDENTIFIER") && p.peekN(1).text == "(" {
		p.at += 2
		t := p.next()
		if t.kind != tokString {
			p.at--
			p.unexpected()
		}
		p.expectOp(")")
		sub, err := lex(t.text)
		if err != nil {
			panic(err)
		}
		return (&parser{tokens: sub, opts: p.opts}).name()
	}
	out := []string{p.ident()}
	for p.isOp(".") {
		p.at++
		if p.isOp(".") { // db..table
			p.at++
			out = append(out, "PUBLIC")
		}
		out = append(out, p.ident())
	}
	if len(out) > 3 {
		panic(Compile(1003, "42000", "invalid identifier %s", strings.Join(out, ".")))
	}
	return out
}

func (p *parser) names() (out []string) {
	p.expectOp("(")
	for {
		out = append(out, p.ident())
		if !p.op(",") {
			break
		}
	}
	p.expectOp(")")
	return out
}

func (p *parser) ifNotExists() bool { return p.word("IF", "NOT", "EXISTS") }
func (p *parser) ifExists() bool    { return p.word("IF", "EXISTS") }

func (p *parser) string() string {
	t := p.peek()
	if t.kind != tokString {
		p.unexpected()
	}
	p.at++
	return t.text
}

func (p *parser) int() int {
	t := p.peek()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokNumber || err != nil {
		p.unexpected()
	}
	p.at++
	return n
}

// dataType reads a data type.
func (p *parser) dataType() Type {
	t := Type{}
	if p.peek().kind != tokWord {
		p.unexpected()
	}
	t.Name = p.next().text
	switch t.Name {
	case "DOUBLE":
		p.word("PRECISION")
	case "CHAR", "NCHAR", "CHARACTER":
		if p.word("VARYING") {
			t.Name = "VARCHAR"
		}
	}
	if p.isOp("(") {
		p.at++
		for !p.op(")") {
			if p.peek().kind != tokNumber {
				p.unsupported("structured type " + t.Name)
			}
			t.Args = append(t.Args, p.int())
			if !p.isOp(")") {
				p.expectOp(",")
			}
		}
	}
	switch {
	case t.Name == "TIMESTAMP" && p.word("WITH", "TIME", "ZONE"):
		t.Name = "TIMESTAMP_TZ"
	case t.Name == "TIMESTAMP" && p.word("WITH", "LOCAL", "TIME", "ZONE"):
		t.Name = "TIMESTAMP_LTZ"
	case t.Name == "TIMESTAMP":
		p.word("WITHOUT", "TIME", "ZONE")
	}
	return t
}

// stage reads a stage reference, quoted or not.
func (p *parser) stage() Stage {
	t := p.peek()
	if t.kind != tokStage && !(t.kind == tokString && strings.HasPrefix(t.text, "@")) {
		p.unexpected()
	}
	p.at++
	return p.parseStage(t.text)
}

func (p *parser) parseStage(text string) Stage {
	s := Stage{Kind: 'n', Text: text}
	rest := text[1:]
	if strings.HasPrefix(rest, "~") {
		s.Kind, rest = 'u', rest[1:]
	} else {
		for {
			if strings.HasPrefix(rest, "%") {
				s.Kind, rest = 't', rest[1:]
			}
			if strings.HasPrefix(rest, `"`) {
				name, n, _ := quotedName(rest)
				if p.opts.FoldQuoted {
					name = strings.ToUpper(name)
				}
				s.Name, rest = append(s.Name, name), rest[n:]
			} else {
				n := strings.IndexAny(rest, "./")
				if n < 0 {
					n = len(rest)
				}
				if n == 0 {
					panic(Compile(1003, "42000", "syntax error: invalid stage reference '%s'.", text))
				}
				s.Name, rest = append(s.Name, strings.ToUpper(rest[:n])), rest[n:]
			}
			if !strings.HasPrefix(rest, ".") {
				break
			}
			rest = rest[1:]
		}
	}
	if rest != "" && rest[0] != '/' {
		panic(Compile(1003, "42000", "syntax error: invalid stage reference '%s'.", text))
	}
	s.Path = strings.TrimLeft(rest, "/")
	return s
}

// options reads KEY = value pairs until something else comes.
func (p *parser) options() Options {
	out := Options{}
	for {
		p.op(",")
		if p.peek().kind != tokWord || p.peekN(1).text != "=" || p.peekN(1).kind != tokOp {
			return out
		}
		key := p.next().text
		p.at++
		if _, twice := out[key]; twice {
			panic(Compile(1003, "42000", "duplicate option '%s'.", key))
		}
		out[key] = p.optionValue()
	}
}

func (p *parser) optionValue() any {
	t := p.peek()
	switch {
	case p.op("("):
		if p.peek().kind == tokWord && p.peekN(1).text == "=" {
			sub := p.options()
			p.expectOp(")")
			return sub
		}
		list := []string{}
		for !p.op(")") {
			v := p.next()
			if v.kind == tokEnd || v.kind == tokOp {
				p.at--
				p.unexpected()
			}
			list = append(list, v.text)
			if !p.isOp(")") {
				p.expectOp(",")
			}
		}
		return list
	case t.kind == tokOp && t.text == "-":
		p.at++
		return "-" + p.next().text
	case t.kind == tokString, t.kind == tokNumber:
		p.at++
		return t.text
	case t.kind == tokWord, t.kind == tokQuoted:
		p.at++
		for p.op(".") {
			p.at++
		}
		last := p.tokens[p.at-1]
		if t.kind == tokWord && last == t {
			return t.text
		}
		return p.text[t.pos : last.pos+len(last.raw)]
	}
	p.unexpected()
	return nil
}

// ParseName reads a dotted name as it stands in an option's text.
func ParseName(text string, opts ParseOptions) (name []string, err error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			name, err = nil, e
		}
	}()
	p := &parser{text: text, tokens: tokens, opts: opts}
	return p.name(), nil
}

// ParseStage reads a stage reference that stands outside of a statement.
func ParseStage(text string) (stage Stage, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	if !strings.HasPrefix(text, "@") {
		return stage, Compile(1003, "42000", "syntax error: invalid stage reference '%s'.", text)
	}
	return (&parser{}).parseStage(text), nil
}
