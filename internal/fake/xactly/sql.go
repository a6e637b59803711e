package xactly

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table is a table of the schema xactly; its values are JSON texts.
type Table struct {
	Name    string
	Columns []string
	Rows    [][]string
}

func (t *Table) index(name string) (int, error) {
	i := slices.IndexFunc(t.Columns, func(c string) bool { return strings.EqualFold(c, name) })
	if i < 0 {
		return 0, fmt.Errorf("column %s does not exist in %s", name, t.Name)
	}
	return i, nil
}

var (
	selecting = regexp.MustCompile(`(?is)^\s*SELECT\s+(.+?)\s+FROM\s+([\w.]+)(?:\s+WHERE\s+(.+?))?(?:\s+ORDER\s+BY\s+([\w\s,]+?))?(?:\s+LIMIT\s+(\d+))?\s*;?\s*$`)
	lexeme    = regexp.MustCompile(`(?is)^\s*('(?:[^']|'')*'|-?[\d.]+|[A-Za-z_][\w]*|>=|<=|<>|=|<|>|\(|\))`)
)

// run evaluates SELECT columns with conditions, ORDER BY and LIMIT. NULLs sort
// first and fulfil no comparison.
func (s *Server) run(statement, schema string) ([][]string, error) {
	m := selecting.FindStringSubmatch(statement)
	if m == nil {
		return nil, fmt.Errorf("syntax error in: %s", statement)
	}
	name, qualified := strings.CutPrefix(m[2], "xactly.")
	t := s.find(strings.ToLower(name))
	if t == nil || !qualified && schema != "xactly" {
		return nil, fmt.Errorf("table %s does not exist", m[2])
	}
	if s.do.Grow != nil {
		s.do.Grow(t)
	}
	columns := strings.Split(m[1], ",")
	if strings.TrimSpace(m[1]) == "*" {
		columns = t.Columns
	}
	shown, err := t.indexes(columns)
	if err != nil {
		return nil, err
	}
	p := parser{t: t}
	var holds func([]string) bool
	if m[3] != "" {
		if err := p.lex(m[3]); err != nil {
			return nil, err
		}
		if holds, err = p.or(); err != nil || p.at < len(p.words) {
			return nil, fmt.Errorf("syntax error in the condition %s: %v", m[3], err)
		}
	}
	var rows [][]string
	for _, row := range t.Rows {
		if holds == nil || holds(row) {
			rows = append(rows, row)
		}
	}
	if m[4] != "" {
		sorted, err := t.indexes(strings.Split(m[4], ","))
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(rows, func(a, b []string) int {
			for _, i := range sorted {
				if c := compare(a[i], b[i]); c != 0 {
					return c
				}
			}
			return 0
		})
	}
	if limit, err := strconv.Atoi(m[5]); err == nil {
		rows = rows[:min(limit, len(rows))]
	}
	out := make([][]string, len(rows))
	for n, row := range rows {
		for _, i := range shown {
			out[n] = append(out[n], row[i])
		}
	}
	return out, nil
}

func (t *Table) indexes(names []string) ([]int, error) {
	var out []int
	for _, name := range names {
		i, err := t.index(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

// parser makes a function of a condition.
type parser struct {
	t     *Table
	words []string
	at    int
}

func (p *parser) lex(text string) error {
	for strings.TrimSpace(text) != "" {
		m := lexeme.FindStringSubmatch(text)
		if m == nil {
			return fmt.Errorf("syntax error at %s", text)
		}
		p.words = append(p.words, m[1])
		text = text[len(m[0]):]
	}
	return nil
}

func (p *parser) next() string {
	if p.at++; p.at > len(p.words) {
		return ""
	}
	return p.words[p.at-1]
}

func (p *parser) is(word string) bool {
	if p.at < len(p.words) && strings.EqualFold(p.words[p.at], word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) or() (func([]string) bool, error) {
	left, err := p.and()
	for err == nil && p.is("OR") {
		var right func([]string) bool
		if right, err = p.and(); err == nil {
			a := left
			left = func(row []string) bool { return a(row) || right(row) }
		}
	}
	return left, err
}

func (p *parser) and() (func([]string) bool, error) {
	left, err := p.condition()
	for err == nil && p.is("AND") {
		var right func([]string) bool
		if right, err = p.condition(); err == nil {
			a := left
			left = func(row []string) bool { return a(row) && right(row) }
		}
	}
	return left, err
}

func (p *parser) condition() (func([]string) bool, error) {
	if p.is("(") {
		inner, err := p.or()
		if err == nil && !p.is(")") {
			err = fmt.Errorf("a bracket is not closed")
		}
		return inner, err
	}
	i, err := p.t.index(p.next())
	if err != nil {
		return nil, err
	}
	if p.is("IS") {
		not := p.is("NOT")
		if !p.is("NULL") {
			return nil, fmt.Errorf("IS what?")
		}
		return func(row []string) bool { return (row[i] == "null") != not }, nil
	}
	op, value := p.next(), p.next()
	if value == "" {
		return nil, fmt.Errorf("a value is missing")
	}
	if value[0] == '\'' {
		raw, _ := json.Marshal(strings.ReplaceAll(value[1:len(value)-1], "''", "'"))
		value = string(raw)
	}
	return func(row []string) bool {
		if row[i] == "null" {
			return false
		}
		c := compare(row[i], value)
		switch op {
		case "=":
			return c == 0
		case "<>":
			return c != 0
		case "<":
			return c < 0
		case "<=":
			return c <= 0
		case ">":
			return c > 0
		case ">=":
			return c >= 0
		}
		return false
	}, nil
}

// compare orders JSON values: NULL, then numbers by size, moments by time,
// texts by bytes.
func compare(a, b string) int {
	if a == "null" || b == "null" {
		return cmp.Compare(btoi(a != "null"), btoi(b != "null"))
	}
	x, y := plain(a), plain(b)
	if a[0] != '"' || b[0] != '"' {
		p, ok := new(big.Rat).SetString(x)
		q, both := new(big.Rat).SetString(y)
		if ok && both {
			return p.Cmp(q)
		}
	}
	if t, ok := moment(x); ok {
		if u, ok := moment(y); ok {
			return t.Compare(u)
		}
	}
	return strings.Compare(x, y)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func plain(value string) string {
	var text string
	if json.Unmarshal([]byte(value), &text) == nil {
		return text
	}
	return value
}

func moment(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// javaDouble writes a large number as Java's Double.toString does.
func javaDouble(value string) string {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || value[0] == '"' || f < 1e7 && f > -1e7 {
		return value
	}
	text := strconv.FormatFloat(f, 'E', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	return mantissa + "E" + strings.TrimLeft(exponent, "+0")
}
