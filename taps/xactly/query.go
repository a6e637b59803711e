package xactly

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"elt/internal/row"
	"elt/taps/httpapi"
)

// query is a SELECT over one table, read page by page.
type query struct {
	table   string
	columns []string
	where   []string // all of them hold
	sort    []int    // of columns; with after it says where a page begins
	after   []string // literals of the sorted columns of the last row read, nil at the start
	limit   int      // 0: none
}

// String is the statement: rows after the last one read, in the order of the
// sorted columns.
func (q query) String() string {
	where := q.where
	if q.after != nil {
		where = append([]string{q.keyset()}, where...)
	}
	var b strings.Builder
	b.WriteString("SELECT " + strings.Join(q.columns, ", ") + " FROM " + q.table)
	switch len(where) {
	case 0:
	case 1:
		b.WriteString(" WHERE " + where[0])
	default:
		b.WriteString(" WHERE (" + strings.Join(where, ") AND (") + ")")
	}
	for n, i := range q.sort {
		b.WriteString([]string{" ORDER BY ", ", "}[min(n, 1)] + q.columns[i])
	}
	if q.limit > 0 {
		b.WriteString(" LIMIT " + strconv.Itoa(q.limit))
	}
	return b.String()
}

// keyset is the condition of rows that sort after q.after, for two columns
// (D > 'd') OR (D = 'd' AND K > 'k'): an OR per column, because comparing whole
// rows is not in every SQL, and a fixed date with a moving key skips rows.
func (q query) keyset() string {
	var b strings.Builder
	equal := ""
	for n, i := range q.sort {
		if n > 0 {
			b.WriteString(" OR ")
		}
		b.WriteString("(" + equal + q.columns[i] + " > " + q.after[n] + ")")
		equal += q.columns[i] + " = " + q.after[n] + " AND "
	}
	if len(q.sort) == 1 {
		return strings.Trim(b.String(), "()")
	}
	return b.String()
}

// literal is a cell's value in a statement: a number with all its digits and
// without an exponent, a text as it is.
func literal(cell []byte, k kind) string {
	value := httpapi.Text(cell)
	if plain, ok := digits([]byte(value)); ok && (k != text || cell[0] != '"') {
		if value = plain; k != text {
			return value
		}
	}
	return quoted(value)
}

func quoted(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

// digits is a number without exponent, exactly; false for what is no number.
func digits(value []byte) (string, bool) {
	if bytes.ContainsAny(value, "eE") {
		field, ok := row.AppendNumeric(nil, value)
		if !ok {
			return "", false
		}
		value = row.AppendNumericText(nil, field)
	}
	if len(value) == 0 || strings.Trim(string(value), "0123456789.-") != "" {
		return "", false
	}
	return string(value), true
}

// instant is a time that the user or the clock gave, as a statement has it.
func instant(t time.Time) string { return quoted(t.UTC().Format("2006-01-02T15:04:05.999999999Z")) }

// zoneName is what Java puts behind a time: 2020-11-02T18:05Z[UTC].
func zoneName(value string) string {
	if before, _, ok := strings.Cut(value, "["); ok && strings.HasSuffix(value, "]") {
		return before
	}
	return value
}

// alike is t written as the moment model is.
func alike(model string, t time.Time) string {
	layout := "2006-01-02T15:04:05.999"
	if len(model) > 10 && model[10] == ' ' {
		layout = "2006-01-02 15:04:05.999"
	}
	if len(model) > 19 {
		switch i, ok := row.ParseTimestamp([]byte(model)); {
		case strings.HasSuffix(model, "Z"):
			layout += "Z"
		case ok && i.Offset != row.NoOffset:
			layout += "-07:00"
		}
	}
	return t.UTC().Format(layout)
}
