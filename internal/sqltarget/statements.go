package sqltarget

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"elt/internal/row"
)

// Table is a destination table. Key are the identifiers of the columns that
// tell its rows apart, nil for a table of plain rows.
type Table struct {
	Schema, Name string
	Columns      []Column
	Key          []string
	// Identity: some column is generated always as identity; the rows' own
	// values go in all the same.
	Identity bool
}

// Ref is the quoted, qualified name.
func (t *Table) Ref() string { return Qualify(t.Schema, t.Name) }

// Index is the position of the column called name, or -1.
func (t *Table) Index(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
}

// Has says whether there is a column called name.
func (t *Table) Has(name string) bool { return t.Index(name) >= 0 }

// Create is the statement that makes t. withKey declares the primary key;
// without it key columns are just not null.
func (t *Table) Create(withKey bool) string {
	if withKey && len(t.Key) > 0 {
		return t.create("primary key (" + list(t.Key) + ")")
	}
	return t.create("")
}

// CreateKeyed is Create with a primary key that has a name.
func (t *Table) CreateKeyed(name string) string {
	return t.create("constraint " + Quote(name) + " primary key (" + list(t.Key) + ")")
}

func (t *Table) create(key string) string {
	var parts []string
	for _, c := range t.Columns {
		def := Quote(c.Name) + " " + c.Type
		if slices.Contains(t.Key, c.Name) {
			def += " not null"
		}
		parts = append(parts, def)
	}
	if key != "" {
		parts = append(parts, key)
	}
	return "create table " + t.Ref() + " (" + strings.Join(parts, ", ") + ")"
}

// AddColumn is the statement that adds c.
func (t *Table) AddColumn(c Column) string {
	return "alter table " + t.Ref() + " add column " + Quote(c.Name) + " " + c.Type
}

// Stage is a table beside t that rows are staged in before they are merged.
type Stage struct {
	Ref     string   // quoted name
	Columns []Column // of the destination table, those that are loaded
	// Ops: the stage has OpColumn and MaskColumn, too: its rows are inserts,
	// updates and deletes and may leave fields as they are. No key is twice
	// in such a stage.
	Ops bool
}

// Columns of a stage that say what a row does: OpColumn holds a row.Op,
// MaskColumn which fields the source did not send (NULL: none).
const (
	OpColumn   = "_elt_op"
	MaskColumn = "_elt_unset"
)

// Create is the statement that makes the stage of a table with the given key
// as a temporary one; its suffix is the dialect's ("on commit delete rows").
func (s *Stage) Create(key []string, suffix string) string {
	var parts []string
	for _, c := range s.Columns {
		def := Quote(c.Name) + " " + c.Type
		if c.Cast {
			def = Quote(c.Name) + " text"
		}
		if slices.Contains(key, c.Name) {
			def += " not null"
		}
		parts = append(parts, def)
	}
	if s.Ops {
		parts = append(parts, Quote(OpColumn)+" smallint", Quote(MaskColumn)+" bytea")
	}
	return strings.TrimSpace("create temporary table " + s.Ref + " (" + strings.Join(parts, ", ") + ") " + suffix)
}

// Append is the statement that copies every staged row into t.
func (s *Stage) Append(t *Table) string {
	return "insert into " + t.Ref() + " (" + s.names() + ")" + t.overriding() + " select " + s.values("s") + " from " + s.Ref + " as s"
}

func (t *Table) overriding() string {
	if t.Identity {
		return " overriding system value"
	}
	return ""
}

// Remove is the statement that deletes the rows of t whose key is staged.
func (s *Stage) Remove(t *Table) string {
	return "delete from " + t.Ref() + " as d where exists (select 1 from " + s.Ref + " as s where " + s.match(t) + ")"
}

// Upsert is the statement that merges the stage's rows into t, which has a
// unique constraint on its key. A row that is equal but for volatile columns
// is left alone.
func (s *Stage) Upsert(d Dialect, t *Table) string {
	sql := "insert into " + t.Ref() + " as d (" + s.names() + ")" + t.overriding() + " select " + s.values("s") + " from " + s.Ref + " as s where true"
	return sql + t.OnConflict(d, s.Columns)
}

// UpsertChanged is Upsert where most rows are expected to be equal to those
// in t: they are left out before anything is locked. No key may be twice in
// the stage. It is "" for a table of nothing but its key.
func (s *Stage) UpsertChanged(d Dialect, t *Table) string {
	var match, differ []string
	for _, c := range s.Columns {
		q, v := "o."+Quote(c.Name), s.value("s", c.Name)
		switch {
		case slices.Contains(t.Key, c.Name):
			match = append(match, q+" = "+v)
		case !Volatile(c.Name):
			differ = append(differ, d.Distinct(c, q, v))
		}
	}
	if len(differ) == 0 {
		return ""
	}
	return "insert into " + t.Ref() + " as d (" + s.names() + ")" + t.overriding() + " select " + s.values("s") + " from " + s.Ref + " as s left join " + t.Ref() +
		" as o on " + strings.Join(match, " and ") + " where o." + Quote(t.Key[0]) + " is null or " + either(differ) + t.OnConflict(d, s.Columns)
}

// Repeated is the query for whether some key is twice in the stage.
func (s *Stage) Repeated(key []string) string {
	return "select exists (select from " + s.Ref + " group by " + list(key) + " having count(*) > 1)"
}

// OnConflict is the tail of an insert of columns into t as d that makes it a
// merge: a row that is there is updated where they differ.
func (t *Table) OnConflict(d Dialect, columns []Column) string {
	var set, differ []string
	for _, c := range columns {
		if slices.Contains(t.Key, c.Name) {
			continue
		}
		q := Quote(c.Name)
		set = append(set, q+" = excluded."+q)
		if !Volatile(c.Name) {
			differ = append(differ, d.Distinct(c, "d."+q, "excluded."+q))
		}
	}
	if len(differ) == 0 { // only the key: nothing to update
		return " on conflict (" + list(t.Key) + ") do nothing"
	}
	return " on conflict (" + list(t.Key) + ") do update set " + strings.Join(set, ", ") + " where " + either(differ)
}

// either joins conditions by or, nested where they are many: SQLite allows
// expressions no deeper than a thousand.
func either(parts []string) string {
	if len(parts) <= 100 {
		return strings.Join(parts, " or ")
	}
	half := len(parts) / 2
	return "(" + either(parts[:half]) + ") or (" + either(parts[half:]) + ")"
}

// MarkDeleted is the tail of an insert of key and marker columns into t as d
// that marks the row if it is there and alive.
func (t *Table) MarkDeleted(columns []Column) string {
	var set []string
	for _, c := range columns {
		if !slices.Contains(t.Key, c.Name) {
			set = append(set, Quote(c.Name)+" = excluded."+Quote(c.Name))
		}
	}
	return " on conflict (" + list(t.Key) + ") do update set " + strings.Join(set, ", ") + " where d." + Quote(DeletedAt) + " is null"
}

// Insert is the statement that adds so many rows of columns, given one after
// another as ?1, ?2, ….
func (t *Table) Insert(columns []Column, rows int) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	sql := []byte("insert into " + t.Ref() + " as d (" + list(names) + ") values ")
	for i := range rows * len(columns) {
		switch {
		case i == 0:
			sql = append(sql, '(')
		case i%len(columns) == 0:
			sql = append(sql, "), ("...)
		default:
			sql = append(sql, ", "...)
		}
		sql = strconv.AppendInt(append(sql, '?'), int64(i+1), 10)
	}
	return string(append(sql, ')'))
}

// Update is the statement that sets the columns of the row with the key;
// parameters as in Insert.
func (t *Table) Update(columns []Column) string {
	var set, match []string
	for i, c := range columns {
		part := fmt.Sprintf("%s = ?%d", Quote(c.Name), i+1)
		if slices.Contains(t.Key, c.Name) {
			match = append(match, part)
		} else {
			set = append(set, part)
		}
	}
	if len(set) == 0 { // nothing but the key: set it to what it is
		set = match[:1]
	}
	return "update " + t.Ref() + " set " + strings.Join(set, ", ") + " where " + strings.Join(match, " and ")
}

// Delete is the statement that deletes the row with the key; parameters as in
// Insert, those of other columns unused.
func (t *Table) Delete(columns []Column) string {
	var match []string
	for i, c := range columns {
		if slices.Contains(t.Key, c.Name) {
			match = append(match, fmt.Sprintf("%s = ?%d", Quote(c.Name), i+1))
		}
	}
	return "delete from " + t.Ref() + " where " + strings.Join(match, " and ")
}

// Dedupe is the statement that keeps of the rows of table that share a key
// the last in the given order (an expression list); id tells rows apart.
func Dedupe(table string, key []string, id, order string) string {
	return fmt.Sprintf("delete from %s where %s in (select %s from (select %s, row_number() over (partition by %s order by %s) as n, count(*) over (partition by %s) as of_key from %s) as x where n < of_key)",
		table, id, id, id, list(key), order, list(key), table)
}

// Apply is the statements, in order, that bring a stage with Ops into t. They
// need no constraint on the key. hard deletes rows instead of marking them; a
// table without DeletedAt keeps deleted rows as they are.
func (s *Stage) Apply(d Stager, t *Table, hard bool) []string {
	match := s.match(t)
	var sqls []string
	if hard {
		sqls = append(sqls, fmt.Sprintf("delete from %s as d where exists (select 1 from %s as s where s.%s = %d and %s)",
			t.Ref(), s.Ref, Quote(OpColumn), row.Delete, match))
	} else if set := s.assign(d, func(c Column) bool { return Marker(c.Name) }, t, false); s.marks() {
		sqls = append(sqls, fmt.Sprintf("update %s as d set %s from %s as s where s.%s = %d and %s and d.%s is null",
			t.Ref(), set, s.Ref, Quote(OpColumn), row.Delete, match, Quote(DeletedAt)))
	}
	if set := s.assign(d, func(Column) bool { return true }, t, true); set != "" {
		sqls = append(sqls, fmt.Sprintf("update %s as d set %s from %s as s where s.%s <> %d and %s and (%s)",
			t.Ref(), set, s.Ref, Quote(OpColumn), row.Delete, match, s.differs(d, t)))
	}
	missing := fmt.Sprintf("insert into %s (%s)%s select %s from %s as s where not exists (select 1 from %s as d where %s)",
		t.Ref(), s.names(), t.overriding(), s.values("s"), s.Ref, t.Ref(), match)
	if hard || !s.marks() {
		missing += fmt.Sprintf(" and s.%s <> %d", Quote(OpColumn), row.Delete)
	}
	return append(sqls, missing)
}

func (s *Stage) marks() bool {
	return slices.ContainsFunc(s.Columns, func(c Column) bool { return c.Name == DeletedAt })
}

// match says that d and s have the same key.
func (s *Stage) match(t *Table) string {
	var parts []string
	for _, k := range t.Key {
		parts = append(parts, "d."+Quote(k)+" = "+s.value("s", k))
	}
	return strings.Join(parts, " and ")
}

func (s *Stage) assign(d Stager, take func(Column) bool, t *Table, masked bool) string {
	var set []string
	for i, c := range s.Columns {
		if slices.Contains(t.Key, c.Name) || !take(c) {
			continue
		}
		q := Quote(c.Name)
		v := s.value("s", c.Name)
		if masked {
			v = "case when " + d.MaskBit("s."+Quote(MaskColumn), i) + " then d." + q + " else " + v + " end"
		}
		set = append(set, q+" = "+v)
	}
	return strings.Join(set, ", ")
}

func (s *Stage) differs(d Stager, t *Table) string {
	var parts []string
	for i, c := range s.Columns {
		if slices.Contains(t.Key, c.Name) || Volatile(c.Name) {
			continue
		}
		parts = append(parts, "(not "+d.MaskBit("s."+Quote(MaskColumn), i)+" and "+d.Distinct(c, "d."+Quote(c.Name), s.value("s", c.Name))+")")
	}
	if len(parts) == 0 {
		return "false"
	}
	return either(parts)
}

func (s *Stage) names() string {
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = c.Name
	}
	return list(names)
}

func (s *Stage) values(alias string) string {
	parts := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		parts[i] = s.value(alias, c.Name)
	}
	return strings.Join(parts, ", ")
}

func (s *Stage) value(alias, name string) string {
	i := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == name })
	v := alias + "." + Quote(name)
	if i < 0 || !s.Columns[i].Cast {
		return v
	}
	return cast(s.Columns[i], v)
}

// epochMillis is where versions in milliseconds begin (targets.VersionMillis).
const epochMillis = 100_000_000_000

// Activate is the statement that makes rows of versions before millis, and of
// none, dead: deleted if hard, else marked with the timestamp expression now.
// The version itself survives: the comparison is < and never <=.
func (t *Table) Activate(millis int64, hard bool, now string) string {
	v := Quote(TableVersion)
	old := fmt.Sprintf("(%s is null or case when %s < %d then %s * 1000 else %s end < %d)", v, v, epochMillis, v, v, millis)
	if hard {
		return "delete from " + t.Ref() + " where " + old
	}
	return fmt.Sprintf("update %s set %s = %s where %s and %s is null", t.Ref(), Quote(DeletedAt), now, old, Quote(DeletedAt))
}

func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// List is names quoted and joined by commas.
func List(names []string) string { return list(names) }
