package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"elt/internal/sqltarget"
	"elt/targets"
)

// publish puts the unpublished table in its place within this transaction, so
// that readers see either nothing (or the old rows) or all of it.
func (ld *loader) publish(ctx context.Context) error {
	l := ld.lane
	if ld.keyed && !ld.unique {
		if err := ld.settleKey(ctx); err != nil {
			return err
		}
	}
	if err := ld.dropStage(ctx); err != nil {
		return err
	}
	old, err := l.describe(ctx, ld.final.Schema, ld.final.Name)
	if err != nil {
		return err
	}
	switch {
	case old == nil:
		ld.mine = true
		err = ld.takePlace(ctx)
	case ld.sink.set.LoadMethod == sqltarget.Overwrite:
		err = ld.replace(ctx, old)
	default: // somebody made the table meanwhile
		err = ld.pour(ctx, old)
	}
	if err != nil {
		return fmt.Errorf("publish %s: %w", ld.final.Ref(), err)
	}
	ld.aside, ld.created = false, false
	return nil
}

func (ld *loader) keyName() string {
	n := ld.sink.set.naming()
	if ld.aside {
		return n.Ident(ld.at.Name + "_pkey")
	}
	return n.Ident(ld.final.Name + "_pkey")
}

// takePlace renames the unpublished table and its key.
func (ld *loader) takePlace(ctx context.Context) error {
	l := ld.lane
	sql := "alter table " + ld.at.Ref() + " rename to " + sqltarget.Quote(ld.final.Name)
	ld.at.Name = ld.final.Name
	ld.at.comment = ownPrefix + ld.schema.Stream
	sql += "; comment on table " + ld.at.Ref() + " is " + literal(ld.at.comment)
	for _, g := range ld.grants {
		sql += "; grant select on " + ld.at.Ref() + " to " + sqltarget.Quote(g)
	}
	if err := l.exec(ctx, sql); err != nil {
		return err
	}
	ld.sink.made(ld.at.Schema, ld.at.Name)
	if ld.at.primary == "" {
		return nil
	}
	ld.aside = false
	name := ld.keyName()
	err := l.attempt(ctx, "alter table "+ld.at.Ref()+" rename constraint "+sqltarget.Quote(ld.at.primary)+" to "+sqltarget.Quote(name))
	if err != nil && l.conn.TxStatus() == 'T' {
		return nil // the name is taken; another one does as well
	}
	ld.at.primary = name
	return err
}

// attached says whether something hangs on a table that a new one would not
// have: views, foreign keys, triggers, policies, further indexes, defaults,
// column grants, another owner. Its table grants are the second column.
const attached = `select c.relkind <> 'r' or c.relowner <> (select oid from pg_roles where rolname = current_user)
	or exists (select from pg_depend d join pg_rewrite r on r.oid = d.objid where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid)
	or exists (select from pg_constraint k where k.confrelid = c.oid or k.conrelid = c.oid and k.contype <> 'p')
	or exists (select from pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal)
	or exists (select from pg_policy p where p.polrelid = c.oid)
	or exists (select from pg_publication_rel p where p.prrelid = c.oid)
	or exists (select from pg_inherits i where c.oid in (i.inhparent, i.inhrelid))
	or exists (select from pg_index i where i.indrelid = c.oid and not i.indisprimary)
	or exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and (a.attacl is not null or a.atthasdef or a.attidentity <> '')),
	coalesce((select string_agg('grant ' || x.privilege_type || ' on table %s to ' || case when x.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end || case when x.is_grantable then ' with grant option' else '' end, '; ')
		from aclexplode(c.relacl) x where x.grantee <> c.relowner), '')
from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2`

// replace overwrites: the new table takes the old one's place and its grants.
// Where more hangs on the old one, its rows are replaced instead.
func (ld *loader) replace(ctx context.Context, old *table) error {
	l := ld.lane
	if err := l.exec(ctx, "lock table "+old.Ref()+" in access exclusive mode"); err != nil {
		return err
	}
	rows, err := l.query(ctx, strings.ReplaceAll(attached, "%s", strings.ReplaceAll(old.Ref(), "'", "''")), old.Schema, old.Name)
	if err != nil {
		return err
	}
	if rows[0][0] == "t" {
		if err := l.exec(ctx, "delete from "+old.Ref()); err != nil {
			return err
		}
		return ld.pour(ctx, old)
	}
	if err := l.exec(ctx, "drop table "+old.Ref()); err != nil {
		return err
	}
	if err := ld.takePlace(ctx); err != nil {
		return err
	}
	if rows[0][1] != "" {
		return l.exec(ctx, rows[0][1])
	}
	return nil
}

// pour moves the unpublished table's rows into one that is there.
func (ld *loader) pour(ctx context.Context, into *table) error {
	source := ld.at
	ld.at, ld.aside = into, false
	if err := ld.shape(ctx, ld.schema, ld.sink.set.OnSchemaChange); err != nil {
		return err
	}
	stage := &sqltarget.Stage{Ref: source.Ref(), Columns: slices.Clone(ld.encoder.columns)}
	for i := range stage.Columns {
		if at := source.Index(stage.Columns[i].Name); at >= 0 && source.Columns[at].Type != stage.Columns[i].Type {
			stage.Columns[i].Cast = true
		}
	}
	sqls := []string{stage.Append(&ld.at.Table)}
	switch {
	case ld.keyed && ld.unique:
		sqls = []string{stage.Upsert(sqltarget.Postgres{}, &ld.at.Table)}
	case ld.keyed:
		sqls = append([]string{stage.Remove(&ld.at.Table)}, sqls...)
	}
	for _, sql := range append(sqls, "drop table "+source.Ref()) {
		if err := ld.lane.exec(ctx, sql); err != nil {
			return err
		}
	}
	ld.sink.changed(targets.Change{Stream: ld.schema.Stream, Kind: "create", Detail: "rows were moved into " + into.Ref()})
	return nil
}
