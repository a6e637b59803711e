package mysql

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/mysql/wire"
)

// bookmark is a stream's position, in PipelineWise's shape; the Meltano SDK's
// has the first two members. Last and Done say how far a whole read has come,
// and those of the log where in it the rows are from.
type bookmark struct {
	Key     string                     `json:"replication_key,omitempty"`
	Value   json.RawMessage            `json:"replication_key_value,omitempty"`
	Version int64                      `json:"version,omitempty"`
	Last    map[string]json.RawMessage `json:"last_pk_fetched,omitempty"`
	Done    bool                       `json:"initial_full_table_complete,omitempty"`
	File    string                     `json:"log_file,omitempty"`
	Pos     uint64                     `json:"log_pos,omitempty"`
	GTID    string                     `json:"gtid,omitempty"`
}

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
	marks   []attribute // of whose values positions are made
	marksAt []int       // where they stand in a row
	where   []string
	args    []string
	dialect string
	prior   json.RawMessage
	version int64 // of the rows, 0 for none
	anew    bool  // rows of other versions die
	strict  bool  // zero dates fail the stream

	// Of LOG_BASED streams:
	source   *source
	at       wire.Place // of the binlog, behind what was read; empty: a snapshot comes first
	resumed  bool       // at is known
	snapshot bool       // the table is read whole first
	marker   bool       // rows say when they were deleted, by a column that the table has not
	number   int        // among the streams of the run
}

func newPlan(rel *relation, sel selection, s settings, prior json.RawMessage) (*plan, error) {
	p := &plan{selection: sel, rel: rel, dialect: s.Dialect, prior: prior, strict: s.Zero == "fail"}
	if p.method == "" {
		if p.method = s.Method; p.key != "" {
			p.method = singer.Incremental
		}
	}
	if s.probing && p.method == singer.LogBased {
		p.method = singer.FullTable
	}
	for _, k := range p.keys {
		if rel.column(k) == nil {
			return nil, missing(rel, "key property", k)
		}
	}
	var mark bookmark
	if len(prior) > 0 {
		if err := json.Unmarshal(prior, &mark); err != nil {
			return nil, fault.Wrap(fault.BadInput, err, "its bookmark cannot be read").
				WithHint("it should look like {\"replication_key\": \"updated_at\", \"replication_key_value\": \"2024-01-01T00:00:00\"}")
		}
	}
	var err error
	switch p.method {
	case singer.FullTable:
		err = p.whole(mark)
	case singer.Incremental:
		err = p.incremental(mark, s)
	case singer.LogBased:
		err = p.logBased(mark, s)
	default:
		err = fault.New(fault.BadConfig, "replication method %q is unknown", p.method).WithHint("it is FULL_TABLE, INCREMENTAL or LOG_BASED")
	}
	if err != nil {
		return nil, err
	}
	for _, a := range rel.columns {
		if p.columns == nil || slices.Contains(p.columns, a.Name) || slices.Contains(p.keys, a.Name) || slices.ContainsFunc(p.marks, func(m attribute) bool { return m.Name == a.Name }) {
			p.taken = append(p.taken, a)
		}
	}
	if len(p.taken) == 0 {
		return nil, fault.New(fault.BadConfig, "none of its columns is selected").WithHint("select some, or deselect the stream")
	}
	for _, m := range p.marks {
		p.marksAt = append(p.marksAt, slices.IndexFunc(p.taken, func(a attribute) bool { return a.Name == m.Name }))
	}
	return p, nil
}

// whole reads by the primary key, and goes on where a read was broken off.
func (p *plan) whole(mark bookmark) error {
	for _, k := range p.rel.key {
		p.marks = append(p.marks, *p.rel.column(k))
	}
	if slices.ContainsFunc(p.marks, func(a attribute) bool { return !a.ordered() }) {
		p.marks = nil
	}
	after := make([]string, len(p.marks))
	resumed := len(p.marks) > 0 && len(mark.Last) == len(p.marks)
	for i, m := range p.marks {
		if value, ok := mark.Last[m.Name]; ok && resumed {
			var err error
			if after[i], err = parameter(&m, value); err != nil {
				return err
			}
		} else {
			resumed = false
		}
	}
	if p.dialect == transferwise {
		p.anew, p.version = true, time.Now().UnixMilli()
		if resumed && mark.Version > 0 {
			p.version = mark.Version
		}
	}
	if !resumed {
		return nil
	}
	// (a > A) or (a = A and b > B) …, with a bound that the index serves
	var or []string
	p.where, p.args = []string{quote(p.marks[0].Name) + " >= ?"}, []string{after[0]}
	for i, m := range p.marks {
		var and []string
		for j := range i {
			and, p.args = append(and, quote(p.marks[j].Name)+" = ?"), append(p.args, after[j])
		}
		and, p.args = append(and, quote(m.Name)+" > ?"), append(p.args, after[i])
		or = append(or, "("+strings.Join(and, " and ")+")")
	}
	p.where = append(p.where, "("+strings.Join(or, " or ")+")")
	return nil
}

// logBased reads the table whole first, and then what the binlog says has
// changed since; a whole read that was broken off goes on, with the place of
// the log that belonged to its beginning.
func (p *plan) logBased(mark bookmark, s settings) error {
	if p.rel.view {
		return fault.New(fault.BadConfig, "%s is a view, of which the binlog knows nothing", p.rel.table()).WithHint("set its replication-method to FULL_TABLE or INCREMENTAL")
	}
	if !s.start.IsZero() || !s.end.IsZero() {
		return fault.New(fault.BadConfig, "start_date and end_date cannot window it: it is replicated from the log").WithHint("deselect the stream, or set its replication-method to INCREMENTAL")
	}
	p.marker = p.rel.column(singer.DeletedAt) == nil
	// Rows have a version in every dialect: rows without one, in the run that
	// meets it, could not be told from those that a TRUNCATE has left.
	if p.version = mark.Version; p.version == 0 {
		p.version = time.Now().UnixMilli()
	}
	var err error
	if p.resumed = mark.GTID != "" || mark.File != ""; p.resumed {
		p.at.File, p.at.Pos = mark.File, mark.Pos
		if p.at.GTID, err = wire.ParseGTIDs(mark.GTID); err != nil {
			return fault.Wrap(fault.BadInput, err, "its bookmark cannot be read").WithHint("see elt state get; --full-refresh starts over")
		}
		if p.at.File == "" && !s.GTID {
			return fault.New(fault.BadInput, "its bookmark has a GTID and no file").WithHint("set use_gtid: true, or start over with --full-refresh")
		}
		if len(mark.Last) == 0 {
			return nil
		}
	}
	if err := p.whole(mark); err != nil {
		return err
	}
	p.snapshot = true
	if p.resumed = p.resumed && len(p.where) > 0; !p.resumed {
		p.at = wire.Place{}
	}
	return nil
}

func (p *plan) incremental(mark bookmark, s settings) error {
	if p.key == "" {
		return fault.New(fault.BadConfig, "replication method INCREMENTAL needs a replication key").
			WithHint("set the metadata replication-key to a column that grows with every change")
	}
	key := p.rel.column(p.key)
	if key == nil {
		return missing(p.rel, "replication key", p.key)
	}
	if !key.ordered() {
		return fault.New(fault.BadConfig, "replication key %q has the type %s, of which no exact position can be made", p.key, key.sqlType).WithHint("choose another replication key")
	}
	p.marks = []attribute{*key}
	clause := func(operator, value string) {
		p.where, p.args = append(p.where, quote(p.key)+" "+operator+" ?"), append(p.args, value)
	}
	if len(mark.Value) > 0 && string(mark.Value) != "null" && (mark.Key == "" || mark.Key == p.key) {
		value, err := parameter(key, mark.Value)
		if err != nil {
			return err
		}
		clause(">=", value)
		p.version = mark.Version
	} else if p.dialect == transferwise { // all is read anew
		p.anew, p.version = true, time.Now().UnixMilli()
	}
	if s.start.IsZero() && s.end.IsZero() {
		return nil
	}
	if key.Kind != row.Date && key.Kind != row.Timestamp && key.Kind != row.TimestampTZ {
		return fault.New(fault.BadConfig, "start_date and end_date cannot window it: its replication key %q is of type %s, no date or timestamp", p.key, key.sqlType).
			WithHint("deselect the stream, or choose another replication-key")
	}
	const layout = "2006-01-02 15:04:05.999999"
	if !s.start.IsZero() {
		clause(">=", s.start.Format(layout))
	}
	if !s.end.IsZero() {
		clause("<", s.end.Format(layout))
	}
	return nil
}

// parameter is a value of a bookmark as the server is to compare it with a.
func parameter(a *attribute, value json.RawMessage) (string, error) {
	misfit := fault.New(fault.BadInput, "its bookmark %s does not fit the column %q, a %s", value, a.Name, a.sqlType).WithHint("see elt state get; --full-refresh starts over")
	if len(value) == 0 || value[0] == '{' || value[0] == '[' || value[0] == 'n' {
		return "", misfit
	}
	text := []byte(value)
	if value[0] == '"' {
		var err error
		if text, err = row.AppendJSONUnquoted(nil, value); err != nil {
			return "", misfit
		}
	}
	switch a.Kind {
	case row.Int64, row.Numeric:
		if _, ok := row.AppendNumeric(nil, text); !ok {
			return "", misfit
		}
	case row.Bool:
		switch string(text) {
		case "true":
			return "1", nil
		case "false":
			return "0", nil
		}
		return "", misfit
	case row.Timestamp, row.TimestampTZ, row.Date:
		at, ok := row.ParseTimestamp(text)
		if !ok {
			return "", misfit
		}
		return time.Unix(at.Sec, int64(at.Nano)).UTC().Format("2006-01-02 15:04:05.999999"), nil
	}
	return string(text), nil
}

// sql is the statement that reads the stream. Rows without a replication key
// come first.
func (p *plan) sql() string {
	var list, by []string
	for _, a := range p.taken {
		list = append(list, a.selected())
	}
	for _, m := range p.marks {
		by = append(by, quote(m.Name))
	}
	sql := "select " + strings.Join(list, ", ") + " from " + p.rel.table()
	if len(p.where) > 0 {
		sql += " where " + strings.Join(p.where, " and ")
	}
	if len(by) > 0 {
		sql += " order by " + strings.Join(by, ", ")
	}
	return sql
}

// announced is the schema as the columns stand.
func (p *plan) announced(fields []field) *row.Schema {
	s := &row.Schema{Stream: p.name, Key: p.keys}
	if p.method == singer.Incremental {
		s.ReplicationKey = p.key
	}
	for _, f := range fields {
		c := f.now
		c.Nullable = c.Nullable || p.method == singer.LogBased && !f.isKey // a deletion knows the key only
		s.Columns = append(s.Columns, c)
	}
	if p.marker {
		s.Columns = append(s.Columns, row.Column{Name: singer.DeletedAt, Kind: row.TimestampTZ, Wire: row.WireTimestampTZ, Nullable: true})
	}
	return s
}

// position is where the stream stands: an INCREMENTAL one before a row with
// these values of marks, or without exact behind it; a FULL_TABLE one behind it.
func (p *plan) position(marks []json.RawMessage, rows int64, exact bool) taps.Position {
	pos := taps.Position{Stream: p.id, Rows: rows, Exact: exact}
	b := bookmark{Version: p.version}
	switch {
	case p.method == singer.Incremental && marks != nil:
		b.Key, b.Value = p.key, marks[0]
	case p.method == singer.Incremental:
		if p.prior != nil {
			pos.Value = p.prior
			return pos
		}
	case marks != nil:
		b.Last = map[string]json.RawMessage{}
		for i, m := range p.marks {
			b.Last[m.Name] = marks[i]
		}
	case p.method != singer.LogBased: // not {}: a state that is emptied is not believed
		b.Done = true
	}
	if p.method == singer.LogBased {
		b.File, b.Pos, b.GTID = p.at.File, p.at.Pos, p.at.GTID.String()
	}
	var err error
	if pos.Value, err = json.Marshal(b); err != nil {
		panic(err) // our own struct of strings and numbers
	}
	return pos
}

func missing(rel *relation, what, name string) error {
	all := make([]string, len(rel.columns))
	for i, a := range rel.columns {
		all[i] = a.Name
	}
	e := fault.New(fault.BadConfig, "%s %q is no column of %s", what, name, rel.table())
	if near := fault.Nearest(name, all); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	return e.WithHint("it has %s", fmt.Sprint(strings.Join(all[:min(12, len(all))], ", ")))
}
