package jdbc

import (
	"fmt"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
)

// statement is SQL with the kind and value of each parameter.
type statement struct {
	sql    string
	params []string
}

// everything describes all columns and reads nothing.
func (p *plan) everything() string {
	if p.table == "" {
		return p.userQuery()
	}
	return "SELECT * FROM " + p.source() + " WHERE 1 = 0"
}

func (p *plan) userQuery() string { return strings.TrimRight(strings.TrimSpace(p.query), "; \n\t") }

// source stands behind FROM; "q" is its name. A comment that ends the user's
// query ends with its line.
func (p *plan) source() string {
	if p.table != "" {
		return p.bridge.quoted(p.schema, p.table) + " q"
	}
	return "(" + p.userQuery() + "\n) q"
}

func (p *plan) ref(c *column) string { return "q." + p.bridge.quoted(c.Name) }

// part says which rows of a stream a statement reads.
type part struct {
	nulls bool     // those without a replication key
	most  string   // those up to this replication key, "" for all
	after []string // those behind a row with these values of plan.order, nil for all
}

// read is the statement for a part, in the order that positions and pages need.
func (p *plan) read(of part) (statement, error) {
	var st statement
	if !p.asked() {
		st.sql = p.userQuery()
		return st, nil
	}
	list := "q.*"
	if p.columns != nil {
		var names []string
		for _, c := range p.taken() {
			names = append(names, p.ref(&c))
		}
		list = strings.Join(names, ", ")
	}
	where, err := p.where(&st, of)
	if err != nil {
		return st, err
	}
	switch {
	case p.query != "" && len(where) == 0 && p.columns == nil && !p.paged() && p.replica == nil:
		st.sql = p.userQuery()
		return st, nil
	case len(where) > 0:
		st.sql = fmt.Sprintf("SELECT %s FROM %s WHERE %s", list, p.source(), strings.Join(where, " AND "))
	default:
		st.sql = fmt.Sprintf("SELECT %s FROM %s", list, p.source())
	}
	if by := p.orderOf(of); len(by) > 0 && (p.paged() || p.replica != nil && !of.nulls) {
		var names []string
		for _, c := range by {
			names = append(names, p.ref(c))
		}
		st.sql += " ORDER BY " + strings.Join(names, ", ")
	}
	if p.paged() {
		st.sql += p.limit()
	}
	return st, nil
}

// orderOf is by what a part is ordered, and what its pages go on from. Without
// pages the replication key alone will do.
func (p *plan) orderOf(of part) []*column {
	switch {
	case of.nulls:
		return p.order[1:]
	case p.paged() || p.replica == nil:
		return p.order
	}
	return p.order[:1]
}

func (p *plan) where(st *statement, of part) (where []string, err error) {
	value := func(c *column, text string) string {
		if err != nil {
			return ""
		}
		if !p.set.Literals {
			st.params = append(st.params, kindName(&c.Column), text)
			return "?"
		}
		text, err = literal(&c.Column, text)
		return text
	}
	if p.replica != nil {
		key := p.ref(p.replica)
		if of.nulls {
			where = append(where, key+" IS NULL")
		} else {
			if p.from != "" && of.after == nil {
				where = append(where, key+" >= "+value(p.replica, p.from))
			}
			if p.to != "" {
				where = append(where, key+" < "+value(p.replica, p.to))
			}
			if of.most != "" {
				where = append(where, key+" <= "+value(p.replica, of.most))
			}
			if len(where) == 0 && p.replica.Nullable && of.after == nil {
				where = append(where, key+" IS NOT NULL")
			}
		}
	}
	if of.after != nil { // (a > A) OR (a = A AND b > B) …, with a bound that an index serves
		by := p.orderOf(of)
		var or []string
		if len(by) > 1 {
			where = append(where, p.ref(by[0])+" >= "+value(by[0], of.after[0]))
		}
		for i := range by {
			var and []string
			for j := range i {
				and = append(and, p.ref(by[j])+" = "+value(by[j], of.after[j]))
			}
			and = append(and, p.ref(by[i])+" > "+value(by[i], of.after[i]))
			or = append(or, "("+strings.Join(and, " AND ")+")")
		}
		where = append(where, "("+strings.Join(or, " OR ")+")")
	}
	return where, err
}

// greatest asks for the greatest replication key of a stream that is read in
// pages: what changes while they are read lies behind it, and comes next time.
func (p *plan) greatest() (statement, error) {
	var st statement
	where, err := p.where(&st, part{})
	st.sql = fmt.Sprintf("SELECT MAX(%s) FROM %s", p.ref(p.replica), p.source())
	if len(where) > 0 {
		st.sql += " WHERE " + strings.Join(where, " AND ")
	}
	return st, err
}

// limit ends the query of a page. The driver is told the number, too.
func (p *plan) limit() string {
	clause := p.set.Limit
	switch product := strings.ToLower(p.bridge.product); {
	case clause == "none" || clause == "":
		return ""
	case clause != "auto":
	case strings.Contains(product, "oracle"), strings.Contains(product, "db2"), strings.Contains(product, "derby"):
		clause = "FETCH FIRST {n} ROWS ONLY"
	case strings.Contains(product, "sql server"):
		clause = "OFFSET 0 ROWS FETCH NEXT {n} ROWS ONLY"
	default:
		known := false
		for _, name := range []string{"postgres", "mysql", "mariadb", "hsql", "h2", "sqlite", "snowflake", "redshift", "vertica", "xactly", "duckdb", "trino"} {
			known = known || strings.Contains(product, name)
		}
		if clause = "LIMIT {n}"; !known {
			return ""
		}
	}
	return " " + strings.ReplaceAll(clause, "{n}", strconv.Itoa(p.set.Page))
}

// literal writes a value into a statement. A backslash escapes the quote in
// some databases and not in others, so a value with one is refused.
func literal(c *row.Column, text string) (string, error) {
	if c.Kind == row.Int64 || c.Kind == row.Numeric {
		if _, ok := row.AppendNumeric(nil, []byte(text)); ok {
			return text, nil
		}
	}
	if strings.ContainsAny(text, "\\\x00") {
		return "", fault.New(fault.BadInput, "a value of %q has a backslash, which cannot be written as a literal", c.Name).WithHint("literals: false passes values as parameters")
	}
	switch c.Kind {
	case row.Timestamp, row.TimestampTZ:
		text = strings.Replace(text, "T", " ", 1)
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'", nil
}
