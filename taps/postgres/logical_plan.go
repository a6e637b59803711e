package postgres

import (
	"encoding/json"
	"slices"
	"strconv"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps/postgres/replication"
)

// Columns that LOG_BASED streams have beside the table's own: where in the log
// a row comes from, and when it was deleted.
const (
	lsnColumn     = "_sdc_lsn"
	deletedColumn = singer.DeletedAt
)

// logPlan is what a LOG_BASED stream adds to its plan.
type logPlan struct {
	set selection
	at  replication.LSN // its bookmark; where a snapshot was taken
	lsn bool            // rows have lsnColumn
	del bool            // rows have deletedColumn: the table has none of that name
}

// logBased makes p the plan of a LOG_BASED stream: resumed when its bookmark
// is a place in the log, else to be read whole first.
func (p *plan) logBased(s settings, sel selection, mark bookmark) error {
	if kind := map[string]string{"v": "a view", "m": "a materialised view", "f": "a foreign table"}[p.rel.kind]; kind != "" {
		return fault.New(fault.BadConfig, "%s is %s, which leaves no trace in the log", p.table(), kind).
			WithHint("set its replication-method to FULL_TABLE or INCREMENTAL")
	}
	if len(p.where) > 0 {
		return fault.New(fault.BadConfig, "custom_where_clauses cannot filter the log").WithHint("take them away from this stream, or set its replication-method to INCREMENTAL")
	}
	p.log, p.limit = &logPlan{set: sel}, 0
	p.log.lsn = (s.Dialect == meltanoLabs || s.Log.DebugLSN) && p.rel.column(lsnColumn) == nil
	p.log.del = p.rel.column(deletedColumn) == nil
	p.columns = slices.DeleteFunc(p.columns, func(r reading) bool { return p.rel.column(r.name).generated })
	at, resumed := mark.lsn()
	p.log.at, p.resumed = at, resumed
	p.logShape(p.columns)
	// Rows have a version in every dialect: rows without one, in the run that
	// meets it, could not be told from those that a TRUNCATE has left.
	p.version = newVersion()
	if resumed {
		if mark.Version != 0 {
			p.version = mark.Version
		}
		return nil
	}
	p.activate = s.Dialect == transferwise || s.Activate
	p.firstTime = mark.Version == 0
	if mark.Partial != nil && at > 0 {
		p.interrupt(*mark.Partial)
	}
	return nil
}

// logShape gives p the columns and what LOG_BASED adds. Deletions bring only
// what identifies a row, so all others may be NULL.
func (p *plan) logShape(columns []reading) {
	p.columns = slices.Clone(columns)
	for i := range p.columns {
		if !slices.Contains(p.schema.Key, p.columns[i].name) {
			p.columns[i].Nullable = true
		}
	}
	if p.log.lsn {
		c := row.Column{Name: lsnColumn, Kind: row.Int64, Wire: row.WireInt8, Nullable: true}
		if p.dialect == transferwise {
			c.Kind, c.Wire = row.Text, row.WireText
		}
		p.columns = append(p.columns, reading{name: lsnColumn, expr: "null", Column: c})
	}
	if p.log.del {
		c := row.Column{Name: deletedColumn, Kind: row.TimestampTZ, Wire: row.WireTimestampTZ, Nullable: true}
		p.columns = append(p.columns, reading{name: deletedColumn, expr: "null::pg_catalog.timestamptz", Column: c})
	}
	schema := *p.schema
	schema.Columns = nil
	for _, r := range p.columns {
		schema.Columns = append(schema.Columns, r.Column)
	}
	p.schema = &schema
}

// own is how many columns are the table's; the others follow them.
func (p *plan) own() int {
	n := len(p.columns)
	if p.log.lsn {
		n--
	}
	if p.log.del {
		n--
	}
	return n
}

// inSnapshot makes p read its table as it is in a snapshot, whose bookmark is
// the snapshot's place in the log. One that goes on with an earlier run's
// reading keeps that one's place: the log from there on says what went on
// while neither snapshot showed it (a row deleted between the two).
func (p *plan) inSnapshot(snap replication.Snapshot) {
	p.snapshot, p.method = snap.Name, singer.FullTable
	if !p.interrupted {
		p.log.at = snap.LSN
	}
	if p.log.lsn {
		at := &p.columns[p.own()]
		at.expr = strconv.FormatUint(uint64(snap.LSN), 10) + "::pg_catalog.int8"
		if at.Kind == row.Text {
			at.expr += "::pg_catalog.text"
		}
	}
}

// selects says whether the log's column name is one of the stream's: one that
// is there now, may be read, and was selected or is newer than the catalog.
func (p *plan) selects(name string) bool {
	c := p.rel.column(name)
	if c == nil || c.generated {
		return false
	}
	set := &p.log.set
	return set.columns == nil || slices.Contains(set.columns, name) || slices.Contains(p.schema.Key, name) || !slices.Contains(set.known, name)
}

// lsn is the place in the log that a bookmark of either dialect holds. One
// that PipelineWise left in the middle of its first reading of the table
// (xmin) holds none; one that we left there holds where that reading began.
func (b bookmark) lsn() (replication.LSN, bool) {
	switch {
	case len(b.Xmin) > 0 && string(b.Xmin) != "null":
		return 0, false
	case b.Partial != nil:
		return replication.LSN(b.LSN), false
	case b.LSN > 0:
		return replication.LSN(b.LSN), true
	case b.Key == lsnColumn && b.Value != nil:
		var at uint64
		if json.Unmarshal(b.Value, &at) == nil && at > 0 {
			return replication.LSN(at), true
		}
	}
	return 0, false
}

// logMark is the bookmark of a place in the log, in the dialect's shape.
func (p *plan) logMark(at replication.LSN) json.RawMessage {
	if p.dialect == transferwise {
		return mustJSON(bookmark{Method: singer.LogBased, LSN: uint64(at), Version: p.version})
	}
	return mustJSON(bookmark{Key: lsnColumn, Value: mustJSON(uint64(at)), Version: p.version})
}

// split takes the LOG_BASED plans out of all.
func split(plans []*plan) (tables, logged []*plan) {
	for _, p := range plans {
		if p.log != nil {
			logged = append(logged, p)
		} else {
			tables = append(tables, p)
		}
	}
	return tables, logged
}
