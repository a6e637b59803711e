package postgres

import (
	"context"
	"strconv"
	"strings"

	"elt/internal/row"
	"elt/internal/sqltarget"
)

// shared is the metadata of a new table as long as all its rows have the
// same. Then it is neither sent with them nor stored in them: the columns are
// added before the commit, their value being the default of the rows that are
// there. PostgreSQL keeps such a value once, in its catalog.
type shared struct {
	columns []sqltarget.Column
	stamp   stamp
	used    bool // rows with this stamp were sent
}

// fits says that the rows of b have the shared metadata.
func (m *shared) fits(b *row.Batch, s stamp) bool {
	if b.Ops != nil || b.Extracted != nil || m.used && m.stamp.version != b.Version {
		return false
	}
	if !m.used {
		m.stamp, m.used = s, true
	}
	return true
}

// add is the SQL that adds the columns to a table.
func (m *shared) add(ref string) string {
	var add, drop []string
	for _, c := range m.columns {
		name := sqltarget.Quote(c.Name)
		def := "add column " + name + " " + c.Type
		if v := m.stamp.literal(c.Name); v != "" {
			def += " default " + v
			drop = append(drop, "alter column "+name+" drop default")
		}
		add = append(add, def)
	}
	sql := "alter table " + ref + " " + strings.Join(add, ", ")
	if len(drop) > 0 {
		sql += "; alter table " + ref + " " + strings.Join(drop, ", ")
	}
	return sql
}

// literal is the value of a metadata column for rows that live, "" for NULL.
func (s stamp) literal(column string) string {
	switch column {
	case sqltarget.ExtractedAt, sqltarget.ReceivedAt, sqltarget.BatchedAt:
		return literal(string(row.AppendTimestampText(nil, s.now, true)))
	case sqltarget.Sequence:
		return strconv.FormatInt(unixMillis(s.now), 10)
	case sqltarget.SyncStartedAt:
		return strconv.FormatInt(unixMillis(s.started), 10)
	case sqltarget.TableVersion:
		if s.version != 0 {
			return strconv.FormatInt(s.version, 10)
		}
	}
	return ""
}

// addShared gives the table its metadata columns; rows that come later bring
// theirs, once shape was called.
func (ld *loader) addShared(ctx context.Context) error {
	if ld.shared == nil {
		return nil
	}
	if err := ld.lane.exec(ctx, ld.shared.add(ld.at.Ref())); err != nil {
		return err
	}
	ld.at.Columns = append(ld.at.Columns, ld.shared.columns...)
	ld.shared = nil
	return nil
}
