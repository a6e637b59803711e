package sql

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // unquoted identifier or keyword; text folded to upper case
	tokQuoted           // "identifier"
	tokString           // 'text' or $$text$$, unescaped
	tokNumber
	tokOp
	tokStage  // @stage/path, as written
	tokFile   // file://path
	tokDollar // $1; text is the number, or the variable's name
	tokBind   // ? or :1; text is the number, empty for ?
)

type token struct {
	kind      tokenKind
	text      string
	raw       string
	pos       int // byte offset
	line, col int
}

// lex splits a text into tokens. The rules are those of
// docs.snowflake.com: identifiers-syntax and data-types-text (escape
// sequences in string constants, $$ strings), and of stage references.
func lex(text string) ([]token, error) {
	l := lexer{text: text, line: 1}
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		t.raw = l.text[t.pos:l.at]
		l.tokens = append(l.tokens, t)
		if t.kind == tokEnd {
			return l.tokens, nil
		}
	}
}

type lexer struct {
	text      string
	at        int
	line      int
	lineStart int
	counted   int
	tokens    []token
}

func (l *lexer) skip() error {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch {
		case strings.ContainsRune(" \t\r\n\f\v", rune(rest[0])):
			l.at++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "//"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				l.at += end + 1
			} else {
				l.at = len(l.text)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return l.errorf("unterminated comment")
			}
			l.at += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) mark() (line, col int) {
	for ; l.counted < l.at; l.counted++ {
		if l.text[l.counted] == '\n' {
			l.line++
			l.lineStart = l.counted + 1
		}
	}
	return l.line, l.at - l.lineStart
}

func (l *lexer) errorf(what string) error {
	line, col := l.mark()
	return Compile(1003, "42000", "parse error line %d at position %d near '%s'.", line, col, what)
}

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	t := token{pos: l.at}
	t.line, t.col = l.mark()
	if l.at >= len(l.text) {
		return t, nil
	}
	rest := l.text[l.at:]
	c := rest[0]
	switch {
	case c == '\'':
		s, n, err := unquote(rest)
		if err != nil {
			return t, l.errorf("<EOF>")
		}
		t.kind, t.text = tokString, s
		l.at += n
	case strings.HasPrefix(rest, "$$"):
		end := strings.Index(rest[2:], "$$")
		if end < 0 {
			return t, l.errorf("<EOF>")
		}
		t.kind, t.text = tokString, rest[2:2+end]
		l.at += end + 4
	case c == '"':
		s, n, ok := quotedName(rest)
		if !ok {
			return t, l.errorf("<EOF>")
		}
		t.kind, t.text = tokQuoted, s
		l.at += n
	case c == '@':
		t.kind = tokStage
		n := stageLength(rest)
		t.text = rest[:n]
		l.at += n
	case len(rest) >= 7 && strings.EqualFold(rest[:7], "file://"):
		n := strings.IndexAny(rest, " \t\r\n;")
		if n < 0 {
			n = len(rest)
		}
		t.kind, t.text = tokFile, rest[:n]
		l.at += n
	case wordStart(c):
		n := 1
		for n < len(rest) && (wordStart(rest[n]) || digit(rest[n]) || rest[n] == '$') {
			n++
		}
		t.kind, t.text = tokWord, strings.ToUpper(rest[:n])
		l.at += n
	case digit(c), c == '.' && len(rest) > 1 && digit(rest[1]):
		n := numberLength(rest)
		t.kind, t.text = tokNumber, rest[:n]
		l.at += n
	case c == '$' && len(rest) > 1:
		n := 1
		for n < len(rest) && (wordStart(rest[n]) || digit(rest[n])) {
			n++
		}
		t.kind, t.text = tokDollar, strings.ToUpper(rest[1:n])
		l.at += n
	case c == '?':
		t.kind = tokBind
		l.at++
	case c == ':' && len(rest) > 1 && digit(rest[1]):
		n := 1
		for n < len(rest) && digit(rest[n]) {
			n++
		}
		t.kind, t.text = tokBind, rest[1:n]
		l.at += n
	default:
		n := 1
		for _, op := range []string{"::", "<=", ">=", "<>", "!=", "||", "=>", "->"} {
			if strings.HasPrefix(rest, op) {
				n = len(op)
			}
		}
		if n == 1 && !strings.ContainsRune("+-*/%(),.;=<>:[]{}", rune(c)) {
			_, size := utf8.DecodeRuneInString(rest)
			return t, l.errorf(rest[:size])
		}
		t.kind, t.text = tokOp, rest[:n]
		l.at += n
	}
	return t, nil
}

func wordStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func numberLength(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	if n < len(s) && s[n] == '.' {
		for n++; n < len(s) && digit(s[n]); n++ {
		}
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if m < len(s) && (s[m] == '+' || s[m] == '-') {
			m++
		}
		if m < len(s) && digit(s[m]) {
			for n = m; n < len(s) && digit(s[n]); n++ {
			}
		}
	}
	return n
}

// quotedName reads "…" with "" for a quote.
func quotedName(s string) (name string, n int, ok bool) {
	var b strings.Builder
	for n = 1; n < len(s); n++ {
		if s[n] != '"' {
			b.WriteByte(s[n])
			continue
		}
		if n+1 < len(s) && s[n+1] == '"' {
			b.WriteByte('"')
			n++
			continue
		}
		return b.String(), n + 1, true
	}
	return "", 0, false
}

// stageLength is how far a stage reference reaches: quoted names may hold
// anything, the rest ends at white space, a parenthesis, comma or semicolon.
func stageLength(s string) int {
	n := 1
	for n < len(s) {
		if s[n] == '"' {
			if _, m, ok := quotedName(s[n:]); ok {
				n += m
				continue
			}
		}
		if strings.IndexByte(" \t\r\n(),;'", s[n]) >= 0 {
			break
		}
		n++
	}
	return n
}

// unquote reads a string constant and returns its value and its length.
func unquote(s string) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case s[i] == '\'':
			return b.String(), i + 1, nil
		case s[i] == '\\' && i+1 < len(s):
			i++
			i += escape(&b, s[i:]) - 1
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, Errorf(1003, "42000", "unterminated string")
}

// escape writes what a sequence after a backslash stands for, and returns the
// length of the sequence.
func escape(b *strings.Builder, s string) int {
	switch s[0] {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case '0':
		b.WriteByte(0)
	case 'u', 'x':
		digits, base := 4, 16
		if s[0] == 'x' {
			digits = 2
		}
		if len(s) > digits {
			if n, err := strconv.ParseUint(s[1:1+digits], base, 32); err == nil {
				b.WriteRune(rune(n))
				return 1 + digits
			}
		}
		b.WriteByte(s[0])
	default:
		b.WriteByte(s[0])
	}
	return 1
}
