package sqlite

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
)

// selection is what the user's catalog says of one stream.
type selection struct {
	id, name    string
	method, key string
	keys        []string
	columns     []string // nil: all
}

// plan is how one stream is read in this run.
type plan struct {
	selection
	rel     *relation
	taken   []attribute
	marks   []string // the columns of which positions are made
	marksAt []int    // where they stand in a row
	where   []string
	window  window
	schema  int64 // schema_version of the file
	prior   json.RawMessage
	resumed bool
}

// newPlan joins what the user selected with what there is; schemaVersion is
// that of the relation's file.
func newPlan(rel *relation, sel selection, s settings, schemaVersion int64, prior json.RawMessage) (*plan, error) {
	p := &plan{selection: sel, rel: rel, schema: schemaVersion, prior: prior}
	if p.method == "" {
		if p.method = s.Method; p.key != "" {
			p.method = singer.Incremental
		}
	}
	for _, k := range p.keys {
		if rel.column(k) == nil {
			return nil, missing(rel, "key property", k)
		}
	}
	if p.key != "" && p.method == singer.Incremental && rel.column(p.key) == nil {
		return nil, missing(rel, "replication key", p.key)
	}
	for _, a := range rel.columns {
		if p.columns == nil || slices.Contains(p.columns, a.Name) || slices.Contains(p.keys, a.Name) || p.method == singer.Incremental && a.Name == p.key {
			p.taken = append(p.taken, a)
		}
	}
	if len(p.taken) == 0 {
		return nil, fault.New(fault.BadConfig, "none of its columns is selected").WithHint("select some, or deselect the stream")
	}
	mark, err := parseBookmark(prior)
	if err != nil {
		return nil, err
	}
	switch p.method {
	case singer.FullTable:
		p.marks = rel.resume
		err = p.goOn(mark)
	case singer.Incremental:
		p.marks = []string{p.key}
		err = p.incremental(s, mark)
	case singer.LogBased:
		err = fault.New(fault.BadConfig, "SQLite has no LOG_BASED replication").WithHint("set replication-method to INCREMENTAL with a replication-key, or to FULL_TABLE")
	default:
		err = fault.New(fault.BadConfig, "replication method %q is unknown", p.method).WithHint("it is FULL_TABLE or INCREMENTAL")
	}
	extra := len(p.taken)
	for _, m := range p.marks {
		at := slices.IndexFunc(p.taken, func(a attribute) bool { return a.Name == m })
		if at < 0 {
			at = extra
			extra++
		}
		p.marksAt = append(p.marksAt, at)
	}
	return p, err
}

// goOn continues a whole read that was broken off, if its rows are still
// called as they were.
func (p *plan) goOn(mark bookmark) error {
	if len(mark.Last) == 0 || len(mark.Last) != len(p.marks) || p.rel.hidden && mark.Schema != p.schema {
		return nil
	}
	names, after := make([]string, len(p.marks)), make([]string, len(p.marks))
	for i, m := range p.marks {
		value := mark.Last[m]
		if len(value) == 0 || string(value) == "null" {
			return nil
		}
		var err error
		if after[i], _, err = literal(value); err != nil {
			return err
		}
		names[i] = quote(m)
	}
	p.where = append(p.where, fmt.Sprintf("(%s) > (%s)", strings.Join(names, ", "), strings.Join(after, ", ")))
	return nil
}

func (p *plan) incremental(s settings, mark bookmark) error {
	if p.key == "" {
		return fault.New(fault.BadConfig, "replication method INCREMENTAL needs a replication key").
			WithHint("set the metadata replication-key to a column that grows with every change")
	}
	key := p.rel.column(p.key)
	switch key.Kind {
	case row.Bytes, row.JSON:
		return fault.New(fault.BadConfig, "replication key %q has the type %s, which has no order", p.key, key.sqlType).WithHint("choose another replication key")
	}
	if err := p.window.open(s, key); err != nil {
		return err
	}
	if mark.Value != nil && (mark.Key == "" || mark.Key == p.key) {
		p.resumed = true
		sql, text, err := literal(mark.Value)
		if err != nil {
			return err
		}
		if text != nil {
			sql = p.window.resume(text)
		}
		p.where = append(p.where, p.ordered()+" >= "+sql)
	}
	p.where = append(p.where, p.window.where(p.ordered())...)
	return nil
}

// ordered is the replication key as it is compared: byte by byte, as a
// bookmark is, whatever collation the column has.
func (p *plan) ordered() string { return quote(p.key) + " collate binary" }

// sql is the statement that reads the stream. Rows without a replication key
// come first of all.
func (p *plan) sql() string {
	var list []string
	for _, a := range p.taken {
		list = append(list, quote(a.Name))
	}
	for i, m := range p.marks {
		if p.marksAt[i] >= len(p.taken) {
			list = append(list, quote(m))
		}
	}
	sql := "select " + strings.Join(list, ", ") + " from " + p.rel.table()
	if len(p.where) > 0 {
		sql += " where " + strings.Join(p.where, " and ")
	}
	switch {
	case p.method == singer.Incremental:
		sql += " order by " + p.ordered()
	case len(p.marks) > 0:
		var by []string
		for _, m := range p.marks {
			by = append(by, quote(m))
		}
		sql += " order by " + strings.Join(by, ", ")
	}
	return sql
}

// announced is the schema as the fields stand.
func (p *plan) announced(fields []field) *row.Schema {
	s := &row.Schema{Stream: p.name, Key: p.keys}
	if p.method == singer.Incremental {
		s.ReplicationKey = p.key
	}
	for _, f := range fields {
		s.Columns = append(s.Columns, f.now)
	}
	return s
}

// position is where the stream stands: an INCREMENTAL one before a row with
// these marks, or without exact behind it; a FULL_TABLE one behind it.
func (p *plan) position(marks []json.RawMessage, rows int64, exact bool) taps.Position {
	pos := taps.Position{Stream: p.id, Rows: rows, Exact: exact, Value: json.RawMessage("{}")}
	switch {
	case p.method == singer.Incremental && marks != nil:
		pos.Value = mustJSON(bookmark{Key: p.key, Value: marks[0]})
	case p.method == singer.Incremental && p.prior != nil:
		pos.Value = p.prior
	case marks != nil:
		b := bookmark{Last: map[string]json.RawMessage{}}
		for i, m := range p.marks {
			b.Last[m] = marks[i]
		}
		if p.rel.hidden {
			b.Schema = p.schema
		}
		pos.Value = mustJSON(b)
	case p.method == singer.FullTable: // not {}: a state that is emptied is not believed
		pos.Value = mustJSON(bookmark{Done: true})
	}
	return pos
}
