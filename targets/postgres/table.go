package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

// table is a table as the catalog describes it.
type table struct {
	sqltarget.Table
	unique     [][]string // column sets that a plain unique index covers
	primary    string     // name of the primary key's constraint
	primaryKey []string
	comment    string
	generated  []string // columns that only the server fills in
}

// uniqueOn says that the key can be the target of ON CONFLICT.
func (t *table) uniqueOn(key []string) bool {
	return slices.ContainsFunc(t.unique, func(u []string) bool { return sameSet(u, key) })
}

func sameSet(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x string) bool { return !slices.Contains(b, x) })
}

const describeColumns = `select a.attname, coalesce(nullif(t.typbasetype, 0), t.oid)::int8, format_type(a.atttypid, a.atttypmod),
	case when t.typbasetype <> 0 then t.typtypmod else a.atttypmod end, t.typtype, a.attnotnull, a.attgenerated <> '',
	coalesce(obj_description(c.oid, 'pg_class'), ''), c.relkind, a.attidentity = 'a'
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_type t on t.oid = a.atttypid
where n.nspname = $1 and c.relname = $2 order by a.attnum`

const describeKeys = `select i.indisprimary, coalesce(k.conname, ''),
	(select array_to_json(array_agg(a.attname order by a.attnum)) from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any(i.indkey::int2[]))
from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_constraint k on k.conindid = i.indexrelid and k.contype = 'p'
where n.nspname = $1 and c.relname = $2 and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null`

// describe reads a table in the lane's transaction; nil when there is none.
func (l *lane) describe(ctx context.Context, schema, name string) (*table, error) {
	answers, err := l.ask(ctx, stmt(describeColumns, schema, name), stmt(describeKeys, schema, name))
	if err != nil {
		return nil, err
	}
	return described(schema, name, answers[0].rows, answers[1].rows)
}

// described is a table by the answers to describeColumns and describeKeys.
func described(schema, name string, rows, keys [][]string) (*table, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	t := &table{Table: sqltarget.Table{Schema: schema, Name: name}, comment: rows[0][7]}
	if kind := rows[0][8]; kind != "r" && kind != "p" {
		return nil, fault.New(fault.BadConfig, "%s is no table, so nothing can be loaded into it", t.Ref()).WithHint("rename it, or give the stream another name")
	}
	for _, r := range rows {
		if r[0] == "" {
			continue // a table without columns
		}
		oid, _ := strconv.ParseInt(r[1], 10, 64)
		typmod, _ := strconv.Atoi(r[3])
		c := kindOf(oid, typmod, r[4])
		c.Name, c.Type, c.Nullable = r[0], r[2], r[5] == "f"
		if r[6] == "t" {
			t.generated = append(t.generated, c.Name)
			c.Cast = true // whatever the stream has there is left out
		}
		t.Identity = t.Identity || r[9] == "t"
		t.Columns = append(t.Columns, c)
	}
	for _, k := range keys {
		columns, err := stringList(k[2])
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", t.Ref(), err)
		}
		t.unique = append(t.unique, columns)
		if k[0] == "t" {
			t.primary, t.primaryKey = k[1], columns
		}
	}
	return t, nil
}

// kindOf is the column that stores a type's values, Cast for a type whose
// binary form we do not write.
func kindOf(oid int64, typmod int, typtype string) sqltarget.Column {
	var c sqltarget.Column
	c.Wire = row.Wire(oid)
	switch c.Wire {
	case row.WireBool:
		c.Kind = row.Bool
	case row.WireInt2, row.WireInt4, row.WireInt8:
		c.Kind = row.Int64
	case row.WireFloat4, row.WireFloat8:
		c.Kind = row.Float64
	case row.WireNumeric:
		c.Kind = row.Numeric
		if typmod >= 4 {
			c.Precision, c.Scale = (typmod-4)>>16&0xffff, ((typmod-4)&0x7ff^1024)-1024
		}
	case row.WireBytea:
		c.Kind = row.Bytes
	case row.WireDate:
		c.Kind = row.Date
	case row.WireTime:
		c.Kind = row.Time
	case row.WireTimestamp:
		c.Kind = row.Timestamp
	case row.WireTimestampTZ:
		c.Kind = row.TimestampTZ
	case row.WireUUID:
		c.Kind = row.UUID
	case row.WireJSON, row.WireJSONB:
		c.Kind = row.JSON
	default:
		c.Kind, c.Wire = row.Text, row.WireText
		switch oid {
		case 25:
		case 1042, 1043: // char(n), varchar(n)
			if typmod >= 4 {
				c.Precision = typmod - 4
			}
		default:
			c.Cast = typtype != "e" // an enum's binary form is its label
			c.Composite = typtype == "c"
		}
	}
	return c
}

// stringList reads a JSON array of strings.
func stringList(text string) (out []string, err error) {
	err = json.Unmarshal([]byte(text), &out)
	return out, err
}

// aside is the comment of an unpublished table. Once a position was
// committed with its rows, no later run gets them again: it must go on with
// the table, as long as the bookmark is the one that we moved.
type aside struct {
	Stream  string `json:"stream"`
	State   string `json:"state,omitempty"`
	Edit    int64  `json:"edit,omitempty"`
	Covered bool   `json:"covered,omitempty"`
	Rows    int64  `json:"rows,omitempty"` // rows numbered so far
}

const asidePrefix, ownPrefix = "elt unpublished: ", "elt stream: "

// literal is an SQL string.
func literal(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
