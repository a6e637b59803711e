package postgres

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed discover.sql
var discoverSQL string

//go:embed types.sql
var typesSQL string

// relation is a table or view that can be read.
type relation struct {
	oid          uint32
	schema, name string
	kind         string // as pg_class.relkind: r, p(artitioned), f(oreign), v(iew), m(aterialised)
	partition    bool   // its rows are its parent's too
	inherited    bool   // other tables inherit from it, so COPY would miss their rows
	rows         int64  // the planner's estimate
	primary      bool   // key is the primary key
	key          []string
	columns      []column
}

type column struct {
	number        int
	keyAt         int // place in the key, -1 outside
	name          string
	typ           uint32
	mod           int32
	notNull       bool
	generated     bool
	deterministic bool   // equal means equal bytes, as far as the collation goes
	sqlType       string // as format_type prints it, without modifiers
}

func (r *relation) column(name string) *column {
	if i := slices.IndexFunc(r.columns, func(c column) bool { return c.name == name }); i >= 0 {
		return &r.columns[i]
	}
	return nil
}

func (r *relation) view() bool { return r.kind == "v" || r.kind == "m" }

// id is the stream id that both families of plugins give a table.
func (r *relation) id() string { return r.schema + "-" + r.name }

// database is what discovery found.
type database struct {
	name      string
	relations []*relation
	types     map[uint32]pgType
	// attributes are those of composite types, for LOG_BASED streams only.
	attributes map[uint32][]attribute
}

// discover asks for all relations of schemas (nil: all but the system's), or
// for those of the given stream ids. It takes two round trips, whatever there is.
func discover(ctx context.Context, conn *pgx.Conn, schemas, ids []string) (*database, error) {
	db := &database{name: conn.Config().Database, types: map[uint32]pgType{}}
	used := map[uint32]bool{}
	rows, err := conn.Query(ctx, discoverSQL, schemas, ids)
	if err != nil {
		return nil, fmt.Errorf("discover tables: %w", err)
	}
	found := map[uint32]*relation{}
	var r relation
	var c column
	_, err = pgx.ForEachRow(rows, []any{&r.oid, &r.schema, &r.name, &r.kind, &r.partition, &r.inherited, &r.rows, &r.primary, &c.keyAt,
		&c.number, &c.name, &c.typ, &c.mod, &c.notNull, &c.generated, &c.deterministic, &c.sqlType}, func() error {
		rel := found[r.oid]
		if rel == nil {
			first := r
			rel = &first
			found[r.oid] = rel
			db.relations = append(db.relations, rel)
		}
		rel.columns = append(rel.columns, c)
		used[c.typ] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("discover tables: %w", err)
	}
	slices.SortFunc(db.relations, func(a, b *relation) int { return cmp.Or(cmp.Compare(a.schema, b.schema), cmp.Compare(a.name, b.name)) })
	for _, rel := range db.relations {
		rel.sort()
	}
	return db, db.loadTypes(ctx, conn, used)
}

// sort puts the columns in the table's order and the key in the index's.
func (r *relation) sort() {
	slices.SortFunc(r.columns, func(a, b column) int { return cmp.Compare(a.keyAt, b.keyAt) })
	for _, c := range r.columns {
		if c.keyAt >= 0 {
			r.key = append(r.key, c.name)
		}
	}
	slices.SortFunc(r.columns, func(a, b column) int { return cmp.Compare(a.number, b.number) })
}

func (db *database) loadTypes(ctx context.Context, conn *pgx.Conn, used map[uint32]bool) error {
	oids := make([]uint32, 0, len(used))
	for oid := range used {
		if name, send := plain(oid); name != "" {
			db.types[oid] = pgType{schema: "pg_catalog", name: name, mod: -1, send: send}
		} else {
			oids = append(oids, oid)
		}
	}
	if len(oids) == 0 {
		return nil
	}
	rows, err := conn.Query(ctx, typesSQL, oids)
	if err != nil {
		return fmt.Errorf("discover types: %w", err)
	}
	var oid uint32
	var t pgType
	_, err = pgx.ForEachRow(rows, []any{&oid, &t.schema, &t.name, &t.base, &t.elem, &t.mod, &t.notNull, &t.send}, func() error {
		db.types[oid] = t
		return nil
	})
	if err != nil {
		return fmt.Errorf("discover types: %w", err)
	}
	return nil
}

// identifier quotes a name, or a qualified one.
func identifier(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	return strings.Join(quoted, ".")
}

// literal quotes a text so that it is one whatever standard_conforming_strings says.
func literal(text string) string {
	text = strings.ReplaceAll(text, "'", "''")
	if strings.Contains(text, `\`) {
		return `E'` + strings.ReplaceAll(text, `\`, `\\`) + `'`
	}
	return "'" + text + "'"
}
