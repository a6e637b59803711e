package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
)

// plan is how one stream is read in this run.
type plan struct {
	id      string // under which its bookmark stands
	rel     *relation
	db      *database
	schema  *row.Schema
	columns []reading
	method  string
	where   []string
	limit   int64 // 0 for none
	dialect string
	window  window

	version   int64 // table version of the rows, 0 for none
	activate  bool  // rows of other versions die at the stream's end
	firstTime bool  // no version was known before this run

	partial     partial // where an interrupted FULL_TABLE read stands
	interrupted bool    // it was

	key        *column // the replication key, nil without one
	keyReading reading
	keyAt      int  // its field
	hidden     bool // that field is no column but the key as text
	resumed    bool
	from       string          // the bookmark's value, when resumed
	mark       bookmark        // the bookmark, when resumed
	late       *late           // what it says of rows that came late, nil for none
	lookback   string          // SQL that the start goes back by
	open       *late           // what this run's bookmarks say
	prior      json.RawMessage // the bookmark as it was

	log      *logPlan // of a LOG_BASED stream
	snapshot string   // the exported snapshot to read in, "" for one of its own
}

// newPlan joins what the user selected with what the database has.
func newPlan(db *database, rel *relation, sel selection, s settings, bookmarks singer.Bookmarks) (*plan, error) {
	p := &plan{id: sel.id, rel: rel, db: db, dialect: s.Dialect, method: sel.method, where: s.Options[sel.id].Where, limit: s.MaxRecords, keyAt: -1, prior: bookmarks.Stream(sel.id)}
	if p.method == "" {
		if p.method = s.Method; sel.replicationKey != "" {
			p.method = singer.Incremental
		}
	}
	for _, c := range rel.columns {
		if sel.columns == nil || slices.Contains(sel.columns, c.name) || slices.Contains(sel.keys, c.name) || c.name == sel.replicationKey {
			p.columns = append(p.columns, db.read(c, s))
		}
	}
	for _, k := range sel.keys {
		if rel.column(k) == nil {
			return nil, missingColumn(rel, "key property", k)
		}
	}
	if len(p.columns) == 0 {
		return nil, fault.New(fault.BadConfig, "none of its columns is selected").WithHint("select some of %s, or deselect the stream", names(rel))
	}
	p.schema = &row.Schema{Stream: sel.name, Key: sel.keys}
	for _, r := range p.columns {
		p.schema.Columns = append(p.schema.Columns, r.Column)
	}
	mark, err := parseBookmark(p.prior)
	if err != nil {
		return nil, err
	}
	if mark.Method != "" && mark.Method != p.method {
		mark = bookmark{} // another method's position says nothing here
	}
	switch p.method {
	case singer.FullTable:
		p.activate = s.Dialect == transferwise || s.Activate
		p.firstTime = mark.Version == 0
		if p.activate {
			p.version = newVersion()
		}
		if mark.Partial != nil {
			p.interrupt(*mark.Partial)
		}
		return p, nil
	case singer.Incremental:
		p.window = window{s.Start, s.End}
		if s.Limit > 0 && (p.limit == 0 || s.Limit < p.limit) {
			p.limit = s.Limit
		}
		if err := p.incremental(sel.replicationKey, mark); err != nil {
			return nil, err
		}
		return p, p.lookBack(s.Lookback)
	case singer.LogBased:
		return p, p.logBased(s, sel, mark)
	}
	return nil, fault.New(fault.BadConfig, "replication method %q is unknown", p.method).WithHint("it is one of FULL_TABLE, INCREMENTAL, LOG_BASED")
}

// interrupt makes p go on where an earlier run broke off.
func (p *plan) interrupt(at partial) {
	p.partial, p.interrupted = at, true
	if p.activate && at.Version != 0 {
		p.version, p.firstTime = at.Version, false // what the interrupted run brought stays alive
	}
}

func (p *plan) incremental(key string, mark bookmark) error {
	if key == "" {
		return fault.New(fault.BadConfig, "replication method INCREMENTAL needs a replication key").
			WithHint("set the metadata replication-key to a column that grows with every change, one of %s", names(p.rel))
	}
	if p.key = p.rel.column(key); p.key == nil {
		return missingColumn(p.rel, "replication key", key)
	}
	if err := p.window.fits(p.db, p.key); err != nil {
		return err
	}
	p.schema.ReplicationKey = key
	p.keyAt = p.schema.Index(key)
	if p.keyReading = p.columns[p.keyAt]; p.keyReading.expr != "" || p.keyReading.element != nil {
		// What is read is not what the server compares: read the key once more, as text.
		p.hidden, p.keyAt = true, len(p.columns)
		p.keyReading = reading{Column: row.Column{Name: key, Kind: row.Text, Wire: row.WireText}}
	}
	if mark.Key == key || mark.Key == "" && mark.Value == nil {
		var err error
		if p.from, p.resumed, err = mark.text(); err != nil {
			return err
		}
		p.version = mark.Version
	}
	if p.resumed {
		p.mark, p.late = mark, mark.Late
	}
	if p.dialect == transferwise && !p.resumed {
		// Everything is read anew: what was loaded before is dead. A resumed
		// stream keeps its version, and says nothing about older rows.
		p.activate, p.firstTime = true, true
		p.version = newVersion()
	}
	return nil
}

// warnUnmapped names the columns whose types are not known here, once per run.
func (p *plan) warnUnmapped(ctx context.Context) {
	var named []string
	for _, c := range p.columns {
		of := p.rel.column(c.name)
		if of == nil {
			continue // one of ours, of a stream that is read from the log
		}
		if t := p.db.unmapped(of.typ); t != "" {
			named = append(named, c.name+" ("+t+")")
		}
	}
	if named != nil {
		zerolog.Ctx(ctx).Warn().Msgf("stream %q: the types of these columns are not known here, so the text that the server prints is read: %s", p.id, strings.Join(named, ", "))
	}
}

// elements are those of the columns whose arrays are made JSON here, nil when there are none.
func (p *plan) elements() []*row.Column {
	out, any := make([]*row.Column, len(p.columns)), false
	for i, r := range p.columns {
		out[i] = r.element
		any = any || r.element != nil
	}
	if !any {
		return nil
	}
	return out
}

func missingColumn(rel *relation, what, name string) error {
	all := make([]string, len(rel.columns))
	for i, c := range rel.columns {
		all[i] = c.name
	}
	e := fault.New(fault.BadConfig, "%s %q is no column of %s", what, name, identifier(rel.schema, rel.name))
	if near := fault.Nearest(name, all); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	return e.WithHint("it has %s", names(rel))
}

func names(rel *relation) string {
	var b strings.Builder
	for i, c := range rel.columns {
		if i == 12 {
			fmt.Fprintf(&b, " and %d more", len(rel.columns)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name)
	}
	return b.String()
}
