package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps/postgres/replication"
)

// mapping is how the log's rows of a relation become rows of its stream.
type mapping struct {
	relation *replication.Relation
	plan     *plan // with the schema of these rows
	columns  []mapped
	keys     []int // the schema's key, as indexes into the relation's columns
}

// mapped is a column of the stream.
type mapped struct {
	from    int // index into the relation's columns
	convert row.Convert
}

// mapRelation makes the mapping of a relation as the log describes it. Where
// that has columns which the plan does not know, the table is looked at again.
func (l *logs) mapRelation(ctx context.Context, p *plan, r *replication.Relation) (m *mapping, err error) {
	err = l.asking(ctx, func(ask *pgx.Conn) error {
		m, err = mapRelation(ctx, ask, p, r, l.set)
		return err
	})
	return m, err
}

func mapRelation(ctx context.Context, ask *pgx.Conn, p *plan, r *replication.Relation, s settings) (*mapping, error) {
	var used []uint32
	fresh := false
	for _, c := range r.Columns {
		used = append(used, c.Type)
		fresh = fresh || p.rel.column(c.Name) == nil
	}
	next := *p
	if fresh {
		db, err := discover(ctx, ask, []string{p.rel.schema}, []string{p.rel.id()})
		if err != nil {
			return nil, err
		}
		for _, rel := range db.relations {
			if rel.name == p.rel.name {
				next.rel = rel
			}
		}
	}
	if err := p.db.loadLogTypes(ctx, ask, used); err != nil {
		return nil, err
	}
	m := &mapping{relation: r, plan: &next}
	var readings []reading
	for i, c := range r.Columns {
		if !next.selects(c.Name) {
			continue
		}
		col := column{name: c.Name, typ: c.Type, mod: c.Mod, deterministic: true}
		if now := next.rel.column(c.Name); now.typ == c.Type {
			col = *now
			if c.Mod != -1 {
				col.mod = c.Mod
			}
		}
		readings = append(readings, p.db.read(col, s))
		m.columns = append(m.columns, mapped{i, p.db.fromText(col, s)})
	}
	for _, key := range p.schema.Key {
		at := slices.IndexFunc(r.Columns, func(c replication.Column) bool { return c.Name == key })
		if at < 0 {
			return nil, fault.New(fault.Failed, "the log has rows of %s without its key property %q: the column was renamed or is new", p.table(), key).
				WithHint("read the stream anew: elt run --full-refresh --select %s", p.id)
		}
		m.keys = append(m.keys, at)
	}
	next.logShape(readings)
	if next.schema.Same(p.schema) {
		next.schema = p.schema
	}
	return m, nil
}

// add appends a row. values are those of the relation's columns, old what is
// known of the row before. What neither says is left as the destination has it.
func (m *mapping) add(b *row.Batch, values, old []replication.Value, at replication.LSN, micros int64, deleted bool) error {
	b.Begin()
	unset := false
	for i := range m.columns {
		c := &m.columns[i]
		v := values[c.from]
		if v.State == replication.Unchanged && old != nil {
			v = old[c.from]
		}
		convert := c.convert
		switch v.State {
		case replication.Null:
			b.Null()
			continue
		case replication.Unchanged, replication.Absent:
			b.SkipField()
			unset = true
			continue
		case replication.Hex:
			convert = hex.AppendDecode
		}
		b.Open()
		var err error
		if b.Data, err = convert(b.Data, v.Bytes); err != nil {
			b.Drop()
			return fmt.Errorf("column %q of a row at %s: %w", m.plan.schema.Columns[i].Name, at, err)
		}
		b.Close()
	}
	if m.plan.log.lsn {
		m.addLSN(b, at)
	}
	if m.plan.log.del {
		if deleted {
			b.Int8(micros)
		} else {
			b.Null()
		}
	}
	switch {
	case deleted:
		b.EndAs(row.Delete)
	case unset:
		b.EndAs(row.Update)
	default:
		b.End()
	}
	b.ExtractedAt(micros)
	return nil
}

func (m *mapping) addLSN(b *row.Batch, at replication.LSN) {
	if m.plan.schema.Columns[len(m.columns)].Kind == row.Text {
		b.Open()
		b.Data = strconv.AppendUint(b.Data, uint64(at), 10)
		b.Close()
		return
	}
	b.Data = append(b.Data, 0, 0, 0, 8)
	b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(at))
}

// rekeyed says that an update gave the row another key.
func (m *mapping) rekeyed(now, old []replication.Value) bool {
	if old == nil {
		return false
	}
	for _, k := range m.keys {
		if now[k].State == replication.Text && old[k].State == replication.Text && string(now[k].Bytes) != string(old[k].Bytes) {
			return true
		}
	}
	return false
}

// lacks says that a large value is neither in the row nor in what it was.
func (m *mapping) lacks(now, old []replication.Value) bool {
	for _, c := range m.columns {
		if now[c.from].State == replication.Unchanged && (old == nil || old[c.from].State == replication.Absent) {
			return true
		}
	}
	return false
}

// fill asks the table for large values that the log does not repeat, of a row
// that got another key: under that key the destination has none to keep. What
// the table has is as new or newer; where it is newer the log will say so. A
// row that is gone is left as it is: the log will say that, too.
func (l *logs) fill(ctx context.Context, m *mapping, now, old []replication.Value) error {
	var names, match []string
	var from []int
	for _, c := range m.columns {
		if now[c.from].State == replication.Unchanged && (old == nil || old[c.from].State == replication.Absent) {
			names, from = append(names, identifier(m.relation.Columns[c.from].Name)), append(from, c.from)
		}
	}
	for _, k := range m.keys {
		c := m.relation.Columns[k]
		match = append(match, fmt.Sprintf("%s = %s::%s", identifier(c.Name), literal(string(now[k].Bytes)), m.plan.db.castType(c.Type)))
	}
	sql := "select " + strings.Join(names, ", ") + " from " + m.plan.table() + " where " + strings.Join(match, " and ")
	var results []*pgconn.Result
	err := l.asking(ctx, func(ask *pgx.Conn) (err error) {
		results, err = ask.PgConn().Exec(ctx, sql).ReadAll()
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for large values that the log does not repeat: %w", err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return nil
	}
	for i, at := range from {
		if text := results[0].Rows[0][i]; text == nil {
			now[at] = replication.Value{State: replication.Null}
		} else {
			now[at] = replication.Value{State: replication.Text, Bytes: text}
		}
	}
	return nil
}
