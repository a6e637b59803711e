package postgres

import (
	"fmt"
	"strings"
)

// copyAll reads the whole relation.
func (p *plan) copyAll() string {
	if p.rel.kind == "r" && !p.rel.inherited && len(p.where) == 0 && p.limit == 0 && p.plain() {
		return fmt.Sprintf("COPY %s (%s) TO STDOUT (FORMAT binary)", p.table(), list(p.columns))
	}
	return p.copy(nil, "", p.limit)
}

// copyNulls reads the rows without a replication key, which only a first run does.
func (p *plan) copyNulls() string {
	return p.copy([]string{p.qualified() + " IS NULL"}, "", p.limit)
}

// copyFrom reads from the bookmark on, in the order of the replication key.
func (p *plan) copyFrom(limit int64) string {
	var where []string
	switch {
	case p.resumed:
		where = append(where, p.qualified()+" >= "+p.start())
	case !p.key.notNull:
		where = append(where, p.qualified()+" IS NOT NULL")
	}
	where = append(where, p.window.where(p)...)
	return p.copy(where, p.qualified(), limit)
}

func (p *plan) copy(where []string, order string, limit int64) string {
	var b strings.Builder
	b.WriteString("COPY (SELECT " + list(p.columns))
	if p.hidden {
		b.WriteString(", " + fmt.Sprintf(asText, identifier(p.key.name)))
	}
	b.WriteString(" FROM " + p.table())
	word := " WHERE "
	for _, clause := range where {
		b.WriteString(word + clause)
		word = " AND "
	}
	for _, clause := range p.where { // a comment in a user's clause ends with the line
		b.WriteString(word + "(" + strings.TrimSpace(clause) + "\n)")
		word = " AND "
	}
	if order != "" {
		b.WriteString(" ORDER BY " + order)
	}
	if limit > 0 {
		fmt.Fprintf(&b, " LIMIT %d", limit)
	}
	return b.String() + ") TO STDOUT (FORMAT binary)"
}

func (p *plan) table() string { return identifier(p.rel.schema, p.rel.name) }

// qualified names the replication key so that ORDER BY cannot take it for an
// expression of the SELECT list.
func (p *plan) qualified() string { return identifier(p.rel.schema, p.rel.name, p.key.name) }

// plain says that COPY can read the columns without a query.
func (p *plan) plain() bool {
	for _, r := range p.columns {
		if r.expr != "" || p.rel.column(r.name).generated {
			return false
		}
	}
	return true
}
