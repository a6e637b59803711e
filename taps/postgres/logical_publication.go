package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/fault"
)

// publication is one as pg_publication and pg_publication_tables have it.
type publication struct {
	Insert  bool `json:"pubinsert"`
	Update  bool `json:"pubupdate"`
	Delete  bool `json:"pubdelete"`
	Empty   bool `json:"pubtruncate"`
	ViaRoot bool `json:"pubviaroot"`
	tables  []published
}

type published struct {
	Schema  string   `json:"schemaname"`
	Name    string   `json:"tablename"`
	Columns []string `json:"attnames"`
	Filter  *string  `json:"rowfilter"`
}

// publisher is a connection, or a transaction that is rolled back.
type publisher interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Begin(ctx context.Context) (pgx.Tx, error)
}

// findPublication is nil when there is none of the name.
func findPublication(ctx context.Context, ask publisher, name string) (*publication, error) {
	var whole, tables string
	err := ask.QueryRow(ctx, `select pg_catalog.to_jsonb(p)::text,
		(select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(t)), '[]')::text from pg_catalog.pg_publication_tables t where t.pubname = p.pubname)
		from pg_catalog.pg_publication p where p.pubname = $1`, name).Scan(&whole, &tables)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	p := &publication{Empty: true}
	if err == nil {
		err = errors.Join(json.Unmarshal([]byte(whole), p), json.Unmarshal([]byte(tables), &p.tables))
	}
	if err != nil {
		return nil, fmt.Errorf("look for the publication %q: %w", name, err)
	}
	return p, nil
}

func (p *publication) table(of *plan) *published {
	if p == nil {
		return nil
	}
	if i := slices.IndexFunc(p.tables, func(t published) bool { return t.Schema == of.rel.schema && t.Name == of.rel.name }); i >= 0 {
		return &p.tables[i]
	}
	return nil
}

// publish sees to it that the publication has the tables of plans, and
// returns those that it cannot serve, by their error. Tables of streams that
// are read whole first are added; one with a bookmark that was not published
// has lost what happened since.
func (l *logs) publish(ctx context.Context, ask publisher, plans []*plan) (map[*plan]error, error) {
	name, src := l.publication(), l.source
	have, err := findPublication(ctx, ask, name)
	if err != nil {
		return nil, err
	}
	refused := map[*plan]error{}
	var missing []string
	var lacking []*plan
	for _, p := range plans {
		t := have.table(p)
		switch {
		case t != nil:
			if err := have.serves(name, p, t); err != nil {
				refused[p] = err
			}
		case have != nil && p.rel.kind == "p" && !have.ViaRoot:
			refused[p] = fault.New(fault.Failed, "the publication %q publishes partitions under their own names", name).
				WithHint("alter publication %s set (publish_via_partition_root = true)", identifier(name))
		case p.resumed:
			refused[p] = fault.New(fault.Failed, "the publication %q lacks %s, so what happened there since the bookmark is not in the log", name, p.table()).WithKind(fault.KindShape).
				WithHint("read the stream anew, which adds the table: elt run --full-refresh --select %s", p.id)
		default:
			missing, lacking = append(missing, p.table()), append(lacking, p)
		}
	}
	if len(missing) == 0 {
		return refused, nil
	}
	sql := fmt.Sprintf("alter publication %s add table %s", identifier(name), strings.Join(missing, ", "))
	if have == nil {
		sql = fmt.Sprintf("create publication %s for table %s", identifier(name), strings.Join(missing, ", "))
		if src.version >= 130000 {
			sql += " with (publish_via_partition_root = true)"
		}
	}
	if err := pgx.BeginFunc(ctx, ask, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, sql); return err }); err != nil {
		var pg *pgconn.PgError
		if !errors.As(err, &pg) {
			return nil, fmt.Errorf("publish tables: %w", err)
		}
		if have, err = findPublication(ctx, ask, name); err != nil { // another run may have done it
			return nil, err
		}
		for _, p := range lacking {
			if have.table(p) == nil {
				refused[p] = fault.New(fault.Failed, "the publication %q lacks %s, and the role %q cannot add it: %s", name, p.table(), l.set.primary.User, pg.Message).WithKind(fault.KindPermission).
					WithHint("let the tables' owner do it: %s", sql)
			}
		}
	}
	return refused, nil
}

// serves says why what is published of a table is not enough.
func (p *publication) serves(name string, of *plan, t *published) error {
	wrong := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Failed, "the publication %q %s", name, fmt.Sprintf(format, args...))
	}
	switch {
	case !p.Insert || !p.Update || !p.Delete:
		return wrong("does not publish all of insert, update and delete").WithHint("alter publication %s set (publish = 'insert, update, delete, truncate')", identifier(name))
	case t.Filter != nil:
		return wrong("publishes only some rows of %s: where %s", of.table(), *t.Filter).WithHint("give the tap a publication of its own: replication_publication_name")
	}
	if t.Columns == nil {
		return nil // older than column lists
	}
	for _, r := range of.columns[:of.own()] {
		if !slices.Contains(t.Columns, r.name) {
			return wrong("does not publish column %q of %s", r.name, of.table()).WithHint("deselect the column, or publish it")
		}
	}
	return nil
}

// identities says of which plans the log does not tell rows apart as the
// stream's key does.
func identities(ctx context.Context, ask *pgx.Conn, plans []*plan) (map[*plan]error, error) {
	var schemas, names []string
	for _, p := range plans {
		schemas, names = append(schemas, p.rel.schema), append(names, p.rel.name)
	}
	rows, err := ask.Query(ctx, `select n.nspname::text, c.relname::text, c.relreplident::text, c.relpersistence::text,
		(select pg_catalog.array_agg(a.attname::text) from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
		 where i.indrelid = c.oid and (c.relreplident = 'd' and i.indisprimary or c.relreplident = 'i' and i.indisreplident))
		from unnest($1::text[], $2::text[]) as want(s, t)
		join pg_catalog.pg_namespace n on n.nspname = want.s join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = want.t`, schemas, names)
	if err != nil {
		return nil, fmt.Errorf("look for replica identities: %w", err)
	}
	wrong := map[*plan]error{}
	var schema, name, identity, persistence string
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&schema, &name, &identity, &persistence, &columns}, func() error {
		for _, p := range plans {
			if p.rel.schema == schema && p.rel.name == name {
				if err := p.identified(identity, persistence, columns); err != nil {
					wrong[p] = err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for replica identities: %w", err)
	}
	return wrong, nil
}

func (p *plan) identified(identity, persistence string, columns []string) error {
	if persistence != "p" {
		return fault.New(fault.Failed, "%s is unlogged: its changes are not in the log", p.table()).WithHint("set its replication-method to FULL_TABLE")
	}
	if identity == "f" {
		return nil
	}
	full := "alter table " + p.table() + " replica identity full"
	if len(columns) == 0 {
		return fault.New(fault.Failed, "%s has no primary key and no replica identity: the log cannot say which row was changed", p.table()).
			WithHint("give it a primary key, or: %s", full)
	}
	for _, key := range p.schema.Key {
		if !slices.Contains(columns, key) {
			return fault.New(fault.Failed, "the replica identity of %s lacks the stream's key property %q", p.table(), key).
				WithHint("%s", full)
		}
	}
	return nil
}
