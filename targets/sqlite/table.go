package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

// table is a table as the file describes it.
type table struct {
	sqltarget.Table
	primaryKey []string
	unique     [][]string
	attached   []string // statements that make its indexes and triggers
}

func (t *table) uniqueOn(key []string) bool {
	return slices.ContainsFunc(append(t.unique, t.primaryKey), func(u []string) bool {
		return len(u) == len(key) && !slices.ContainsFunc(key, func(k string) bool { return !slices.Contains(u, k) })
	})
}

// describe reads the table whose name is spelled exactly so; nil when there
// is none. other is a table whose name differs only in case.
func describe(ctx context.Context, s *session, name string) (t *table, other string, err error) {
	rows, err := s.query(ctx, "select name, type from sqlite_master where lower(name) = lower($1) and type in ('table', 'view')", name)
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	if found := text(rows[0][0]); found != name {
		return nil, found, nil
	}
	t = &table{Table: sqltarget.Table{Name: name}}
	if text(rows[0][1]) != "table" {
		return nil, "", fault.New(fault.BadConfig, "%s is a view, so nothing can be loaded into it", t.Ref()).WithHint("drop it, or give the stream another name")
	}
	columns, err := s.query(ctx, "select name, type, \"notnull\", pk, hidden from pragma_table_xinfo($1) order by cid", name)
	if err != nil {
		return nil, "", err
	}
	keys := map[int64]string{}
	for _, r := range columns {
		c := kindOf(text(r[1]))
		c.Name, c.Nullable = text(r[0]), r[2].(int64) == 0
		c.Cast = r[4].(int64) != 0 // generated: the file fills it in
		t.Columns = append(t.Columns, c)
		if pk := r[3].(int64); pk > 0 {
			keys[pk] = c.Name
		}
	}
	for i := int64(1); i <= int64(len(keys)); i++ {
		t.primaryKey = append(t.primaryKey, keys[i])
	}
	return t, "", t.describeRest(ctx, s)
}

func (t *table) describeRest(ctx context.Context, s *session) error {
	indexes, err := s.query(ctx, "select name from pragma_index_list($1) where \"unique\" = 1 and partial = 0", t.Name)
	if err != nil {
		return err
	}
	for _, i := range indexes {
		columns, err := s.query(ctx, "select name from pragma_index_info($1)", text(i[0]))
		if err != nil {
			return err
		}
		var names []string
		for _, c := range columns {
			names = append(names, text(c[0])) // "" for an expression
		}
		t.unique = append(t.unique, names)
	}
	rest, err := s.query(ctx, "select sql from sqlite_master where tbl_name = $1 and type in ('index', 'trigger') and sql is not null", t.Name)
	for _, r := range rest {
		t.attached = append(t.attached, text(r[0]))
	}
	return err
}

// kindOf is the column that a declared type stores: ours by their names,
// others' by the affinity that SQLite gives them.
func kindOf(declared string) sqltarget.Column {
	c := sqltarget.Column{Type: declared}
	c.Type = declared
	upper := strings.ToUpper(declared)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(upper, p) })
	}
	var p, s int
	switch {
	case has("JSON"):
		c.Kind = row.JSON
	case has("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"):
		c.Kind = row.TimestampTZ
	case has("TIMESTAMP", "DATETIME"):
		c.Kind = row.Timestamp
	case upper == "DATE":
		c.Kind = row.Date
	case upper == "TIME":
		c.Kind = row.Time
	case has("BOOL"):
		c.Kind = row.Bool
	case has("INT"):
		c.Kind = row.Int64
	case has("CHAR", "CLOB", "TEXT"):
		c.Kind = row.Text
	case has("BLOB"):
		c.Kind = row.Bytes
	case has("REAL", "FLOA", "DOUB"):
		c.Kind = row.Float64
	case upper == "": // no type: whatever comes
		c.Kind = row.Text
	default: // numeric affinity keeps what a double keeps
		c.Kind = row.Numeric
		c.Precision = 15
		if i := strings.IndexByte(upper, '('); i > 0 {
			if n, _ := fmt.Sscanf(upper[i:], "(%d,%d)", &p, &s); n > 0 {
				c.Precision, c.Scale = min(p, 15), s
			}
		}
	}
	stored := sqltarget.SQLite{}.Store(c.Column)
	c.Column = stored
	return c
}
